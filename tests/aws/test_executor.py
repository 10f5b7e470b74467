"""A command makes exactly the calls that --dry-run prints, whatever exists already.

A dry run with credentials looks up what exists and prints the steps. The real run after it makes
the same look-ups, then exactly those steps.
"""

import json
import re

import botocore.session
import pytest

from support import IRIS, PAYLOAD

POLL = ("--poll", "0.1")
ROLE = ("--role", "forest", *POLL)
FIT = ("fit", IRIS, "-p", "algorithm=random_forest", *ROLE)
TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "-r", "max_depth=3:12", *ROLE)
DEPLOY = ("deploy", "s3://models/model.tar.gz", *ROLE, "--yes")
SCALED = (*DEPLOY, "--autoscale", "1:4")
OTHER = ("deploy", "s3://models/other.tar.gz", *ROLE, "--yes")
LARGER = (*DEPLOY, "--instance-type", "ml.c5.large")
TRANSFORM = ("transform", "s3://models/model.tar.gz", PAYLOAD, *ROLE)
ROLLBACK = ("rollback", "forest", "--yes", *POLL)
INVOKE = ("invoke", "forest", PAYLOAD, "--accept", "text/csv")
ASYNCHRONOUS = (*INVOKE, "--async", "--poll", "0.1")
PUSH = ("push", "--image", "local:1")
JOB = (*FIT, "--name", "job")
# The commands before, and the command whose plan is compared with what it does.
CASES = {
    "push, first run": ([], PUSH),
    "push, second run": ([PUSH], PUSH),
    "push of an image that is there": (["image"], PUSH),
    "push of a tag": ([], (*PUSH, "--tag", "1.0")),
    "fit, first run": ([], FIT),
    "fit, second run": ([FIT], FIT),
    "fit of other options": ([FIT], (*FIT, "-p", "n_estimators=7")),
    "fit once more": ([FIT], (*FIT, "--again", "--no-wait")),
    "tune, first run": ([], TUNE),
    "tune, second run": ([TUNE], TUNE),
    "deploy, first run": ([], (*SCALED, "--capture")),
    "deploy, second run": ([SCALED], SCALED),
    "deploy without waiting": ([], (*DEPLOY, "--no-wait")),
    "deploy, update": ([DEPLOY], OTHER),
    "deploy, update of a scaled endpoint": ([SCALED], (*OTHER, "--autoscale", "1:4")),
    "deploy, other instances of a scaled endpoint": ([SCALED], LARGER),
    "rollback": ([DEPLOY, OTHER], ROLLBACK),
    "rollback forward": ([DEPLOY, OTHER, ROLLBACK], ROLLBACK),
    "rollback of a scaled endpoint": ([DEPLOY, (*LARGER, "--autoscale", "1:4")], ROLLBACK),
    "invoke": ([DEPLOY], INVOKE),
    "invoke by way of S3, first run": ([DEPLOY], ASYNCHRONOUS),
    "invoke by way of S3, second run": ([DEPLOY, ASYNCHRONOUS], ASYNCHRONOUS),
    "transform, first run": ([], (*TRANSFORM, "--download", "answers")),
    "transform, second run": ([TRANSFORM], (*TRANSFORM, "--download", "answers")),
    "status of an endpoint": ([SCALED], ("status", "forest")),
    "status of a job": ([JOB], ("status", "job")),
    "logs": ([JOB], ("logs", "job", "--follow", *POLL)),
    "list": ([JOB, SCALED], ("list",)),
    "stop": ([JOB], ("stop", "job", "--yes")),
    "delete": ([SCALED], ("delete", "forest", "--yes", *POLL)),
}
DOCKER = """#!/usr/bin/env python3
import json, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    print(json.dumps(["docker", *words]), file=log)
if words[:2] == ["image", "inspect"]:
    repository = words[-1].rpartition(":")[0]
    if "{{{{.Id}}}}" in words:
        print("sha256:0123456789abcdef")
    else:
        is_platform = any("Architecture" in word for word in words)
        print("linux/amd64" if is_platform else repository + "@sha256:1")
"""


@pytest.fixture
def commands(tmp_path):
    """A docker that writes down what it is told; the commands so far."""
    log = tmp_path / "docker.log"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER.format(log=str(log)))
    (tmp_path / "bin" / "docker").chmod(0o755)

    def told():
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    told.path = str(tmp_path / "bin")
    return told


@pytest.fixture
def forest(account, commands, tmp_path, monkeypatch):
    """Runs a command, and returns what it printed and the calls that it made."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        if words == tuple("image"):
            account.push_image("0123456789ab", "sagemaker-mlserver-forest")
            return None
        start = len(account.stand_in.calls)
        environ = account.environ()
        path = f"{commands.path}:{environ['PATH']}"
        call = account.shell if words[0] == "push" else account.forest
        done = call(*words, PATH=path)
        assert done.code == 0, done.err
        return done, account.stand_in.calls[start:]

    return run


@pytest.mark.parametrize("case", CASES)
def test_a_command_makes_the_calls_that_its_dry_run_prints(
    account, forest, commands, case, request
):
    before, words = CASES[case]
    if words[0] in {"invoke", "transform"}:
        account.stand_in.serve = request.getfixturevalue("iris_server").url
    for one in before:
        forest(*one)
    printed, look_ups = forest(*words, "--dry-run")
    n_before = len(commands())
    _, made = forest(*words)
    shown = json.loads(printed.out)
    once = [call for call in shown["calls"] if "repeated" not in call]
    if "image" in before:
        once = [call for call in once if "unless_found_by" not in call]
        shown["commands"] = shown["commands"][:2]
    repeated = [wire(call) for call in shown["calls"] if "repeated" in call]
    # A call that is repeated may be made any number of times, also none.
    assert not repeated or any(is_same(repeated[0], one, by_name=True) for one in made)
    expected = without(repeated, [*look_ups, *map(wire, once)])
    actual = without(repeated, made)
    assert len(actual) == len(expected), (expected, actual)
    for one, other in zip(expected, actual, strict=True):
        assert is_same(one, other)
    looks_up = ["docker", "buildx", "version"]
    told = [command for command in commands()[n_before:] if command != looks_up]
    for command in told:
        assert any(is_same((one, None), (command, None)) for one in shown["commands"]), command
    assert len(told) == len(shown.get("commands", ()))


def wire(call):
    """A call as the stand-in sees it come."""
    model = botocore.session.get_session().get_service_model(call["service"])
    operation = model.operation_model(call["operation"])
    request = call["request"]
    if model.protocol == "json":
        return call["operation"], request
    uri = operation.http["requestUri"].replace("{Bucket}", "").strip("/").partition("?")[0]
    path = re.sub(r"\{(\w+)\+?\}", lambda found: request[found[1]], uri)
    path = "/".join(part for part in (request.get("Bucket", ""), path) if part)
    return f"{operation.http['method']} /{path}", None


def without(repeated, calls):
    return [
        one for one in calls if not any(is_same(other, one, by_name=True) for other in repeated)
    ]


def is_same(expected, actual, *, by_name=False):
    """Whether a call is the one that was printed: <name> stands for what an answer gives."""
    name, request = expected
    if not fits(name, actual[0]):
        return False
    return by_name or fits(request, actual[1])


def fits(expected, actual):
    if isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(
            fits(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(fits, expected, actual))
    if isinstance(expected, str) and "<" in expected:
        pattern = "".join(
            ".+" if part.startswith("<") else re.escape(part)
            for part in re.split(r"(<[^>]*>)", expected)
        )
        return isinstance(actual, str) and re.fullmatch(pattern, actual) is not None
    return expected == actual
