"""``forest register``."""

import tempfile
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.ecr_image import find_image
from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.fetched_model import fetch_archive, fetch_report
from mlserver_forest.aws.git_revision import find_git_revision
from mlserver_forest.aws.image_repository import REPOSITORY
from mlserver_forest.aws.infrastructure import parse_pairs
from mlserver_forest.aws.instance_families import real_time_types, transform_types
from mlserver_forest.aws.local_files import LocalFile, local_file
from mlserver_forest.aws.model_data import ModelData, find_model_data
from mlserver_forest.aws.model_group import APPROVED, REJECTED, STATUS_WORDS
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.package_metadata import find_caller
from mlserver_forest.aws.platforms import ARM64, platform_of
from mlserver_forest.aws.register.model_quality import model_quality
from mlserver_forest.aws.register.package_card import package_card
from mlserver_forest.aws.register.plan import Registration, find_same, plan
from mlserver_forest.aws.resource_kinds import TRAINING
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.storage import find_storage
from mlserver_forest.aws.trained_model import TrainedModel, read_trained_model
from mlserver_forest.errors import DeploymentError


@command
@click.argument("model")
@click.option("--group", required=True, help="The model package group; made if it is missing.")
@click.option("--description", default="", help="What is new in this version.")
@click.option("--approve", "is_approved", is_flag=True, help="Approve it at once.")
@click.option(
    "--report",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of metrics.json; by default beside the model.",
)
@click.option("--image", default="", help="A URI in ECR; by default the last one pushed.")
@click.option("--repository", default=REPOSITORY, show_default=True, help="As in forest push.")
@click.option("--instance-type", "instance_types", multiple=True, help="For endpoints; repeatable.")
@click.option(
    "--transform-instance-type", "transform_instance_types", multiple=True, help="Repeatable."
)
@click.option("--bucket", default="", help="A bucket or s3://BUCKET/PREFIX, as in forest deploy.")
@click.option("--kms-key", default="", help="A key for what is uploaded.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the container.")
def register(session: Session, model: str, group: str, **options: Any) -> None:
    """Register MODEL as the next version of a model package group.

    MODEL is a training job, s3://.../model.tar.gz, a model directory or a .tar.gz. The version has
    its metrics, its model card, Model Monitor's baseline and the git revision of the current
    folder. It waits for forest approve; forest deploy GROUP@approved serves it then.
    """
    checked_name(group)
    with tempfile.TemporaryDirectory(prefix="forest-register-") as folder:
        wanted = _registration(session, model, group, options, Path(folder))
        same = find_same(wanted, session.existing)
        if same is not None:
            _check_decided(group, same, wanted)
        elif wanted.is_approved:
            session.confirm(
                f"Approve the new version, so that it is {group}@approved, without a comparison?"
            )
        answers = session.carry_out(plan(wanted, session.existing, same))
    if answers is None:
        return
    found = same or {"ModelApprovalStatus": APPROVED if wanted.is_approved else None}
    _report(session, wanted, {**found, **answers[-1]})


def _registration(
    session: Session, model: str, group: str, options: dict[str, Any], folder: Path
) -> Registration:
    existing, region = session.existing, session.aws.region
    storage = find_storage(existing, region, options.pop("bucket"))
    artifact = find_model_data(existing, storage, model, folder, session.say)
    if artifact.is_package:
        raise DeploymentError(
            f"{model} is registered already; give a training job, s3://.../model.tar.gz, a model "
            "directory or a .tar.gz"
        )
    # A commit's message has lines, and a description has none.
    description = " ".join(options.pop("description").split())
    image, repository = options.pop("image"), options.pop("repository")
    types, transforms = _instance_types(options)
    if not image:
        artifact.check_image(types[0])
    image = find_image(existing, region, image or artifact.image, repository, types[0])
    trained = _trained(session, model, artifact, options.pop("report"), folder)
    revision = find_git_revision()
    if revision is None:
        session.say("no git revision is recorded: the current folder is not in a git repository")
    arn = _training_arn(session, model, artifact)
    return Registration(
        storage=storage,
        group=group,
        artifact=artifact,
        image=image,
        model=trained,
        card=package_card(trained, image, artifact.uri, arn),
        quality=_quality(trained, folder),
        baseline=tuple(local_file(path, path.name) for path in trained.baseline or ()),
        environment=parse_pairs("--env", options.pop("env")),
        instance_types=types,
        transform_instance_types=transforms,
        description=description,
        revision=revision,
        generated_by=arn,
        caller=find_caller(existing),
        **options,
    )


def _instance_types(options: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The types for endpoints and for batch transform jobs, all of which run the same image."""
    types = options.pop("instance_types") or real_time_types()
    transforms = options.pop("transform_instance_types")
    platforms = {platform_of(one): one for one in types}
    if len(platforms) > 1:
        which = " and ".join(f"{one} runs {platform}" for platform, one in platforms.items())
        raise DeploymentError(
            f"--instance-type: {which}, and a version has one image; register the model once for "
            "each"
        )
    if ARM64 not in platforms:
        return types, transforms or transform_types()
    if transforms:
        raise DeploymentError(
            f"--transform-instance-type {transforms[0]}: {types[0]} runs {ARM64}, which no batch "
            "transform job does; leave it out, or register the model again for it"
        )
    return types, ()


def _trained(
    session: Session, model: str, artifact: ModelData, report: Path | None, folder: Path
) -> TrainedModel:
    """What the model says about its training; a model in S3 is downloaded for that."""
    path, beside = Path(model), None
    if not artifact.files:
        if "<" in artifact.uri or session.existing.region == "":
            session.say(f"what {model} says about its training is unknown, and left out here")
            return TrainedModel()
        fetched = folder / "fetched"
        path = fetch_archive(session.aws, artifact.uri, fetched, session.bar)
        if report is None:
            beside = fetch_report(session.aws, session.existing, artifact.uri, fetched, session.bar)
    found = read_trained_model(path, report, session.say, beside)
    if not found.metrics:
        session.say(f"{model} has no card with metrics, so none are registered")
    return found


def _quality(trained: TrainedModel, folder: Path) -> LocalFile | None:
    """The file of the metrics, in SageMaker's form."""
    document = model_quality(trained)
    if not document:
        return None
    path = folder / "model-quality.json"
    path.write_bytes(document)
    return local_file(path, path.name)


def _training_arn(session: Session, model: str, artifact: ModelData) -> str:
    if artifact.files or model.startswith("s3://"):
        return ""
    found = session.existing.find(TRAINING.look_up(model))
    return "" if found is None or found is UNKNOWN else str(found.get(TRAINING.arn, ""))


def _check_decided(group: str, same: Answer, wanted: Registration) -> None:
    """A version that is there already keeps its status."""
    status, number = same.get("ModelApprovalStatus"), same["ModelPackageVersion"]
    if wanted.is_approved and status != APPROVED:
        raise DeploymentError(
            f"version {number} of {group} has the same content and is "
            f"{STATUS_WORDS.get(str(status), status)}; forest approve {group}@{number}"
        )


def _report(session: Session, wanted: Registration, found: Answer) -> None:
    group, arn = wanted.group, str(found["ModelPackageArn"])
    number = arn.rpartition("/")[2]
    status = found.get("ModelApprovalStatus")
    lines = {
        APPROVED: f"deploy it: forest deploy {group}@approved --name {group} --role ROLE",
        REJECTED: f"it was rejected: {found.get('ApprovalDescription', 'no reason was given')}",
    }
    document = {
        "ModelPackageGroupName": group,
        "ModelPackageVersion": int(number),
        "ModelPackageArn": arn,
    }
    waits = f"approve it: forest approve {group}@{number}"
    session.result(document, [f"version {number} of {group}", lines.get(str(status), waits)])
