"""What jobs and endpoints have in common: role, image, tags, network, keys and their options."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import NAMESPACE
from mlserver_forest.aws.step import Call
from mlserver_forest.errors import DeploymentError

_ECR = re.compile(
    r"(?P<registry>(?P<account>[0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?P<digest>@sha256:[0-9a-f]{64})?"
)
_ROLE = click.option("--role", required=True, help="The name or ARN of SageMaker's role.")
_ROLE_OR_PRESENT = click.option(
    "--role",
    default="",
    help="The name or ARN of SageMaker's role; needed for a new endpoint.",
)
_OPTIONS = (
    click.option("--image", default="", help="A URI in ECR; by default the last one pushed."),
    click.option(
        "--repository", default="mlserver-forest", show_default=True, help="As in forest push."
    ),
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


def infrastructure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of everything that runs a container to a click command."""
    return _with_options(command, _ROLE)


def endpoint_infrastructure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for an endpoint, which may exist and then has a role."""
    return _with_options(command, _ROLE_OR_PRESENT)


def find_infrastructure(
    existing: Existing, region: str, options: dict[str, Any], *, needs_image: bool = True
) -> Infrastructure:
    """Take the options of ``infrastructure_options``, except ``bucket``, out of ``options``.

    Args:
        existing: the account.
        region: the region that is used.
        options: the options by the names of their parameters.
        needs_image: whether an image is looked up if none is given.

    Raises:
        DeploymentError: if they contradict each other, or there is no such role or image.
    """
    role, image, repository = (options.pop(name) for name in ("role", "image", "repository"))
    if bool(options["subnets"]) != bool(options["security_groups"]):
        raise DeploymentError("a VPC needs both --subnet and --security-group")
    tags = _tags(options.pop("tags"))
    return Infrastructure(
        role=_find_role(existing, role),
        image=_find_image(existing, region, image, repository) if image or needs_image else "",
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


def _find_role(existing: Existing, role: str) -> str:
    """The ARN of a role that is given by ARN or by name."""
    if role.startswith("arn:"):
        return role
    found = existing.need(Call("iam", "GetRole", {"RoleName": role}))
    if found is UNKNOWN:
        return f"arn:aws:iam::<account>:role/{role}"
    return str(found["Role"]["Arn"])


def _find_image(existing: Existing, region: str, image: str, repository: str) -> str:
    """The URI with the digest, so that what runs does not change when a tag moves."""
    if not image:
        return _newest_image(existing, region, repository)
    found = _ECR.fullmatch(image)
    if not found or found["digest"]:
        return image
    request = {
        "registryId": found["account"],
        "repositoryName": found["name"],
        "imageIds": [{"imageTag": found["tag"] or "latest"}],
    }
    described = existing.need(Call("ecr", "DescribeImages", request))
    if described is UNKNOWN:
        return image
    (detail,) = described["imageDetails"]
    return f"{found['registry']}/{found['name']}@{detail['imageDigest']}"


def _newest_image(existing: Existing, region: str, repository: str) -> str:
    described = existing.find(
        Call("ecr", "DescribeRepositories", {"repositoryNames": [repository]})
    )
    request = {"repositoryName": repository, "filter": {"tagStatus": "TAGGED"}}
    images = described and existing.items(
        Call("ecr", "DescribeImages", request, items="imageDetails")
    )
    if described is UNKNOWN:
        registry = f"<account>.dkr.ecr.{region}.amazonaws.com"
        return f"{registry}/{repository}@<digest of the newest image>"
    if not described or not images:
        raise DeploymentError(
            f"no image was pushed to ECR repository {repository!r} in {region}; "
            "run forest push, or give --image URI"
        )
    newest = max(images, key=lambda one: one["imagePushedAt"])
    return f"{described['repositories'][0]['repositoryUri']}@{newest['imageDigest']}"
