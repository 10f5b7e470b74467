"""The git revision of the current folder, so that a model's code can be found again."""

import re
import subprocess
from dataclasses import dataclass

# A password or a token in a URL, which nobody else should read.
_SECRET = re.compile(r"(?<=://)[^/@]+@")
_SECONDS = 20


@dataclass(frozen=True)
class GitRevision:
    """A commit.

    Attributes:
        commit: its full hash.
        is_dirty: whether tracked files have changed since.
        repository: the URL of the remote "origin", without credentials; empty if there is none.
    """

    commit: str
    is_dirty: bool
    repository: str = ""


def find_git_revision() -> GitRevision | None:
    """The revision of the current folder; None outside of a repository, or without git."""
    commit = _git("rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changed = _git("status", "--porcelain", "--untracked-files=no")
    remote = _git("config", "--get", "remote.origin.url") or ""
    return GitRevision(commit, changed != "", _SECRET.sub("", remote))


def _git(*arguments: str) -> str | None:
    """The output of a git command; None if it fails."""
    try:
        done = subprocess.run(  # noqa: S603  # no other's words
            ["git", *arguments],  # noqa: S607  # the user's own git
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
