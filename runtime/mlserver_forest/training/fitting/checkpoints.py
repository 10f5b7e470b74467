"""Checkpoints: trees or rounds, kept in the folder that SageMaker keeps across a restart.

A file's name begins with the host's name, because all hosts share one place in S3, and with a
fingerprint of rows and hyperparameters, so that a job never continues with another job's trees.
A file is written under a name that SageMaker does not upload (``.sagemaker-ignore``:
sagemaker-xgboost-container, ``checkpointing.py``), and renamed when it is complete.
"""

import glob
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Say = Callable[[str], None]

_DRAFT = ".sagemaker-ignore"
_DIGEST_BYTES = 32
# Part of every digest, so that the content of another version of this package is not read.
_FORMAT = b"mlserver-forest 1"
_BOUNDS = re.compile(r"[0-9]{7,9}-[0-9]{7,9}")
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
        self._said: set[str] = set()
        self._due_at = time.monotonic() + _LEAST_SECONDS

    def keep(self, start: int, stop: int, content: bytes) -> bool:
        """Write a checkpoint; if that fails, log why and continue without it.

        Returns:
            Whether it was written.
        """
        name = f"{self._prefix}{start:07d}-{stop:07d}"
        try:
            self._write(name, content)
        except OSError as error:
            line = f"{self._directory}: {error.strerror}"
            if line not in self._said:
                self._said.add(line)
                self._say(f"no checkpoint of {stop} trees or rounds: {line}")
            return False
        return True

    def keep_all(self, stop: int, content: Callable[[], bytes]) -> None:
        """Replace all checkpoints by one of everything up to ``stop``, if one is due."""
        began = time.monotonic()
        if began < self._due_at:
            return
        if self.keep(0, stop, content()):
            for path in self._paths():
                if self._bounds(path)[1] < stop:
                    _remove(path)
        ended = time.monotonic()
        pause = max(_LEAST_SECONDS, _SECONDS_PER_SECOND_OF_KEEPING * (ended - began))
        self._due_at = ended + pause

    def restored(self, read: Callable[[Checkpoint], T]) -> list[T]:
        """The checkpoints in order, starting with the first tree or round and without a gap.

        Other jobs' checkpoints of this host, and incomplete or damaged files, are removed; a line
        of the log says so, and from where the fit continues.

        Args:
            read: makes trees or a booster of a checkpoint; if it fails, the checkpoint counts as
                damaged.
        """
        n_others = self._tidy()
        found: list[T] = []
        end, damaged = 0, []
        for path in self._paths():
            start, stop = self._bounds(path)
            if start not in {0, end}:
                continue
            try:
                value = read(Checkpoint(start, stop, self._content(path)))
            except Exception:  # noqa: BLE001  # whatever a library raises for bytes that it cannot read
                damaged.append(path.name)
                _remove(path)
                continue
            found = [*([] if start == 0 else found), value]
            end = stop
        if end or damaged or n_others:
            self._say("; ".join(self._outcome(n_others, damaged, end)))
        return found

    def _outcome(self, n_others: int, damaged: list[str], end: int) -> list[str]:
        """What was found, in the words of one line."""
        words = []
        if n_others:
            words.append(
                f"removed {n_others} checkpoint(s) of other rows, hyperparameters or versions"
            )
        if damaged:
            words.append(f"{', '.join(damaged)} is damaged or of another version, and is not used")
        if end:
            words.append(f"continuing from {end} trees or rounds, kept in {self._directory}")
        else:
            words.append(f"no checkpoint in {self._directory} is left, so training begins anew")
        return words

    def _write(self, name: str, content: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(_DRAFT, name + ".", self._directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_digest(name, content))
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, self._directory / name)
        except OSError:
            _remove(Path(draft))  # It would take the place that the model needs.
            raise

    def _tidy(self) -> int:
        """Remove incomplete files and other jobs' checkpoints of this host and this fit.

        Returns:
            The number of other jobs' checkpoints.
        """
        n_others = 0
        try:
            for path in self._directory.glob(f"{glob.escape(self._host)}.*"):
                is_draft = path.name.endswith(_DRAFT)
                is_ours = path.name.startswith(self._prefix)
                if self._fit_of(path) == self._fit and (is_draft or not is_ours):
                    path.unlink(missing_ok=True)
                    n_others += not is_draft
        except OSError as error:
            self._say(f"{self._directory} cannot be tidied: {error.strerror}")
        return n_others

    def _paths(self) -> list[Path]:
        return sorted(
            path
            for path in self._directory.glob(f"{glob.escape(self._prefix)}*-*")
            if _BOUNDS.fullmatch(path.name.removeprefix(self._prefix))
        )

    def _fit_of(self, path: Path) -> str:
        """The name of the fit before a file's fingerprint."""
        return path.name.removeprefix(f"{self._host}.").partition(".")[0].rpartition("-")[0]

    def _bounds(self, path: Path) -> tuple[int, int]:
        start, _, stop = path.name.removeprefix(self._prefix).partition("-")
        return int(start), int(stop)

    @staticmethod
    def _content(path: Path) -> bytes:
        """The content of a file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is damaged.
        """
        raw = path.read_bytes()
        digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if _digest(path.name, content) != digest:
            raise ValueError("the digest does not match")
        return content


def newest(checkpoints: Checkpoints | None, read: Callable[[Checkpoint], T]) -> T | None:
    """The newest checkpoint as ``read`` makes it; None if there is none, or if none are kept."""
    found = checkpoints.restored(read) if checkpoints else []
    return found[-1] if found else None


def lock_name(host: str) -> str:
    """The file by which a job holds its host's checkpoints; SageMaker does not upload it."""
    return f".{host}.lock{_DRAFT}"


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _digest(name: str, content: bytes) -> bytes:
    digest = hashlib.sha256(_FORMAT + b"\n" + name.encode() + b"\n")
    digest.update(content)
    return digest.digest()
