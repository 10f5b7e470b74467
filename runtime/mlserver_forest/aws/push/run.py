"""Runs the plan of ``forest push`` with a temporary docker login, and reads the image's digest."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.aws.platforms import check_built
from mlserver_forest.aws.push.plan import Push, prepare, pushing
from mlserver_forest.aws.session import Session
from mlserver_forest.errors import DeploymentError

# The folders and the member of Docker's configuration that say how its engine is reached.
_KEPT_FOLDERS = ("cli-plugins", "contexts", "buildx")
_KEPT_MEMBER = "currentContext"


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


def run(session: Session, push: Push) -> Pushed:
    """Push the image to ECR, unless it is there and was pushed last.

    Raises:
        DeploymentError: if docker or ECR refuses, or if the tag is another image's.
    """
    with _login_folder() as folder:
        executor = session.executor({"temporary": folder})
        executor.run(prepare(push, session.existing))
        values = executor.values
        if not push.is_multi_platform:
            check_built(push.local_name, values["platform"], push.platforms[0])
        _check_tag(push, values)
        if _is_there(push, values):
            session.say(f"found {values['repository']}:{push.tag or values['tag']}")
        else:
            executor.run(pushing(push))
    tag = push.tag or values.get("tag") or push.pushed_tag
    return Pushed(values["repository"], tag, values.get("digest") or _digest_of(values))


def _check_tag(push: Push, values: Mapping[str, str]) -> None:
    """Check that the chosen tag is free, or this image's."""
    taken = values.get("taken")
    if taken is not None and taken != values.get("digest"):
        raise DeploymentError(
            f"tag {push.tag} in ECR repository {push.repository} is another image ({taken}), and "
            "tags are never moved, but for latest with --latest; choose another --tag"
        )


def _is_there(push: Push, values: Mapping[str, str]) -> bool:
    """Whether the image has its tags, and is the one that later commands use."""
    digest = values.get("digest")
    if digest is None or push.moves_latest or (push.tag and "taken" not in values):
        return False
    return values.get("last") == digest


@contextmanager
def _login_folder() -> Iterator[str]:
    """A folder for Docker's configuration, which is removed however the block ends.

    The engine that the user chose stays chosen.
    """
    own = Path.home() / ".docker"
    with tempfile.TemporaryDirectory(prefix="forest-push-") as folder:
        for name in _KEPT_FOLDERS:
            if (own / name).is_dir():
                Path(folder, name).symlink_to(own / name)
        with suppress(OSError, ValueError, KeyError, TypeError):
            context = json.loads((own / "config.json").read_text())[_KEPT_MEMBER]
            Path(folder, "config.json").write_text(json.dumps({_KEPT_MEMBER: context}))
        yield folder


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
