"""Environments of clients that are not ours, whose pins exclude those of this package."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "mlserver-forest-tests")


def python_with(lock):
    """A Python that has the packages of a lock file; it is kept in ~/.cache."""
    folder = _folder(lock, "")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder)
        _install(lock, ["--python", python])
        (folder / "complete").touch()
    return python


def packages_of(lock):
    """A folder with the packages of a lock file and nothing that they require, for PYTHONPATH."""
    folder = _folder(lock, "-packages")
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _install(lock, ["--python", sys.executable, "--target", folder])
        (folder / "complete").touch()
    return folder


def _folder(lock, kind):
    digest = hashlib.sha256(f"{sys.version} {lock.read_text()}".encode()).hexdigest()
    return CACHE / f"{lock.stem.removesuffix('-requirements')}{kind}-{digest[:12]}"


def _install(lock, place):
    """uv takes a tenth of pip's time, and compiles nothing that may never be imported."""
    words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", *place]
    subprocess.run([*words, "--requirement", lock], check=True, timeout=900)
