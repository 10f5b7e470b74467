"""``forest push``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws import docker
from mlserver_forest.aws.image_repository import (
    REPOSITORY,
    check_repository,
    check_tag,
    push_time,
    pushed_tag,
)
from mlserver_forest.aws.infrastructure import parse_pairs
from mlserver_forest.aws.platforms import platforms_of
from mlserver_forest.aws.push.plan import LATEST, Push, prepare, pushing
from mlserver_forest.aws.session import Session, command
from mlserver_forest.errors import DeploymentError

_OF_BUILD = {
    "target": "--target",
    "build_arguments": "--build-arg",
    "build_network": "--build-network",
}


@command
@click.option("--repository", default=REPOSITORY, show_default=True, help="Its name in ECR.")
@click.option("--tag", default="", help="A tag besides the one made from the image's id.")
@click.option("--latest", "moves_latest", is_flag=True, help="Move the tag latest to the image.")
@click.option("--image", default="", help="A local image, instead of building one.")
@click.option("--dockerfile", default="container/Dockerfile", show_default=True)
@click.option("--context", default=".", show_default=True, help="Docker's build context.")
@click.option("--target", default="", help="serve for the image that only serves.")
@click.option(
    "--platform",
    default="",
    help="linux/amd64 (the default), linux/arm64, or both with a comma, which needs buildx.",
)
@click.option(
    "--instance-type", default="", help="What will run it: its platform is built or checked."
)
@click.option("--build-arg", "build_arguments", multiple=True, metavar="NAME=VALUE")
@click.option("--build-network", default="", help="Docker's network for the build.")
@click.option(
    "--resource-tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the repository."
)
@click.option("--kms-key", default="", help="The key of the repository.")
def push(session: Session, **options: Any) -> None:
    """Build the image, push it to ECR and print its digest, which later commands use.

    The repository is created if it is missing, with scans on push and tags that are never moved,
    except latest.
    """
    wanted = _wanted(options, is_dry_run=session.dry_run)
    is_missing = not wanted.image and not Path(wanted.dockerfile).is_file()
    if is_missing and not session.dry_run:
        raise DeploymentError(
            f"{wanted.dockerfile} does not exist; run it in a clone of the project, or give --image"
        )
    if session.dry_run:
        session.carry_out((*prepare(wanted, session.existing), *pushing(wanted)))
        return
    from mlserver_forest.aws.push.run import run

    pushed = run(session, wanted)
    document = {
        "RepositoryUri": pushed.uri,
        "Tag": pushed.tag,
        "Digest": pushed.digest,
        "Image": pushed.pinned,
    }
    session.result(document, [pushed.pinned])


def _wanted(options: dict[str, Any], *, is_dry_run: bool) -> Push:
    check_repository(options["repository"])
    check_tag(options["tag"])
    platforms = platforms_of(options.pop("platform"), options.pop("instance_type"))
    if options["tag"] == LATEST:
        options |= {"tag": "", "moves_latest": True}
    wanted = Push(
        **options | {"tags": parse_pairs("--resource-tag", options["tags"])},
        platforms=platforms,
        pushed_tag=pushed_tag(platforms, "<time>" if is_dry_run else push_time(datetime.now(UTC))),
        has_buildx=docker.has_buildx(),
    )
    if wanted.image and (useless := [name for one, name in _OF_BUILD.items() if options[one]]):
        names = " and ".join(useless)
        raise DeploymentError(f"{names}: nothing is built with --image; leave one of them out")
    if wanted.is_multi_platform and wanted.image:
        raise DeploymentError("--image is for one platform; leave it out to build several")
    if wanted.is_multi_platform and not wanted.has_buildx:
        raise DeploymentError(
            "an image for several platforms needs `docker buildx`, which is not installed; install "
            "it (docker-buildx-plugin), or push one platform"
        )
    return wanted
