"""What jobs and endpoints have in common: role, image, tags, network, keys and their options."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from mlserver_forest.aws.ecr_image import find_image
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.image_repository import REPOSITORY
from mlserver_forest.aws.naming import NAMESPACE
from mlserver_forest.aws.service_limits import has_local_disks
from mlserver_forest.aws.step import Call
from mlserver_forest.errors import DeploymentError

# What aws sts get-caller-identity prints for a role that was assumed.
_ROLE_SESSION = re.compile(r"arn:aws[a-z-]*:sts::[0-9]{12}:assumed-role/(?P<name>[^/]+)/.+")
_ROLE = click.option("--role", required=True, help="The name or ARN of SageMaker's role.")
_ROLE_OR_PRESENT = click.option(
    "--role",
    default="",
    help="The name or ARN of SageMaker's role; needed for a new endpoint.",
)
_OPTIONS = (
    click.option("--image", default="", help="A URI in ECR; by default the last one pushed."),
    click.option("--repository", default=REPOSITORY, show_default=True, help="As in forest push."),
    click.option(
        "--bucket",
        default="",
        help="A bucket or s3://BUCKET/PREFIX; by default sagemaker-REGION-ACCOUNT (created).",
    ),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; repeatable."),
    click.option("--subnet", "subnets", multiple=True, help="A subnet of the VPC; repeatable."),
    click.option("--security-group", "security_groups", multiple=True, help="Repeatable."),
    click.option("--kms-key", default="", help="A key for data, volumes and results."),
    click.option("--network-isolation", "isolated", is_flag=True, help="No network in containers."),
    click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the container."),
)


@dataclass(frozen=True)
class Infrastructure:
    """What jobs and endpoints have in common.

    Attributes:
        role: the ARN of the role that SageMaker assumes.
        image: the URI of the image in ECR.
        tags: the user's tags.
        subnets, security_groups: those of the VPC, or empty.
        kms_key: the key for volumes, outputs and captured data, or empty.
        isolated: whether the container has no network.
        environment: the container's variables.
    """

    role: str
    image: str
    tags: tuple[tuple[str, str], ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    isolated: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    def vpc(self) -> dict[str, Any]:
        """The member VpcConfig; empty without a VPC."""
        if not self.subnets and not self.security_groups:
            return {}
        return {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}

    def volume_key(self, instance_type: str) -> str:
        """The key for the volumes of an instance, which takes none if its disks are local."""
        return "" if has_local_disks(instance_type) else self.kms_key

    def notes(self, instance_type: str) -> list[str]:
        """What the user should know about the options with this type of instances."""
        if not self.kms_key or self.volume_key(instance_type):
            return []
        return [
            f"{instance_type} encrypts its local disks itself; the key is used for everything else"
        ]


def infrastructure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of everything that runs a container to a click command."""
    return _with_options(command, _ROLE)


def endpoint_infrastructure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for an endpoint, which may exist and then has a role."""
    return _with_options(command, _ROLE_OR_PRESENT)


def find_infrastructure(
    existing: Existing,
    region: str,
    options: dict[str, Any],
    instance_type: str,
    *,
    needs_image: bool = True,
) -> Infrastructure:
    """Take the options of ``infrastructure_options``, except ``bucket``, out of ``options``.

    Args:
        existing: the account.
        region: the region that is used.
        options: the options by the names of their parameters.
        instance_type: what the image runs on, or "serverless".
        needs_image: whether an image is looked up if none is given.

    Raises:
        DeploymentError: if they contradict each other, or there is no such role or image.
    """
    role, image, repository = (options.pop(name) for name in ("role", "image", "repository"))
    if bool(options["subnets"]) != bool(options["security_groups"]):
        raise DeploymentError("a VPC needs both --subnet and --security-group")
    tags = _tags(options.pop("tags"))
    return Infrastructure(
        role=find_role(existing, role),
        image=find_image(existing, region, image, repository, instance_type)
        if image or needs_image
        else "",
        tags=tags,
        subnets=options.pop("subnets"),
        security_groups=options.pop("security_groups"),
        kms_key=options.pop("kms_key"),
        isolated=options.pop("isolated"),
        environment=parse_pairs("--env", options.pop("env")),
    )


def parse_pairs(option: str, words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Split NAME=VALUE arguments into pairs; the last value of a name counts.

    Raises:
        DeploymentError: naming the option, if an argument has no =.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise DeploymentError(f"{option} {word!r}: expected NAME=VALUE")
        found[name] = value
    return tuple(found.items())


def _tags(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The user's tags, none of which may take the place of one of this tool's."""
    tags = parse_pairs("--tag", words)
    for key, value in tags:
        if key.lower().startswith(NAMESPACE):
            raise DeploymentError(
                f"--tag {key}={value}: keys that begin with {NAMESPACE} are this tool's own; "
                "choose another key"
            )
    return tags


def _with_options(command: Callable[..., Any], role: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((role, *_OPTIONS)):
        command = option(command)
    return command


def find_role(existing: Existing, role: str) -> str:
    """The ARN of a role that is given by ARN or by name, perhaps with its path.

    Raises:
        DeploymentError: if there is no such role, or the ARN is that of something else.
    """
    if session := _ROLE_SESSION.fullmatch(role):
        raise DeploymentError(
            f"--role {role} is a session of the role {session['name']}, not the role; give --role "
            f"{session['name']}"
        )
    if role.startswith("arn:"):
        return role
    # The console shows names alone, and makes roles with the path service-role/.
    path = role.strip("/").removeprefix("role/")
    name = path.rpartition("/")[2]
    call = Call("iam", "GetRole", {"RoleName": name})
    found = existing.need(call, instead="give the role's ARN as --role, which needs no permission")
    if found is UNKNOWN:
        return f"arn:aws:iam::<account>:role/{path}"
    arn = str(found["Role"]["Arn"])
    if not arn.endswith(f"/{path}"):
        raise DeploymentError(f"--role {role}: the role {name} is {arn}; give --role {arn}")
    return arn
