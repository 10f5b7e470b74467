"""Runs the plan of ``forest push`` in a folder for Docker's login, and reads the image's digest."""

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
        """The URI that never means another image."""
        return f"{self.uri}@{self.digest}"


def run(session: Session, push: Push, steps: Plan) -> Pushed:
    """Bring the image into ECR.

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
    """Of the image's digests, one for each registry, the one in this repository."""
    for line in values["digests"].splitlines():
        name, _, digest = line.partition("@")
        if name == values["repository"]:
            return digest
    raise DeploymentError(
        f"docker knows no digest in {values['repository']} after the push; "
        f"it knows {values['digests']!r}"
    )
