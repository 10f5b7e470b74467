"""``forest deploy``."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.deploy.endpoint_config import NEW_VARIANT
from mlserver_forest.aws.deploy.endpoint_options import (
    autoscaling_of,
    endpoint_options,
    fill,
    parts,
)
from mlserver_forest.aws.deploy.plan import changed_lines, plan, update_question
from mlserver_forest.aws.deploy.wanted_endpoint import Deploy
from mlserver_forest.aws.deploy.wanted_variants import check_target
from mlserver_forest.aws.endpoint import SERVERLESS, instance_type_of
from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.infrastructure import (
    endpoint_infrastructure_options,
    find_infrastructure,
)
from mlserver_forest.aws.model_data import (
    ModelData,
    archives_below,
    find_many_models,
    find_model_data,
)
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.present_endpoint import PresentEndpoint, find_present
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.session import POLL, Session, command
from mlserver_forest.aws.storage import Storage, find_storage
from mlserver_forest.aws.traffic_shares import VariantOption, variant_option
from mlserver_forest.errors import DeploymentError


@command
@click.argument("model", default="")
@click.option("--name", "endpoint", default="forest", show_default=True, help="Its name.")
@endpoint_options
@endpoint_infrastructure_options
@click.option("--reset", is_flag=True, help="Update from the defaults, not from what it has.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is in service.")
@POLL
def deploy(
    session: Session,
    model: str,
    endpoint: str,
    reset: bool,
    wait: bool,
    poll: float,
    **options: Any,
) -> None:
    """Serve MODEL: a training job, s3://.../model.tar.gz, a model directory or a .tar.gz.

    MODEL can also be the ARN of a model package, or GROUP@approved or GROUP@3 (forest register). An
    existing endpoint is updated in place and keeps what no option changes; the changes are shown
    first. forest rollback undoes the update.

    --variant new=10% gives MODEL a tenth of the traffic, beside what is there; without MODEL it
    changes the share of a variant. forest compare shows how the variants do.
    """
    checked_name(endpoint, 52)
    given = given_options()
    # Most combinations are wrong whatever exists.
    check_combinations("deploy", given, possible=_MODES)
    target = _target(options)
    if not model and (unused := sorted(given & _OF_MODEL)):
        raise DeploymentError(
            f"{', '.join(unused)}: a new model takes these options; give MODEL, too"
        )
    present = find_present(session.existing, endpoint, target.name if target else "")
    _check_target(present, endpoint, target, model)
    kept = None if reset or present is UNKNOWN else present
    in_effect = _in_effect(kept, given)
    check_combinations("deploy", given, in_effect)
    if present and present is not UNKNOWN:
        _check_kind(present, given)
    with tempfile.TemporaryDirectory(prefix="forest-deploy-") as folder:
        wanted = _wanted(
            session, model, (endpoint, target), (present, kept), given | in_effect, options,
            Path(folder),
        )  # fmt: skip
        if (unused := sorted(given & _OF_AN_UPDATE)) and (present is None or wanted.is_unchanged):
            verb = "is" if len(unused) == 1 else "are"
            session.say(
                f"no traffic is moved: {', '.join(unused)} {verb} for updates of an endpoint"
            )
        _deploy(session, wanted, poll if wait else None)


# Options that belong to the model in SageMaker's sense.
_OF_MODEL = frozenset(
    {
        *("--image", "--repository", "--role", "--env", "--subnet", "--security-group"),
        *("--network-isolation", "--multi-model", "--no-model-cache"),
    }
)
_OF_AN_UPDATE = frozenset({"--traffic", "--traffic-percent", "--traffic-wait", "--alarm"})
# Options whose effect an existing endpoint may have.
_MODES = frozenset({"--serverless", "--async", "--multi-model", "--capture", "--autoscale"})


def _wanted(
    session: Session,
    model: str,
    named: tuple[str, VariantOption | None],
    presence: tuple[PresentEndpoint | Unknown | None, PresentEndpoint | None],
    effective: frozenset[str],
    options: dict[str, Any],
    folder: Path,
) -> Deploy:
    present, kept = presence
    endpoint, target = named
    region = session.aws.region
    scaling, scales = autoscaling_of(
        options.pop("autoscale"), options.pop("autoscale_target"), kept, options
    )
    _check_least(scaling, effective)
    storage = find_storage(session.existing, region, options.pop("bucket"))
    several = "--multi-model" in effective
    artifact = ModelData("")
    if model:
        artifact = _artifact(session, storage, model, endpoint if several else "", folder, kept)
    artifact.check_own_image(effective)
    if not model and kept is None:
        options["role"] = "arn:<its role>"
    fill(options, artifact, kept)
    runs_on = _runs_on(options, effective, kept)
    if options["image"] == artifact.image:
        artifact.check_image(runs_on)
    infrastructure = find_infrastructure(
        session.existing,
        region,
        options,
        runs_on,
        needs_image=bool(model) and not artifact.is_package,
    )
    new_tags = infrastructure.tags
    old_tags = kept.user_tags if kept else ()
    return Deploy(
        storage=storage,
        infrastructure=replace(
            infrastructure, tags=tuple({**dict(old_tags), **dict(new_tags)}.items())
        ),
        endpoint=endpoint,
        artifact=artifact,
        autoscaling=scaling,
        scales=scales,
        multi_model=several,
        target=target,
        keeps_model=not model,
        present=present,
        is_reset=kept is None,
        new_tags=new_tags,
        **parts(options, effective),
    )


def _deploy(session: Session, wanted: Deploy, poll: float | None) -> None:
    session.say(_cost(wanted))
    instance_type, types = wanted.instances[0], wanted.artifact.instance_types
    if instance_type and types and instance_type not in types:
        session.say(
            f"AWS may refuse {instance_type}: the model package does not list it; forest register "
            f"--instance-type {instance_type} makes a version that does"
        )
    if wanted.target and "DataCaptureConfig" not in wanted.request:
        session.say(
            f"{wanted.endpoint} captures nothing, so forest compare will know no answers; add "
            "--capture"
        )
    if wanted.there and not wanted.there.scaling.is_known:
        session.say(f"whether {wanted.endpoint} is scaled is unknown: the permission is missing")
    if lines := changed_lines(wanted):
        session.say("\n  ".join([f"changes of endpoint {wanted.endpoint}:", *lines]))
    if question := update_question(wanted):
        session.confirm(question)
    answers = session.carry_out(plan(wanted, session.existing, poll))
    if answers is None:
        return
    name = wanted.endpoint
    if poll is None:
        session.result({"EndpointName": name}, [ENDPOINT.goes_on(name)])
        return
    found = next(one for one in reversed(answers) if "EndpointStatus" in one)
    document = {key: found[key] for key in ("EndpointName", "EndpointArn", "EndpointConfigName")}
    session.result(document, [_invocation(wanted), f"delete it: forest delete {name}"])


def _invocation(wanted: Deploy) -> str:
    """How to ask the endpoint."""
    mode = " --async" if wanted.is_async else ""
    if wanted.multi_model:
        files = wanted.artifact.files
        mode = f" --target-model {files[0][1].name if files else 'ARCHIVE.tar.gz'}"
    return f"invoke it: forest invoke {wanted.endpoint} FILE{mode}"


def _runs_on(
    options: dict[str, Any], effective: frozenset[str], kept: PresentEndpoint | None
) -> str:
    """The instance type, or "serverless"."""
    if "--serverless" in effective:
        return SERVERLESS
    present = instance_type_of(kept.configuration) if kept else NEW_VARIANT.instance_type
    return str(options["instance_type"] or present)


def _in_effect(present: PresentEndpoint | None, given: frozenset[str]) -> frozenset[str]:
    """The options whose effect the endpoint has, unless an option ends it."""
    if present is None:
        return frozenset()
    ended = {
        "--serverless": "--instance-type" in given,
        "--capture": "--no-capture" in given,
        "--autoscale": "--autoscale off" in given,
    }
    return frozenset(one for one in present.in_effect if not ended.get(one))


def _target(options: dict[str, Any]) -> VariantOption | None:
    """The variant that is meant, if one is named."""
    text, shadow = options.pop("variant"), options.pop("shadow")
    if shadow:
        return variant_option(shadow, is_shadow=True)
    return variant_option(text) if text else None


def _check_target(
    present: PresentEndpoint | Unknown | None,
    endpoint: str,
    target: VariantOption | None,
    model: str,
) -> None:
    """Check that there is an endpoint that can have the variant, and a model for it."""
    if target and present is None:
        raise DeploymentError(
            f"there is no endpoint {endpoint} to which variant {target.name} could be added; "
            "deploy its first model without --variant or --shadow"
        )
    is_new = isinstance(present, PresentEndpoint) and present.is_new
    if not model and (target is None or is_new):
        raise DeploymentError(
            "MODEL is missing: expected a training job, s3://.../model.tar.gz, a model directory "
            "or a .tar.gz (before --shadow, if that is given); only a variant that is there goes "
            "without it"
        )
    if target and isinstance(present, PresentEndpoint):
        check_target(present, target)


def _check_kind(present: PresentEndpoint, given: frozenset[str]) -> None:
    """Check that AWS can make the update (SageMaker's guide, "Update a serverless endpoint")."""
    name = present.found["EndpointName"]
    if "--serverless" in given and "--serverless" not in present.in_effect:
        raise DeploymentError(
            f"endpoint {name} has instances, and AWS does not make it serverless; deploy under "
            f"another --name, or forest delete {name} first"
        )
    scaled = present.own_scaling.targets and not given & {"--autoscale", "--instance-type"}
    if "--instance-count" in given and scaled:
        raise DeploymentError(
            f"endpoint {name} is scaled ({present.own_scaling.describe()}), which sets the number "
            "of instances: give --autoscale LEAST:MOST or --autoscale off, or leave "
            "--instance-count out"
        )


def _check_least(scaling: Any, effective: frozenset[str]) -> None:
    if scaling and scaling.least == 0 and "--async" not in effective:
        raise DeploymentError("--autoscale 0:N requires --async; expected at least 1 instance")


def _cost(wanted: Deploy) -> str:
    instance_type, count = wanted.instances
    if not instance_type:
        return "serverless: paid per call; nothing while it is idle, unless --provisioned"
    variant = f"variant {wanted.variant_name}: " if wanted.target else ""
    return variant + prices().describe(instance_type, count)


def _artifact(
    session: Session,
    storage: Storage,
    model: str,
    several: str,
    folder: Path,
    present: PresentEndpoint | None,
) -> ModelData:
    if not several:
        return find_model_data(session.existing, storage, model, folder, session.say)
    if model.startswith("arn:"):
        raise DeploymentError(f"--multi-model expects a folder or an S3 prefix, not {model}")
    try:
        found = find_many_models(storage, several, model, folder)
    except DeploymentError as error:
        if present is None or "--multi-model" not in present.in_effect:
            raise
        raise DeploymentError(
            f"{error}; endpoint {several} is a multi-model endpoint: --reset deploys one model"
        ) from error
    before = present.container.get("ModelDataUrl", "") if present else ""
    if before and before != found.uri and found.files:
        names = {file.name for _, file in found.files}
        gone = sorted(archives_below(session.existing, before) - names)
        if gone:
            session.say(f"no longer in {model}, and no longer served: {', '.join(gone)}")
    return found
