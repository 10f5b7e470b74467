"""``forest deploy``: a model, an endpoint's configuration, an endpoint.

The names of models and configurations end in a digest of their content. A second run therefore
finds them, and a changed run creates new ones beside the old ones, to which ``forest rollback``
returns. An update starts from what the endpoint is like, and changes what is asked for.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlserver_forest.aws.deploy.changes import changes, flat_model, variant_changes
from mlserver_forest.aws.deploy.endpoint_config import Traffic, Variant
from mlserver_forest.aws.deploy.wanted_endpoint import Deploy
from mlserver_forest.aws.endpoint import (
    check_updatable,
    configuration_step,
    unknown_update_steps,
    update,
    variant_names,
)
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.naming import foreign_note, tag_list
from mlserver_forest.aws.present_endpoint import PresentEndpoint
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.scaling import Autoscaling, Scaling, removal_steps, scaling_steps
from mlserver_forest.aws.step import Call, Plan, Request, Step
from mlserver_forest.aws.storage import bucket_steps, upload_steps
from mlserver_forest.aws.traffic_shares import PRODUCTION, SHADOW, all_variants, variant_named
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


def plan(deploy: Deploy, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: uploads, model, configuration and endpoint, then the wait and autoscaling.

    Args:
        deploy: the options.
        existing: the account.
        poll: seconds between two checks, or None not to wait.

    Raises:
        DeploymentError: if the endpoint cannot be updated.
    """
    steps, afterwards = _endpoint_steps(deploy, existing, poll)
    return (
        *_uploads(deploy, existing),
        *(() if deploy.has_same_model else (deploy.model.step(existing),)),
        *(() if deploy.is_unchanged else (_configuration_step(deploy, existing),)),
        *steps,
        *_after(deploy, poll, afterwards),
    )


def changed_lines(deploy: Deploy) -> list[str]:
    """What an update changes, a line each; empty for a new endpoint."""
    there = deploy.there
    if there is None:
        return []
    name, several = deploy.variant_name, len(all_variants(there.configuration)) > 1
    lines = [*_model_lines(deploy, there), *_part_lines(deploy, there)]
    lines = [f"variant {name}: {line}" if several or there.is_new else line for line in lines]
    shared = changes(_without_variants(there.configuration), _without_variants(deploy.request))
    moved = variant_changes(there.configuration, deploy.request, there.found)
    tags = dict(there.tags)
    new = (one for one in deploy.new_tags if tags.get(one[0]) != one[1])
    return [
        *lines,
        *shared,
        *moved,
        *_changed_scaling(deploy.autoscaling, there.own_scaling, scales=deploy.scales),
        *(f"tag {key}: {tags.get(key, 'none')} -> {value}" for key, value in new),
    ]


def _model_lines(deploy: Deploy, there: PresentEndpoint) -> list[str]:
    if deploy.keeps_model:
        return []
    lines = changes(flat_model(there.model), flat_model(deploy.model.request()))
    same_uri = there.container.get("ModelDataUrl") == deploy.artifact.uri
    if same_uri and there.data != deploy.model.data:
        lines.append(f"model data: {deploy.artifact.uri} was replaced in S3")
    return lines


def _part_lines(deploy: Deploy, there: PresentEndpoint) -> list[str]:
    """What changes in the variant itself; a new one differs from the one that it starts from."""
    after = {**variant_named(deploy.request, deploy.variant_name), "VariantName": there.start_name}
    return changes(there.variant, after)


def _without_variants(configuration: Request) -> dict[str, Any]:
    return {name: one for name, one in configuration.items() if name not in (PRODUCTION, SHADOW)}


def _changed_scaling(
    wanted: Autoscaling | None, present: Scaling, *, scales: bool
) -> Iterator[str]:
    before, target = present.describe(), present.describe_target()
    after = f"{wanted.least} to {wanted.most} instances" if wanted else before
    if (after if scales else "") != before:
        yield f"autoscaling: {before or 'none'} -> {after if scales else 'none'}"
    if wanted and wanted.value and f"{wanted.value:g}" != target:
        yield f"autoscaling target: {target or 'none'} -> {wanted.value:g}"


def update_question(deploy: Deploy) -> str:
    """The question before an endpoint is updated; empty if it does not exist or does not change."""
    there = deploy.there
    if there is None or deploy.is_unchanged:
        return ""
    check_updatable(there.found)
    return (
        f"Endpoint {deploy.endpoint}{foreign_note(there.tags)} uses configuration {there.name}; "
        f"update it to {deploy.configuration}?"
    )


def _uploads(deploy: Deploy, existing: Existing) -> Plan:
    files, kms_key = deploy.artifact.files, deploy.infrastructure.kms_key
    # A model that is already in S3, and an endpoint that writes nothing, do not need the bucket.
    needed = files or deploy.asynchronous or deploy.capture
    bucket = bucket_steps(deploy.storage, existing) if needed else ()
    return (*bucket, *upload_steps(deploy.storage, files, existing, kms_key))


def _configuration_step(deploy: Deploy, existing: Existing) -> Step:
    name, tags = deploy.configuration, deploy.infrastructure.tags
    return configuration_step(existing, name, deploy.request, deploy.endpoint, tags)


def _endpoint_steps(deploy: Deploy, existing: Existing, poll: float | None) -> tuple[Plan, Plan]:
    """The steps up to the wait for the endpoint, and those after it."""
    name, configuration = deploy.endpoint, deploy.configuration
    names = {"EndpointName": name, "EndpointConfigName": configuration}
    create = Step(
        Call(
            "sagemaker",
            "CreateEndpoint",
            {**names, "Tags": tag_list(deploy.infrastructure.tags, endpoint=name)},
        ),
        found_by=ENDPOINT.look_up(name),
        makes=f"endpoint {name}",
        removed_by=f"forest delete {name}",
    )
    if deploy.present is None:
        return (create,), ()
    there = deploy.there
    if there is None and deploy.target:  # Only an endpoint that exists gets a further variant.
        return unknown_update_steps(name, _update_request(deploy)), ()
    if there is None:
        create = replace(create, unless=ENDPOINT.look_up(name))
        return (create, *unknown_update_steps(name, _update_request(deploy))), ()
    if deploy.is_unchanged:
        makes = f"endpoint {name}, which already has configuration {configuration}"
        found = replace(create, found=there.found, makes=makes)
        return (found, *_tag_steps(deploy, there), *_ended_scaling(deploy, there)), ()
    check_updatable(there.found)
    _check_guard(deploy)
    change = deploy.change
    restored = there.scaling.of_variants(change.on_other_instances)
    if restored.targets and deploy.scales and poll is None:
        raise DeploymentError(
            f"the autoscaling of {name} is set up again when the instance type has changed; leave "
            "out --no-wait"
        )
    ended = _ended_scaling(deploy, there)
    others = frozenset(variant_names(there.found, there.configuration)) - {deploy.variant_name}
    scaling = there.scaling.of_variants(others) if ended else there.scaling
    updated = update(
        existing, there.found, _update_request(deploy), change, scaling, deploy.new_tags
    )
    return (*ended, *updated.steps), updated.afterwards


def _tag_steps(deploy: Deploy, there: PresentEndpoint) -> Plan:
    new = [one for one in deploy.new_tags if there.tags.get(one[0]) != one[1]]
    tags = [{"Key": key, "Value": value} for key, value in new]
    request = {"ResourceArn": there.found[ENDPOINT.arn], "Tags": tags}
    return (Step(Call("sagemaker", "AddTags", request)),) if new else ()


def _ended_scaling(deploy: Deploy, there: PresentEndpoint) -> Plan:
    return () if deploy.scales else removal_steps(there.own_scaling)


def _check_guard(deploy: Deploy) -> None:
    """Check that AWS can move the traffic as it is asked for."""
    if deploy.traffic and deploy.change.has_other_names:
        raise DeploymentError(
            "--traffic, --traffic-wait and --alarm are for updates that keep the variants; leave "
            "them out when a variant comes or goes, because AWS then moves the traffic all at once"
        )


def _update_request(deploy: Deploy) -> dict[str, Any]:
    names = {"EndpointName": deploy.endpoint, "EndpointConfigName": deploy.configuration}
    # An endpoint with autoscaling keeps its present number of instances.
    unknown = deploy.there is not None and not deploy.there.scaling.is_known
    retained = deploy.autoscaling or (unknown and deploy.variant == Variant())
    retain = {"RetainAllVariantProperties": True} if retained else {}
    if not deploy.instances[0]:
        return {**names, **retain}
    last = deploy.there.found.get("LastDeploymentConfig") if deploy.there else None
    guard = deploy.traffic.request() if deploy.traffic else last or Traffic().request()
    return {**names, **retain, "DeploymentConfig": guard}


def _after(deploy: Deploy, poll: float | None, afterwards: Plan) -> Plan:
    """The wait, and then what the update left for later, and the autoscaling of the endpoint."""
    if poll is None:
        return ()
    wait = Step(Wait(ENDPOINT, deploy.endpoint, poll, configuration=deploy.configuration))
    return (wait, *afterwards, *_autoscaling_steps(deploy))


def _autoscaling_steps(deploy: Deploy) -> Plan:
    if deploy.autoscaling is None:
        return ()
    return scaling_steps(
        deploy.endpoint,
        deploy.variant_name,
        deploy.autoscaling,
        deploy.there.own_scaling if deploy.there else Scaling(),
        is_async=deploy.is_async,
    )
