"""``forest push``: an ECR repository, and docker commands.

The image's tag and the registry are known only once the image is built and the repository exists,
so the steps take them from earlier answers.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.image_repository import REPOSITORY, last_pushed
from mlserver_forest.aws.naming import tag_list
from mlserver_forest.aws.platforms import AMD64
from mlserver_forest.aws.step import Answer, Call, Command, Plan, Step, members

LATEST = "latest"
_IMMUTABLE = "IMMUTABLE"
# All tags stay where they are but one.
_MUTABILITY = {
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": LATEST}],
}


@dataclass(frozen=True)
class Push:
    """The options of ``forest push``.

    Attributes:
        repository: its name in ECR.
        tag: a tag besides the one made from the image's id, which each image has; or empty.
        moves_latest: whether the tag ``latest`` is moved to the image.
        pushed_tag: the tag that says when it was pushed (``image_repository.pushed_tag``).
        platforms: those that are built.
        has_buildx: whether Docker's BuildKit client is installed.
        dockerfile, context, target: the arguments of the build.
        image: the local name of an image that already exists, or empty.
    """

    repository: str = REPOSITORY
    tag: str = ""
    moves_latest: bool = False
    pushed_tag: str = "pushed-<time>"
    platforms: tuple[str, ...] = (AMD64,)
    has_buildx: bool = False
    dockerfile: str = "container/Dockerfile"
    context: str = "."
    target: str = ""
    image: str = ""
    build_arguments: tuple[str, ...] = ()
    build_network: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    kms_key: str = ""

    @property
    def local_name(self) -> str:
        """The image's name in Docker."""
        return self.image or f"{self.repository}:forest-push"

    @property
    def is_multi_platform(self) -> bool:
        return len(self.platforms) > 1

    @property
    def more_tags(self) -> tuple[str, ...]:
        """The tags besides the one from the image's id; the last one records the push."""
        return (*filter(None, [self.tag, LATEST * self.moves_latest]), self.pushed_tag)


def prepare(push: Push, existing: Existing) -> Plan:
    """The steps up to the look-ups that decide what is pushed: credentials, build, repository.

    They give the values ``user``, ``password``, ``repository``, ``registry``, and, unless several
    platforms are built, ``tag`` (from the image's id), ``platform``, and
    ``digest``, ``taken`` and ``last`` (the digests of the images in ECR with this tag, with
    ``push.tag``, and of the one that was pushed last), if there are such images.
    """
    token = Step(Call("ecr", "GetAuthorizationToken", {}), gives=_credentials)
    repository = (_repository_step(push, existing), *_mutability_step(push, existing))
    if push.is_multi_platform:
        return (token, *repository)
    build = () if push.image else (Step(Command(build_command(push))),)
    by_id = look_up(push, "<tag>")
    found = Step(by_id, given=("tag",), gives=_found("digest"), may_be_missing=True)
    chosen = Step(look_up(push, push.tag), gives=_found("taken"), may_be_missing=True)
    return (
        token,
        *build,
        _query(push, "{{.Id}}", "tag", lambda text: text.removeprefix("sha256:")[:12]),
        _query(push, "{{.Os}}/{{.Architecture}}", "platform"),
        *repository,
        found,
        *([chosen] if push.tag else []),
        Step(_images_of(push), gives=_last, may_be_missing=True),
    )


def pushing(push: Push) -> Plan:
    """Log in and push every tag that is not there; the login is kept in a temporary folder."""
    config = ("docker", "--config", "<temporary>")
    login = (*config, "login", "--username", "<user>", "--password-stdin", "<registry>")
    logging_in = Step(
        Command(login, password="<password>"),  # noqa: S106  # a placeholder
        given=("temporary", "user", "password", "registry"),
    )
    if push.is_multi_platform:
        build = Step(Command(build_command(push, config)), given=("temporary", "repository"))
        pushed = Step(look_up(push, push.pushed_tag), gives=_found("digest"))
        return (logging_in, build, pushed)
    template = "{{range .RepoDigests}}{{println .}}{{end}}"
    inspect = ("docker", "image", "inspect", "--format", template, "<repository>:<tag>")
    forget = ("docker", "image", "rm", f"<repository>:{push.pushed_tag}")
    return (
        logging_in,
        *_tagged(push, "<tag>", config, look_up(push, "<tag>")),
        *(
            step
            for tag in push.more_tags
            for step in _tagged(push, tag, config, look_up(push, tag) if tag == push.tag else None)
        ),
        Step(Command(inspect, is_query=True), given=("repository", "tag"), gives=_digests),
        Step(Command(forget, is_query=True), given=("repository",)),
    )


def look_up(push: Push, tag: str) -> Call:
    """The look-up of an image by its tag."""
    request = {"repositoryName": push.repository, "imageIds": [{"imageTag": tag}]}
    return Call("ecr", "DescribeImages", request)


def _images_of(push: Push) -> Call:
    """The listing of all images with a tag."""
    request = {"repositoryName": push.repository, "filter": {"tagStatus": "TAGGED"}}
    return Call("ecr", "DescribeImages", request, items="imageDetails")


def build_command(push: Push, docker: tuple[str, ...] = ("docker",)) -> tuple[str, ...]:
    """The docker command that builds the image, and pushes it if it is for several platforms.

    SageMaker takes no image index, which BuildKit makes of an image and its provenance.
    """
    network = ["--network", push.build_network] if push.build_network else []
    arguments = [word for one in push.build_arguments for word in ("--build-arg", one)]
    target = ["--target", push.target] if push.target else []
    platform = ["--platform", ",".join(push.platforms)]
    how = ["buildx", "build", *platform, "--provenance=false"]
    if push.is_multi_platform:
        how += ["--push"]
        names = [f"<repository>:{tag}" for tag in push.more_tags]
    else:
        how = [*how, "--load"] if push.has_buildx else ["build", *platform]
        names = [push.local_name]
    tags = [word for name in names for word in ("--tag", name)]
    rest = [*network, *arguments, *target, "--file", push.dockerfile, *tags, push.context]
    return (*docker, *how, *rest)


def _tagged(push: Push, tag: str, config: tuple[str, ...], unless: Call | None) -> Plan:
    """Push the local image under a tag, unless it is there."""
    name, given = f"<repository>:{tag}", ("temporary", "repository", "tag")
    steps = (
        Step(Command(("docker", "tag", push.local_name, name)), given=given),
        Step(Command((*config, "push", name)), given=given),
    )
    return tuple(replace(one, unless=unless) for one in steps) if unless else steps


def _query(push: Push, template: str, name: str, change: Callable[[str], str] = str) -> Step:
    """Ask Docker for a member of the local image; ``name`` is the value that it gives."""
    inspect = ("docker", "image", "inspect", "--format", template, push.local_name)
    return Step(
        Command(inspect, is_query=True), gives=lambda answer: {name: change(str(answer["stdout"]))}
    )


def _repository_step(push: Push, existing: Existing) -> Step:
    """Create the repository, with scans on push and tags that stay, all but ``latest``."""
    encryption = {"encryptionType": "KMS", "kmsKey": push.kms_key} if push.kms_key else {}
    request = members(
        repositoryName=push.repository,
        **_MUTABILITY,
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration=encryption,
        # Tags need a permission of their own, which AmazonSageMakerFullAccess does not give.
        tags=tag_list(push.tags) if push.tags else (),
    )
    step = Step(
        Call("ecr", "CreateRepository", request),
        found_by=_repository_look_up(push),
        gives=_repository,
        makes=f"ECR repository {push.repository}",
        removed_by=f"aws ecr delete-repository --repository-name {push.repository}",
    )
    return existing.settle(step)


def _mutability_step(push: Push, existing: Existing) -> Plan:
    """Let ``latest`` move in a repository that keeps every tag where it is."""
    found = existing.find(_repository_look_up(push)) if push.moves_latest else None
    if not isinstance(found, Mapping):
        return ()
    if found["repositories"][0].get("imageTagMutability") != _IMMUTABLE:
        return ()
    request = {"repositoryName": push.repository, **_MUTABILITY}
    says = f"the tag {LATEST} of ECR repository {push.repository} can be moved from now on"
    return (Step(Call("ecr", "PutImageTagMutability", request), says=says),)


def _repository_look_up(push: Push) -> Call:
    return Call("ecr", "DescribeRepositories", {"repositoryNames": [push.repository]})


def _repository(answer: Answer) -> Mapping[str, str]:
    """The values in the answer of CreateRepository or DescribeRepositories."""
    described = answer.get("repository") or answer["repositories"][0]
    uri = str(described["repositoryUri"])
    return {"repository": uri, "registry": uri.partition("/")[0]}


def _last(answer: Answer) -> dict[str, str]:
    images = answer.get("imageDetails")
    last = last_pushed(images or ())
    return {"last": last["imageDigest"]} if last else {}


def _found(name: str) -> Callable[[Answer], Mapping[str, str]]:
    """Make the digest in DescribeImages' answer a value of this name."""
    return lambda answer: {name: str(answer["imageDetails"][0]["imageDigest"])}


def _credentials(answer: Answer) -> Mapping[str, str]:
    (data,) = answer["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"user": user, "password": password}


def _digests(answer: Answer) -> Mapping[str, str]:
    """Docker's answer, a line REPOSITORY@DIGEST for each registry."""
    return {"digests": str(answer["stdout"])}
