"""Runs the plan of ``forest push`` with a temporary docker login, and reads the image's digest."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.aws.push.plan import Push
from mlserver_forest.aws.session import Session
from mlserver_forest.aws.step import Plan
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Pushed:
    """An image in ECR."""

    uri: str
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        """The URI with the digest, which never refers to another image."""
        return f"{self.uri}@{self.digest}"


def run(session: Session, push: Push, steps: Plan) -> Pushed:
    """Push the image to ECR.

    Raises:
        DeploymentError: if docker or ECR refuses.
    """
    with tempfile.TemporaryDirectory(prefix="forest-push-") as folder:
        executor = session.executor({"temporary": folder})
        executor.run(steps)
    values = executor.values
    digest = values.get("digest") or _digest_of(values)
    return Pushed(values["repository"], push.tag or values["tag"], digest)


def _digest_of(values: Mapping[str, str]) -> str:
    """Find the image's digest in this repository; docker has one for each registry."""
    for line in values["digests"].splitlines():
        name, _, digest = line.partition("@")
        if name == values["repository"]:
            return digest
    raise DeploymentError(
        f"docker has no digest for {values['repository']} after the push; "
        f"it has {values['digests']!r}"
    )
