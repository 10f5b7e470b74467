"""Builds the images of this working tree: ``python3 tests/image_under_test.py``.

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
# The target that only serves.
SERVE_TAG = "mlserver-forest:under-test-serve"
_ROOT = Path(__file__).parent.parent
_LOCK = Path(tempfile.gettempdir(), "mlserver-forest-build.lock")


def build():
    """Build both, on BASE_IMAGE if that is set; return how the last ``docker build`` ended.

    Processes build one after another, so that all but the first find its layers.
    """
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _build("full", TAG)
        return done if done.returncode else _build("serve", SERVE_TAG)


def _build(target, tag):
    base = os.environ.get("BASE_IMAGE")
    command = ["docker", "build", "--network=host", "-f", "container/Dockerfile", "-t", tag]
    command += ["--target", target, *(["--build-arg", f"BASE_IMAGE={base}"] if base else [])]
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
