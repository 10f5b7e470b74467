"""``forest doctor`` on images: ours keeps every rule, and one that does not is found out."""

import json
import os
import shutil
import subprocess
import time

import pytest

from containers import docker
from mlserver_forest.doctor.rules import RULES
from support import BIN, ROOT, clean_environ

pytestmark = pytest.mark.container

WRONG = ROOT / "tests" / "doctor" / "wrong_server.py"
# Where another program takes the place of ours, and no label is true.
DOCKERFILE = """FROM {image}
COPY wrong_server.py /
ENV HOST=0.0.0.0
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=false \\
      com.amazonaws.sagemaker.capabilities.multi-models=false
{command} ["python3", "/wrong_server.py", "{fault}"]
"""
NOT_OFFERED = {
    "train-failure",
    "execution-parameters",
    *(rule for rule in RULES if rule.startswith(("multi-model-", "pipeline-"))),
}


@pytest.fixture
def foreign(image, tmp_path):
    """Build an image with a fault; it is removed after the test."""
    built = []

    def build(fault, command="ENTRYPOINT"):
        shutil.copy(WRONG, tmp_path)
        text = DOCKERFILE.format(image=image, fault=fault, command=command)
        (tmp_path / "Dockerfile").write_text(text)
        environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
        built.append(docker("build", "--quiet", tmp_path, env=environ).stdout.strip())
        return built[-1]

    yield build
    for identity in built:
        docker("rmi", "--force", identity)


def doctor(*arguments):
    done = subprocess.run(
        [BIN / "forest", "doctor", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env=clean_environ(),
    )
    assert done.stdout, done.stderr
    checks = {one["check"]: one for one in json.loads(done.stdout)["checks"]}
    assert list(checks) == list(RULES)
    return done.returncode, checks


def left_over():
    return docker("ps", "--all", "--quiet", "--filter", "label=forest-doctor").stdout.split()


def those_that(checks, verdict):
    return {name: one["came"] for name, one in checks.items() if one["verdict"] == verdict}


def test_our_image_passes_every_check(image):
    before = set(left_over())
    code, checks = doctor(image)
    assert those_that(checks, "FAIL") == {}
    assert those_that(checks, "SKIP") == {}
    assert code == 0
    assert set(left_over()) <= before


def test_an_image_that_is_not_ours_passes_what_it_offers(foreign):
    """It has an entrypoint, no model-settings.json and no labels; a row of iris.csv is sent."""
    code, checks = doctor(foreign("none"))
    assert those_that(checks, "FAIL") == {}
    assert set(those_that(checks, "SKIP")) == NOT_OFFERED
    assert code == 0


def test_a_file_beside_the_channel_stumbles_who_lists_channels(foreign, tmp_path):
    """Without a model nothing is served, unless the caller brings one."""
    image = foreign("lists channels")
    code, checks = doctor(image)
    assert code == 1
    came = those_that(checks, "FAIL")
    assert set(came) == {"train"}
    assert came["train"].startswith(
        "channel 'training': exit code 1, without output/failure; the log ends: NotADirectoryError"
    )
    assert set(those_that(checks, "SKIP")) == set(RULES) - {"train"}

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.txt").touch()
    code, checks = doctor(image, "--model", tmp_path / "mine")
    assert (code, those_that(checks, "FAIL")) == (0, {})


def test_an_image_that_wants_what_serverless_endpoints_do_not_have_is_told(foreign):
    code, checks = doctor(foreign("wants it all"))
    came = those_that(checks, "FAIL")
    assert set(came) == {
        "read-only-root", "unprivileged", "no-shared-memory", "no-home"
    }  # fmt: skip
    assert "Read-only file system: '/var/cache/started'" in came["read-only-root"]
    assert "KeyError: 'HOME'" in came["no-home"]
    assert code == 1


def left_out(*kept):
    return [part for rule in RULES if rule not in kept for part in ("--skip", rule)]


@pytest.mark.parametrize(
    ("fault", "check", "came", "advice"),
    [
        (
            "on loopback", "start",
            "listens on 127.0.0.1:8080, which only the container itself reaches; the log is empty",
            "listen on 0.0.0.0:8080",
        ),
        (
            "wants memory", "serverless",
            "killed for memory: it needed more than the limit of 1024 MB (exit code 137); the log",
            "more memory (up to 6144 MB)",
        ),
    ],
)  # fmt: skip
def test_the_cause_of_a_server_that_does_not_start_is_named(foreign, fault, check, came, advice):
    code, checks = doctor(foreign(fault), *left_out("start", "serverless"))
    found = those_that(checks, "FAIL")
    assert (code, set(found)) == (1, {check})
    assert found[check].startswith(came)
    assert advice in checks[check]["advice"]


def test_the_cause_of_a_job_that_fails_is_its_own_reason(foreign):
    code, checks = doctor(foreign("fails to train"), "--channel", "training")
    assert code == 1
    assert those_that(checks, "FAIL") == {
        "train": "exit code 255; output/failure: AlgorithmError: the label is not a number"
    }


def test_an_image_that_serves_when_it_should_train_is_found_out(foreign):
    """The job would be given an hour."""
    code, checks = doctor(foreign("only serves"))
    assert code == 1
    assert those_that(checks, "FAIL") == {
        "train": "it starts a server on 0.0.0.0:8080 instead of training"
    }
    assert "give a model directory with --model" in checks["train"]["advice"]


def test_an_image_whose_commands_are_missing_is_told_so(tmp_path):
    """A CMD alone is replaced by SageMaker's argument."""
    base = os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
    code, checks = doctor(base)
    assert code == 1
    assert those_that(checks, "FAIL") == {
        "train": "executable not found: the image has no command `train` in its PATH"
    }
    assert "if the image only serves, give a model directory" in checks["train"]["advice"]
    (tmp_path / "model.txt").touch()
    code, checks = doctor(base, "--model", tmp_path)
    assert (code, list(those_that(checks, "FAIL"))) == (1, ["start"])
    assert "no command `serve` in its PATH" in checks["start"]["came"]


def test_an_image_that_is_not_there_is_no_verdict():
    done = subprocess.run(
        [BIN / "forest", "doctor", "no-such-image-of-the-doctor"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "neither a directory nor an image on this machine" in done.stderr


def test_a_doctor_that_is_stopped_leaves_no_container(image):
    before = set(left_over())
    with subprocess.Popen(
        [BIN / "forest", "doctor", image], env=clean_environ(), stderr=subprocess.PIPE, text=True
    ) as process:
        while not set(left_over()) - before:
            time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=60) == 143
    assert set(left_over()) <= before
