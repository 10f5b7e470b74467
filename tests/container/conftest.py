"""The image, built from this working tree, and what it has trained."""

import os
import re
import shutil

import pytest

from containers import Container, docker
from image_under_test import SERVE_TAG, TAG, build
from support import IRIS, lay_out


@pytest.fixture(scope="session")
def image():
    """The image, built from this working tree, or the one that IMAGE_UNDER_TEST names."""
    missing = pytest.fail if os.environ.get("REQUIRE_CONTAINERS") else pytest.skip
    if not shutil.which("docker"):
        missing("no docker command on this machine")
    if docker("info", check=False).returncode:
        missing("no Docker engine answers on this machine")
    if given := os.environ.get("IMAGE_UNDER_TEST"):
        return given
    built = build()
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return TAG


@pytest.fixture(scope="session")
def serving_image(image):
    """The image that only serves, or the one that SERVING_IMAGE_UNDER_TEST names."""
    return os.environ.get("SERVING_IMAGE_UNDER_TEST") or SERVE_TAG


@pytest.fixture(scope="session")
def ml(image, tmp_path_factory):
    """An /opt/ml tree in which the image has trained on iris; not to be changed."""
    base = tmp_path_factory.mktemp("opt") / "ml"
    lay_out(base, {"training": {"iris.csv": IRIS.read_text()}}, {"random_state": "1"})
    base.chmod(0o755)
    base.parent.chmod(0o755)
    done = docker("run", "--rm", "--network=none", "-v", f"{base}:/opt/ml", image, "train")
    assert re.search(r"^validation:accuracy=0\.9\d+;$", done.stdout, re.MULTILINE)
    return base


@pytest.fixture
def run():
    started = []

    def start(*arguments):
        started.append(Container(*arguments))
        return started[-1]

    yield start
    for container in started:
        container.remove()
