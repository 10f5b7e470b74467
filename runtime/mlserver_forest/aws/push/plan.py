"""``forest push``: an ECR repository, and what Docker is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlserver_forest.aws.place import OURS
from mlserver_forest.aws.steps import Call, Plan, Step, given


@dataclass(frozen=True)
class Push:
    """The options of ``forest push``.

    Attributes:
        repository: its name in ECR.
        tag: or empty for one that tells the image's id, so that each image has its own.
        dockerfile, context: what is built; ``image`` names one that is built already.
    """

    repository: str = "mlserver-forest"
    tag: str = ""
    dockerfile: str = "container/Dockerfile"
    context: str = "."
    image: str = ""
    build_arguments: tuple[str, ...] = ()
    build_network: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    kms_key: str = ""

    @property
    def local_name(self) -> str:
        return self.image or f"{self.repository}:forest-push"


def plan(push: Push) -> Plan:
    """The repository, scanned on push, its tags never moved; then the right to push."""
    encryption = {"encryptionType": "KMS", "kmsKey": push.kms_key} if push.kms_key else {}
    tags = {OURS[0]: OURS[1], **dict(push.tags)}
    request = given(
        repositoryName=push.repository,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration=encryption,
        tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return (
        Step(
            Call("ecr", "CreateRepository", request),
            unless=Call("ecr", "DescribeRepositories", {"repositoryNames": [push.repository]}),
            makes=f"ECR repository {push.repository}",
            removed_by=f"aws ecr delete-repository --repository-name {push.repository}",
        ),
        Step(Call("ecr", "GetAuthorizationToken", {})),
    )


def build_command(push: Push) -> list[str]:
    network = ["--network", push.build_network] if push.build_network else []
    arguments = [word for one in push.build_arguments for word in ("--build-arg", one)]
    file = ["--file", push.dockerfile, "--tag", push.local_name]
    return ["docker", "build", *network, *arguments, *file, push.context]


def login_command(config: str, user: str, registry: str) -> list[str]:
    """The password goes through standard input, the login into a folder of its own."""
    login = ["login", "--username", user, "--password-stdin", registry]
    return ["docker", "--config", config, *login]


def push_command(config: str, target: str) -> list[str]:
    return ["docker", "--config", config, "push", target]


def tag_command(push: Push, target: str) -> list[str]:
    return ["docker", "tag", push.local_name, target]


def shown_commands(push: Push) -> Sequence[list[str]]:
    """For --dry-run: what is only known later stands in angle brackets."""
    target = f"<registry>/{push.repository}:{push.tag or '<image-id>'}"
    build = [] if push.image else [build_command(push)]
    return [
        *build,
        tag_command(push, target),
        login_command("<temporary>", "AWS", "<registry>"),
        push_command("<temporary>", target),
    ]
