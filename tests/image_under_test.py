"""Builds the image of this working tree: ``python3 tests/image_under_test.py``.

``.ci/run`` does so while it checks the code, and the tests of containers then find all layers. (It
imports only the standard library, so that any Python can run it.)
"""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TAG = "mlserver-forest:under-test"
_ROOT = Path(__file__).parent.parent
_LOCK = Path(tempfile.gettempdir(), "mlserver-forest-build.lock")


def build():
    """Build it, on BASE_IMAGE if that is set; return how ``docker build`` ended.

    Processes build one after another, so that all but the first find its layers.
    """
    base = os.environ.get("BASE_IMAGE")
    command = ["docker", "build", "--network=host", "-f", "container/Dockerfile", "-t", TAG]
    command += ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(
            [*command, "."],
            cwd=_ROOT,
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )


if __name__ == "__main__":
    sys.exit(build().returncode)
