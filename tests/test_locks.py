"""The lock that people install from, and the locks with hashes that the image installs."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from support import ROOT

IMAGE = ROOT / "container" / "requirements.lock"
SERVE = ROOT / "container" / "serve-requirements.lock"
BUILD = ROOT / "container" / "build-requirements.lock"


def requirements(path):
    """Each requirement of a lock, with the hashes that follow it."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {
        str(Requirement(line.partition(" --hash")[0].strip())): re.findall(
            r"--hash=sha256:([0-9a-f]{64})", line
        )
        for line in lines
    }


def versions(path, environment):
    """The version of each distribution that a lock installs in an environment."""
    found = [Requirement(line) for line in requirements(path)]
    return {
        one.name: str(one.specifier)
        for one in found
        if one.marker is None or one.marker.evaluate(environment)
    }


@pytest.mark.parametrize("path", [IMAGE, SERVE, BUILD], ids=["image", "serve", "build"])
def test_everything_in_a_lock_of_the_image_has_hashes(path):
    found = requirements(path)
    assert len(found) > 30
    assert [name for name, hashes in found.items() if not hashes] == []


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_image_installs_the_versions_of_requirements_lock(machine, python):
    environment = {
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
    }
    tested = versions(ROOT / "requirements.lock", environment)
    installed = versions(IMAGE, environment)
    assert installed.items() <= tested.items()
    assert versions(SERVE, environment).items() < installed.items()
    assert {"numpy", "xgboost-cpu", "boto3", "mlserver"} <= set(installed)
    assert ("scikit-learn-intelex" in installed) == (machine == "x86_64")


def test_the_image_builds_the_wheel_with_the_backend_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (backend,) = project["build-system"]["requires"]
    assert backend in requirements(BUILD)
