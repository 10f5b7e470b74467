"""Checkpoints: trees or rounds, kept in the folder that SageMaker keeps across a restart.

A file's name begins with the host's name, because all hosts share one place in S3, and with a
fingerprint of rows and hyperparameters, so that a job never continues with another job's trees.
A file is written under a name that SageMaker does not upload (``.sagemaker-ignore``:
sagemaker-xgboost-container, ``checkpointing.py``), and renamed when it is complete.
"""

import glob
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]

_DRAFT = ".sagemaker-ignore"
_DIGEST_BYTES = 32
_LEAST_SECONDS = 0.25
# Checkpoints may take about a tenth of the time at most.
_SECONDS_PER_SECOND_OF_KEEPING = 10.0


@dataclass(frozen=True)
class Checkpoint:
    """The trees or rounds from position ``start`` to before ``stop``."""

    start: int
    stop: int
    content: bytes


class Checkpoints:
    """One host's checkpoints of one job.

    Args:
        directory: the folder; it is created with the first checkpoint.
        host: the host's name in resourceconfig.json.
        fingerprint: a digest of the rows and the hyperparameters; a name and ``-`` before it mark
            another fit of the same job, which has its own checkpoints.
        say: is called with each line of the log.
    """

    def __init__(self, directory: Path, host: str, fingerprint: str, say: Say) -> None:
        self._directory = directory
        self._host = host
        self._fit, _, digest = fingerprint.rpartition("-")
        self._prefix = f"{host}.{self._fit}{'-' if self._fit else ''}{digest[:16]}."
        self._say = say
        self._due_at = time.monotonic() + _LEAST_SECONDS

    def keep(self, start: int, stop: int, content: bytes) -> None:
        """Write a checkpoint; if that fails, log why and continue without it."""
        name = f"{self._prefix}{start:07d}-{stop:07d}"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(_DRAFT, name + ".", self._directory)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_digest(name, content) + content)
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, self._directory / name)
        except OSError as error:
            self._say(f"no checkpoint of {stop}: {self._directory}: {error.strerror}")

    def keep_all(self, stop: int, content: Callable[[], bytes]) -> None:
        """Replace all checkpoints by one of everything up to ``stop``, if one is due."""
        began = time.monotonic()
        if began < self._due_at:
            return
        self.keep(0, stop, content())
        for path in self._paths():
            if self._bounds(path)[1] < stop:
                path.unlink(missing_ok=True)
        ended = time.monotonic()
        pause = max(_LEAST_SECONDS, _SECONDS_PER_SECOND_OF_KEEPING * (ended - began))
        self._due_at = ended + pause

    def restored(self) -> list[Checkpoint]:
        """The checkpoints in order, starting with the first tree or round and without a gap.

        Other jobs' checkpoints of this host, and incomplete files, are removed.
        """
        self._tidy()
        found: list[Checkpoint] = []
        for path in self._paths():
            start, stop = self._bounds(path)
            content = self._read(path)
            if content is None:
                self._say(
                    f"the checkpoint {path.name} is damaged; continuing from the one before it"
                )
            elif start in {0, found[-1].stop if found else 0}:
                found = [] if start == 0 else found
                found.append(Checkpoint(start, stop, content))
        if found:
            self._say(
                f"continuing from {found[-1].stop} trees or rounds, kept in {self._directory}"
            )
        return found

    def _tidy(self) -> None:
        try:
            for path in self._directory.glob(f"{glob.escape(self._host)}.*"):
                is_ours = path.name.startswith(self._prefix) and not path.name.endswith(_DRAFT)
                if self._fit_of(path) == self._fit and not is_ours:
                    path.unlink(missing_ok=True)
        except OSError as error:
            self._say(f"{self._directory} cannot be tidied: {error.strerror}")

    def _paths(self) -> list[Path]:
        return sorted(
            path
            for path in self._directory.glob(f"{glob.escape(self._prefix)}*-*")
            if path.name.removeprefix(self._prefix).replace("-", "").isdigit()
        )

    def _fit_of(self, path: Path) -> str:
        """The name of the fit before a file's fingerprint."""
        return path.name.removeprefix(f"{self._host}.").partition(".")[0].rpartition("-")[0]

    def _bounds(self, path: Path) -> tuple[int, int]:
        start, _, stop = path.name.removeprefix(self._prefix).partition("-")
        return int(start), int(stop)

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        return content if _digest(path.name, content) == digest else None


def newest_content(checkpoints: Checkpoints | None) -> bytes | None:
    """The content of the newest checkpoint; None if there is none, or if none are kept."""
    found = checkpoints.restored() if checkpoints else []
    return found[-1].content if found else None


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + content).digest()
