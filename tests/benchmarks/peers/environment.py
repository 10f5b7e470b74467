"""What the peers need and the project does not have: programs, and packages apart from ours."""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "mlserver-forest-benchmarks")
PACKAGES = ("flask==3.1.3", "gunicorn==27.0.1", "pandas", "scikit-learn")
LOCK = ROOT / "requirements.lock"


@functools.cache
def program(name, package=None):
    """The path of nginx, wrk or h2load, installed where it is missing."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    if shutil.which(name, path=path) is None:
        package = package or name
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit(f"{name} is missing: sudo apt-get install -y {package}")
        print(f"installing {package}", flush=True)
        for command in (["update"], ["install", "-y", package]):
            subprocess.run(["apt-get", *command], check=True, stdout=subprocess.DEVNULL)
    return shutil.which(name, path=path)


@functools.cache
def classic_python():
    """The interpreter of the classic stack's environment: our versions, plus Flask and gunicorn."""
    wanted = f"{PACKAGES} {sys.version} {LOCK.read_text()}"
    folder = CACHE / f"classic-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {', '.join(PACKAGES)} into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*install, "-c", LOCK, *PACKAGES], check=True)
        (folder / "complete").touch()
    return python
