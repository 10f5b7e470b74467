"""Builds the images of this working tree: ``python3 tests/image_under_test.py``.

``.ci/run`` does so while it checks the code, and the tests of containers then find all layers. (It
imports only the standard library, so that any Python can run it.)
"""

import fcntl
import hashlib
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
# What the Dockerfile copies besides container/ and runtime/.
_COPIED = ("settings", "data", "pyproject.toml", "README.md", "LICENSE", ".dockerignore")


def build():
    """Build both, on BASE_IMAGE if that is set; return how the last ``docker build`` ended.

    Processes build one after another, and what has been built of the same files is not built again:
    even if it finds all layers, Docker reads a gigabyte to compare them.
    """
    with _LOCK.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        stamp = _stamp()
        if stamp and lock.read() == stamp:
            return subprocess.CompletedProcess((), 0, "", "")
        done = _build("full", TAG)
        done = done if done.returncode else _build("serve", SERVE_TAG)
        lock.truncate(0)
        lock.write("" if done.returncode else _stamp())
    return done


def _stamp():
    """The files of this working tree, and the images that there are; empty outside of git."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    digest = hashlib.sha256(os.environ.get("BASE_IMAGE", "").encode())
    names = _output([*listed, "container", "runtime", *_COPIED]).split("\0")
    if names == [""]:
        return ""
    for name in sorted(names):
        if (_ROOT / name).is_file():
            digest.update(name.encode() + (_ROOT / name).read_bytes())
    ids = _output(["docker", "image", "inspect", "--format", "{{.Id}}", TAG, SERVE_TAG])
    return f"{digest.hexdigest()} {ids}"


def _output(command):
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False).stdout


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
