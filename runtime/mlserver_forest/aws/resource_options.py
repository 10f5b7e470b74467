"""The options that jobs and endpoints share, and what they become after asking AWS."""

from collections.abc import Callable
from typing import Any

import click

from mlserver_forest.aws.place import Place, Shared
from mlserver_forest.aws.session import Session
from mlserver_forest.errors import DeploymentError

_OPTIONS = (
    click.option("--role", required=True, help="Name or ARN of the role that SageMaker takes."),
    click.option("--image", default="", help="URI in ECR; by default what was pushed last."),
    click.option(
        "--repository", default="mlserver-forest", show_default=True, help="Of forest push."
    ),
    click.option(
        "--bucket",
        default="",
        help="Bucket, or s3://BUCKET/PREFIX; by default sagemaker-REGION-ACCOUNT, made if missing.",
    ),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; repeatable."),
    click.option("--subnet", "subnets", multiple=True, help="Of the VPC; repeatable."),
    click.option("--security-group", "security_groups", multiple=True, help="Repeatable."),
    click.option("--kms-key", default="", help="For data, volumes and results."),
    click.option("--network-isolation", "isolated", is_flag=True, help="No network inside."),
    click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the container."),
)


def infrastructure(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def pairs(option: str, words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """NAME=VALUE, repeated; the last of a name counts.

    Raises:
        DeploymentError: if one has no =.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise DeploymentError(f"{option} {word!r}: expected NAME=VALUE")
        found[name] = value
    return tuple(found.items())


def place_of(session: Session, bucket: str) -> Place:
    """Where data go; --dry-run asks nobody and leaves the account open."""
    from mlserver_forest.aws import lookup
    from mlserver_forest.aws.client import region_of

    if not session.dry_run:
        return lookup.find_place(session.aws, bucket)
    region = region_of(session.region, session.profile)
    if bucket:
        return lookup.place_in(region, bucket)
    return lookup.default_place(region, "<account>")


def shared_of(session: Session, place: Place, options: dict[str, Any]) -> Shared:
    """Takes the options of ``infrastructure`` out of ``options``."""
    role, image, repository = (options.pop(name) for name in ("role", "image", "repository"))
    if bool(options["subnets"]) != bool(options["security_groups"]):
        raise DeploymentError("a VPC needs both --subnet and --security-group")
    return Shared(
        role=_role(session, role),
        image=_image(session, place, image, repository),
        tags=pairs("--tag", options.pop("tags")),
        subnets=options.pop("subnets"),
        security_groups=options.pop("security_groups"),
        kms_key=options.pop("kms_key"),
        isolated=options.pop("isolated"),
        environment=pairs("--env", options.pop("env")),
    )


def _role(session: Session, role: str) -> str:
    from mlserver_forest.aws.lookup import find_role

    if session.dry_run:
        return role if role.startswith("arn:") else f"arn:aws:iam::<account>:role/{role}"
    return find_role(session.aws, role)


def _image(session: Session, place: Place, image: str, repository: str) -> str:
    from mlserver_forest.aws.lookup import find_image

    if session.dry_run:
        registry = f"<account>.dkr.ecr.{place.region}.amazonaws.com"
        return image or f"{registry}/{repository}@<digest of the newest image>"
    return find_image(session.aws, image, repository)
