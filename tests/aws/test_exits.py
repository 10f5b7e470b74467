"""Every way out of a command says what was done; with --json, as a document."""

import json
import re
import signal

import pytest

from aws.account import FIT, MODEL, RUNNING, name_of
from support import IRIS, PAYLOAD

DEPLOY = ("deploy", MODEL, "--role", "forest", "--poll", "0.1", "--yes")
DENIED = {"status": 400, "code": "AccessDeniedException", "message": "no"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_job_running_and_says_how_to_go_on(account, number, code):
    name = name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = [{}, *RUNNING * 100]
    process = account.start(*FIT, "--json")
    while b"InProgress" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    said = (
        f"interrupted; training job {name} continues without this command. Follow it: "
        f"forest status {name}, forest logs {name} --follow; end it: forest stop {name}"
    )
    assert err.decode().splitlines()[-1] == f"forest fit: {said}"
    document = json.loads(out)
    assert (document["error"], document["code"]) == (said, "Interrupted")
    assert account.stand_in.count("Stop") == 0


def test_what_was_done_before_a_refusal_is_said(account):
    """What the next rollback needs is noted, but the endpoint is not updated."""
    assert account.forest(*DEPLOY).code == 0
    account.stand_in.fail("UpdateEndpoint", times=9, **DENIED)
    done = account.forest(*DEPLOY, "--instance-type", "ml.c5.large", "--json")
    assert done.code == 1
    document = done.json
    assert document["code"] == "AccessDeniedException"
    assert document["hint"].startswith("ask for the permission sagemaker:UpdateEndpoint on ")
    for one in (*document["done"], *document["not_done"]):
        assert one in done.err
    told = done.err.split("forest deploy: ")[1]
    assert told.count("what exists now") == 1
    assert {one["remove_with"].split()[0] for one in document["made"]} == {"forest"}


def test_what_exists_after_a_refusal_is_said_once(account):
    account.stand_in.fail("CreateEndpoint$", times=9, **DENIED)
    done = account.forest(*DEPLOY, "--region", "eu-west-1", "--json")
    assert done.code == 1
    assert done.err.count("what exists now because of this command:") == 1
    assert done.err.count("remove it with") == 2
    model, configuration = done.json["made"]
    assert model["what"].startswith("model forest-")
    assert configuration["what"].startswith("endpoint configuration forest-")
    for one in done.json["made"]:
        assert one["remove_with"].startswith(("forest delete --region eu-west-1 ", "aws "))


def test_what_exists_is_removed_in_the_order_in_which_it_is_listed(account):
    """A bucket can be removed only when it is empty."""
    account.stand_in.fail("CreateTrainingJob", times=9, **DENIED)
    made = account.forest(*FIT, "--json").json["made"]
    assert [one["remove_with"].split()[2] for one in made] == ["rm", "rb"]


ERRORS = {
    "no credentials": (("list",), "NoCredentials"),
    "a value that AWS refuses": (("status", "a b", "--dry-run"), "InvalidValue"),
    "no such file": (("fit", "none.csv", "--role", "r"), "DeploymentError"),
    "no such option": (("status", "--jsn", "x"), "UsageError"),
    "a missing argument": (("invoke", "x"), "UsageError"),
    "a hyperparameter": (("fit", IRIS, "--role", "r", "-p", "a=b"), "InvalidHyperparameters"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_one_document(account, case):
    """On standard output, in one line; people read the other one."""
    words, code = ERRORS[case]
    done = account.forest(*words, "--json", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.code == (2 if code == "UsageError" else 1)
    (line,) = done.out.splitlines()
    document = json.loads(line)
    assert document["code"] == code
    assert document["error"].splitlines() == [document["error"]]
    assert {"error", "code", "hint"} <= document.keys()
    assert document["error"].split("'")[0] in done.err
    assert account.stand_in.seen == []


def test_a_failed_job_is_a_document_with_its_last_lines(account):
    name_of(account)
    failed = {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed", "FailureReason": "bad"}
    account.stand_in.states["DescribeTrainingJob"] = [{}, *RUNNING, failed]
    done = account.forest(*FIT, "--json")
    assert done.code == 1
    assert done.json["code"] == "EndedBadly"
    assert done.json["error"].endswith(": Failed: bad")


def test_an_answer_is_text_or_base64_in_a_document(account, iris_server):
    account.stand_in.serve = iris_server.url
    assert account.forest(*DEPLOY).code == 0
    for accept, member in {"text/csv": "Body", "application/x-npy": "BodyBase64"}.items():
        done = account.forest("invoke", "forest", PAYLOAD, "--accept", accept, "--json")
        assert done.code == 0, done.err
        assert member in done.json
        assert done.json["EndpointName"] == "forest"


def test_a_metric_that_is_no_number_is_null(account):
    metrics = [{"MetricName": "validation:rmse", "Value": float("nan"), "Timestamp": 1}]
    account.stand_in.members["DescribeTrainingJob"] = {"FinalMetricDataList": metrics}
    done = account.forest(*FIT, "--json")
    assert done.code == 0, done.err
    assert "NaN" not in done.out
    assert done.json["Metrics"] == {"validation:rmse": None}


@pytest.mark.parametrize("command", ["status", "deploy", "delete"])
def test_a_permission_that_is_not_needed_is_noted_in_one_line(account, command):
    assert account.forest(*DEPLOY).code == 0
    account.stand_in.fail("DescribeScalableTargets", times=99, **DENIED)
    words = {
        "status": ("status", "forest"),
        "deploy": (*DEPLOY, "--instance-type", "ml.c5.large"),
        "delete": ("delete", "forest", "--yes", "--poll", "0.1"),
    }[command]
    done = account.forest(*words)
    assert done.code == 0, done.err
    noted = "autoscaling( of forest)?(: not known| is unknown): application-autoscaling Describe"
    assert len(re.findall(noted, done.err)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_push_that_is_ended_leaves_no_password(account, tmp_path, number):
    """Docker has written the registry's password into the temporary folder, and pushes."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*login*) cat > "$2/config.json" ;;\n'
        "*push*) echo pushing >&2; exec sleep 60 ;;\n"
        "*Architecture*) echo linux/amd64 ;;\n"
        "*image*) echo sha256:0123456789abcdef ;;\n"
        "esac\n"
    )
    docker.chmod(0o755)
    folder = tmp_path / "temporary"
    folder.mkdir()
    path = f"{tmp_path}:{account.environ()['PATH']}"
    process = account.start("push", "--image", "local:1", PATH=path, TMPDIR=str(folder))
    lines = []
    while not any("pushing" in line for line in lines):
        lines.append(process.stderr.readline().decode())
        assert process.poll() is None, lines
    assert list(folder.rglob("config.json"))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert list(folder.iterdir()) == []
    assert "forest push: interrupted" in err.decode()
