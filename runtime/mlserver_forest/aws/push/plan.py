"""``forest push``: an ECR repository, and docker commands.

The image's tag and the registry are known only once the image is built and the repository exists,
so the steps take them from earlier answers.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import tag_list
from mlserver_forest.aws.step import Answer, Call, Command, Plan, Step, members
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Push:
    """The options of ``forest push``.

    Attributes:
        repository: its name in ECR.
        tag: the tag, or empty for one made from the image's id, so that each image has its own.
        dockerfile, context: the arguments of the build.
        image: the local name of an image that already exists, or empty.
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
        """The image's name in Docker."""
        return self.image or f"{self.repository}:forest-push"


def plan(push: Push, existing: Existing) -> Plan:
    """The steps: build, create the repository, log in and push, unless the image is already in ECR.

    They give the values ``repository``, ``tag`` (unless it was chosen), and ``digest`` if the image
    was found, or ``digests`` if it was pushed.

    Raises:
        DeploymentError: if the tag is already in the repository.
    """
    repository = _repository_step(push, existing)
    images = {"repositoryName": push.repository, "imageIds": [{"imageTag": push.tag or "<tag>"}]}
    look_up = Call("ecr", "DescribeImages", images)
    pushing = _pushing(push)
    if push.tag:
        _check_free(push, existing, look_up)
        return (*_building(push), repository, *pushing)
    found = Step(
        look_up,
        given=("tag", "repository"),
        gives=_found_digest,
        says="found <repository>:<tag>",
        may_be_missing=True,
    )
    conditional = (
        replace(one, unless=look_up, given=tuple({*one.given, "tag"})) for one in pushing
    )
    return (*_building(push), _tag_step(push), repository, found, *conditional)


def build_command(push: Push) -> tuple[str, ...]:
    """The docker command that builds the image."""
    network = ["--network", push.build_network] if push.build_network else []
    arguments = [word for one in push.build_arguments for word in ("--build-arg", one)]
    file = ["--file", push.dockerfile, "--tag", push.local_name]
    return ("docker", "build", *network, *arguments, *file, push.context)


def _building(push: Push) -> Plan:
    return () if push.image else (Step(Command(build_command(push))),)


def _tag_step(push: Push) -> Step:
    inspect = ("docker", "image", "inspect", "--format", "{{.Id}}", push.local_name)
    return Step(Command(inspect, is_query=True), gives=_short_id)


def _repository_step(push: Push, existing: Existing) -> Step:
    """Create the repository, with scans on push and immutable tags."""
    encryption = {"encryptionType": "KMS", "kmsKey": push.kms_key} if push.kms_key else {}
    request = members(
        repositoryName=push.repository,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration=encryption,
        tags=tag_list(push.tags),
    )
    step = Step(
        Call("ecr", "CreateRepository", request),
        found_by=_repository_look_up(push),
        gives=_repository,
        makes=f"ECR repository {push.repository}",
        removed_by=f"aws ecr delete-repository --repository-name {push.repository}",
    )
    return existing.settle(step)


def _repository_look_up(push: Push) -> Call:
    return Call("ecr", "DescribeRepositories", {"repositoryNames": [push.repository]})


def _check_free(push: Push, existing: Existing, look_up: Call) -> None:
    found = existing.find(look_up)
    if found is not None and found is not UNKNOWN:
        raise DeploymentError(
            f"tag {push.tag} is already in ECR repository {push.repository}, and tags are never "
            "moved; choose another --tag"
        )


def _pushing(push: Push) -> Plan:
    """Log in and push; the login is kept in a temporary folder, which is removed."""
    target = f"<repository>:{push.tag or '<tag>'}"
    config = ("docker", "--config", "<temporary>")
    login = (*config, "login", "--username", "<user>", "--password-stdin", "<registry>")
    template = "{{range .RepoDigests}}{{println .}}{{end}}"
    inspect = ("docker", "image", "inspect", "--format", template, target)
    names = ("repository", "tag")
    return (
        Step(Call("ecr", "GetAuthorizationToken", {}), gives=_credentials),
        Step(Command(("docker", "tag", push.local_name, target)), given=names),
        Step(
            Command(login, password="<password>"),  # noqa: S106  # a placeholder
            given=("temporary", "user", "password", "registry"),
        ),
        Step(Command((*config, "push", target)), given=("temporary", *names)),
        Step(Command(inspect, is_query=True), given=names, gives=_pushed_digest),
    )


def _short_id(answer: Answer) -> Mapping[str, str]:
    return {"tag": str(answer["stdout"]).removeprefix("sha256:")[:12]}


def _repository(answer: Answer) -> Mapping[str, str]:
    """The values in the answer of CreateRepository or DescribeRepositories."""
    described = answer.get("repository") or answer["repositories"][0]
    uri = str(described["repositoryUri"])
    return {"repository": uri, "registry": uri.partition("/")[0]}


def _found_digest(answer: Answer) -> Mapping[str, str]:
    return {"digest": str(answer["imageDetails"][0]["imageDigest"])}


def _credentials(answer: Answer) -> Mapping[str, str]:
    (data,) = answer["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"user": user, "password": password}


def _pushed_digest(answer: Answer) -> Mapping[str, str]:
    """The values in docker's answer, a line REPOSITORY@DIGEST for each registry."""
    return {"digests": str(answer["stdout"])}
