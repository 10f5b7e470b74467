"""Build, make the repository, log in, push; what is there already is not pushed again."""

import base64
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.executor import Executor
from mlserver_forest.aws.push import docker
from mlserver_forest.aws.push.plan import (
    Push,
    build_command,
    login_command,
    plan,
    push_command,
    tag_command,
)
from mlserver_forest.aws.steps import Call, Step
from mlserver_forest.errors import DeploymentError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pushed:
    """An image in ECR."""

    uri: str
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        return f"{self.uri}@{self.digest}"


def push(executor: Executor, wanted: Push, say: Say) -> Pushed:
    """Bring the image into ECR.

    Raises:
        DeploymentError: if docker or ECR refuses, or the tag is another image's.
    """
    if not wanted.image:
        docker.run(build_command(wanted))
    found = docker.image_id(wanted.local_name)
    # Each image has its own tag, since tags are never moved.
    tag = wanted.tag or found.removeprefix("sha256:")[:12]
    repository, authorization = plan(wanted)
    uri = _repository_uri(executor, repository)
    there = _pushed_before(executor.aws, wanted.repository, tag)
    if there and not wanted.tag:
        say(f"found {uri}:{tag}")
        return Pushed(uri, tag, there)
    if there:
        raise DeploymentError(
            f"tag {tag} is in {uri} already, and tags are never moved; choose another --tag"
        )
    with executor.telling():
        _push(executor.aws, wanted, f"{uri}:{tag}", authorization.call)
    return Pushed(uri, tag, docker.digest_of(f"{uri}:{tag}"))


def _repository_uri(executor: Executor, step: Step) -> str:
    answer = executor.run((step,))
    described = answer.get("repository") or answer["repositories"][0]
    return str(described["repositoryUri"])


def _pushed_before(aws: Aws, repository: str, tag: str) -> str | None:
    request = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
    found = aws.find(Call("ecr", "DescribeImages", request))
    return str(found["imageDetails"][0]["imageDigest"]) if found else None


def _push(aws: Aws, wanted: Push, target: str, authorization: Call) -> None:
    """The login lives in a folder of its own and goes with it."""
    (data,) = aws.do(authorization)["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    registry = target.partition("/")[0]
    docker.run(tag_command(wanted, target))
    with tempfile.TemporaryDirectory(prefix="forest-push-") as config:
        docker.run(login_command(config, user, registry), password)
        docker.run(push_command(config, target))
