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
    digest = hashlib.sha256(f"{sys.version} {lock.read_text()}".encode()).hexdigest()
    folder = CACHE / f"{lock.stem.removesuffix('-requirements')}-{digest[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder)
        # Our own pip, and nothing compiled that may never be imported: half of the time.
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        command = [*pip, "--no-deps", "--no-compile", "--requirement", lock]
        subprocess.run(command, check=True, timeout=900)
        (folder / "complete").touch()
    return python


def packages_of(lock):
    """A folder with the packages of a lock file and nothing that they require, for PYTHONPATH."""
    digest = hashlib.sha256(f"{sys.version} {lock.read_text()}".encode()).hexdigest()
    folder = CACHE / f"{lock.stem.removesuffix('-requirements')}-packages-{digest[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*pip, "--requirement", lock], check=True, timeout=900)
        (folder / "complete").touch()
    return folder
