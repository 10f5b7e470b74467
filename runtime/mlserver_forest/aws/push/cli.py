"""``forest push``."""

from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.infrastructure import parse_pairs
from mlserver_forest.aws.push.plan import Push, plan
from mlserver_forest.aws.session import Session, command
from mlserver_forest.errors import DeploymentError


@command
@click.option("--repository", default="mlserver-forest", show_default=True, help="Its name in ECR.")
@click.option("--tag", default="", help="The tag; by default from the image's id.")
@click.option("--image", default="", help="A local image, instead of building one.")
@click.option("--dockerfile", default="container/Dockerfile", show_default=True)
@click.option("--context", default=".", show_default=True, help="Docker's build context.")
@click.option("--build-arg", "build_arguments", multiple=True, metavar="NAME=VALUE")
@click.option("--build-network", default="", help="Docker's network for the build.")
@click.option(
    "--resource-tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the repository."
)
@click.option("--kms-key", default="", help="The key of the repository.")
def push(session: Session, **options: Any) -> None:
    """Build the image, push it to ECR and print its digest, which later commands use.

    The repository is created if it is missing, with scans on push and immutable tags.
    """
    wanted = Push(**options | {"tags": parse_pairs("--resource-tag", options["tags"])})
    is_missing = not wanted.image and not Path(wanted.dockerfile).is_file()
    if is_missing and not session.dry_run:
        raise DeploymentError(
            f"{wanted.dockerfile} does not exist; run it in a clone of the project, or give --image"
        )
    steps = plan(wanted, session.existing)
    if session.dry_run:
        session.carry_out(steps)
        return
    from mlserver_forest.aws.push.run import run

    pushed = run(session, wanted, steps)
    document = {
        "RepositoryUri": pushed.uri,
        "Tag": pushed.tag,
        "Digest": pushed.digest,
        "Image": pushed.pinned,
    }
    session.result(document, [pushed.pinned])
