"""forest invoke, transform, tune, logs and stop: AWS's stand-in, the real serve behind it."""

import json
import signal

import pytest

from deployment.account import BUCKET
from deployment.test_fit import FIT, RUNNING, name_of, write_log
from support import IRIS, PAYLOAD


@pytest.fixture
def endpoint(account, iris_server):
    """A live endpoint: what it is asked, the real serve answers."""
    account.stand_in.serve = iris_server.url
    done = account.forest("deploy", "s3://m/model.tar.gz", "--role", "forest", "--poll", "0.1")
    assert done.code == 0, done.err
    return account


@pytest.fixture
def answers(iris_server):
    """What serve says to the payload, as CSV."""
    import httpx

    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    return httpx.post(
        f"{iris_server.url}/invocations", content=PAYLOAD.read_bytes(), headers=headers
    )


def test_invoke_prints_the_answer_as_it_comes(endpoint, answers):
    done = endpoint.forest("invoke", "forest", PAYLOAD, "--accept", "text/csv")
    assert done.code == 0, done.err
    assert done.out == answers.text


def test_invoke_reads_any_media_type_and_writes_a_file(endpoint, tmp_path):
    question = tmp_path / "rows.json"
    question.write_text(json.dumps([[5.1, 3.5, 1.4, 0.2]]))
    out = tmp_path / "answer.json"
    words = ("--accept", "application/json", "--out", out)
    done = endpoint.forest("invoke", "forest", question, *words)
    assert (done.code, done.out) == (0, ""), done.err
    assert "setosa" in out.read_text()


def test_what_the_container_refused_is_said(endpoint, tmp_path):
    question = tmp_path / "rows.csv"
    question.write_text("1,2\n")
    done = endpoint.forest("invoke", "forest", question)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("forest invoke: sagemaker-runtime InvokeEndpoint of forest was refused")
    assert "row 1 has 2 values; the model expects 4" in line


def test_invoke_async_waits_for_the_answer_in_s3(endpoint, answers):
    done = endpoint.forest(
        *("invoke", "forest", PAYLOAD, "--accept", "text/csv", "--async", "--poll", "0.1")
    )
    assert done.code == 0, done.err
    assert done.out == answers.text
    assert f"the answer will be in s3://{BUCKET}/mlserver-forest/data/invoke/" in done.err


def test_invoke_async_tells_the_containers_failure(endpoint, tmp_path):
    question = tmp_path / "rows.csv"
    question.write_text("1,2\n")
    done = endpoint.forest("invoke", "forest", question, "--async", "--poll", "0.1")
    assert done.code == 1
    assert "the endpoint could not answer: " in done.err
    assert "the model expects 4" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["rows"], "what is in it cannot be told from 'its name'; give --content-type"),
        (["s3://b/rows.csv"], "an S3 URI is for --async alone"),
        ([PAYLOAD, "--async", "--target-model", "a"], "are not for --async; leave them out"),
    ],
)
def test_a_question_that_cannot_be(account, words, said):
    done = account.forest("invoke", "forest", *words)
    assert done.code == 1
    assert said in done.err.splitlines()[-1]


def test_transform_answers_a_file_and_downloads_it(account, iris_server, answers, tmp_path):
    """The model is made and goes again, the rows are uploaded, answered by serve and fetched."""
    account.stand_in.serve = iris_server.url
    words = ("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", "--poll", "0.1")
    done = account.forest(*words, "--download", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.json["Output"].startswith(f"s3://{BUCKET}/mlserver-forest/transforms/transform-")
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "payload.csv.out"
    assert path.read_text() == answers.text
    again = account.forest(*words, "--json").json
    assert again["TransformJobName"] == done.json["TransformJobName"]
    assert account.stand_in.count("CreateTransformJob") == 1
    assert account.client("sagemaker").list_models()["Models"] == []


def test_a_cut_download_leaves_no_half_file(account, iris_server, tmp_path):
    account.stand_in.serve = iris_server.url
    words = ("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", "--poll", "0.1")
    account.stand_in.fail(r"GET .*payload.csv.out", times=9, cut_after=0)
    done = account.forest(*words, "--download", tmp_path / "out")
    assert done.code == 1
    assert "run the same command again" in done.err
    assert list((tmp_path / "out").iterdir()) == []
    account.stand_in.faults.clear()
    assert account.forest(*words, "--download", tmp_path / "out").code == 0


def test_transform_by_a_model_that_is_there(account, iris_server):
    account.stand_in.serve = iris_server.url
    first = account.forest(
        *("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", "--json", "--no-wait")
    )
    assert first.code == 0, first.err
    (model,) = account.client("sagemaker").list_models()["Models"]
    done = account.forest(
        *("transform", model["ModelName"], PAYLOAD, "--role", "forest", "--poll", "0.1", "--json")
    )
    assert done.code == 0, done.err
    (kept,) = account.client("sagemaker").list_models()["Models"]
    assert kept["ModelName"] == model["ModelName"]
    done = account.forest("delete", model["ModelName"], "--yes")
    assert done.out == "left: the model in s3://m/model.tar.gz\n"


def test_a_failed_transform_says_why(account):
    failed = {"TransformJobStatus": "Failed", "FailureReason": "ClientError: See job logs"}
    account.stand_in.states["DescribeTransformJob"] = [failed]
    done = account.forest(
        *("transform", "s3://m/model.tar.gz", "s3://b/rows", "--role", "forest", "--poll", "0.1")
    )
    assert done.code == 1
    assert "Failed: ClientError: See job logs" in done.err


TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "--role", "forest", "--poll", "0.1")


def test_tune_follows_to_the_best_job(account):
    running = {"HyperParameterTuningJobStatus": "InProgress"}
    best = {
        "BestTrainingJob": {
            "TrainingJobName": "best-1",
            "TunedHyperParameters": {"max_depth": "7"},
            "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/best-1",
            "CreationTime": 1,
            "TrainingJobStatus": "Completed",
            "FinalHyperParameterTuningJobObjectiveMetric": {
                "MetricName": "validation:log_loss",
                "Value": 0.125,
            },
        }
    }
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [running, running, best]
    done = account.forest(*TUNE, "-r", "max_depth=3:12")
    assert done.code == 0, done.err
    assert done.out == "best job: best-1 -p max_depth=7\nvalidation:log_loss=0.125\n"
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [{}, best]
    assert account.forest(*TUNE, "-r", "max_depth=3:12").code == 0
    assert account.stand_in.count("CreateHyperParameterTuningJob") == 1


def test_the_ends_of_ranges_are_checked_before_anything_is_asked(account):
    done = account.forest(*TUNE, "-r", "n_estimators=0:500")
    assert done.code == 1
    assert "n_estimators" in done.err
    assert account.stand_in.seen == []


def test_logs_of_a_job(account):
    name = name_of(account)
    group = "/aws/sagemaker/TrainingJobs"
    write_log(account, group, f"{name}/algo-1-1", "one", "two", "three")
    assert account.forest("logs", name).out == "one\ntwo\nthree\n"
    assert account.forest("logs", name, "--lines", "1").out == "three\n"
    account.stand_in.states["DescribeTrainingJob"] = list(RUNNING)
    assert account.forest("logs", name, "--follow", "--poll", "0.1").out == "one\ntwo\nthree\n"


def test_ctrl_c_ends_the_following_and_not_the_job(account):
    name = name_of(account)
    write_log(account, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-1", "one")
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:] * 100
    process = account.start("logs", name, "--follow", "--poll", "0.1")
    assert process.stdout.readline() == b"one\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"interrupted; training job {name} goes on without this command" in err.decode()


def test_stop(account):
    """A running job is stopped; one that is done is left."""
    name = name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    done = account.forest("stop", name, "--yes")
    assert done.out == f"training job {name} is stopping\n"
    done = account.forest("stop", name, "--yes")
    assert done.out == f"training job {name} is Stopped already\n"


def test_status_of_a_job(account):
    name = name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    status = account.forest("status", name, "--json").json
    assert status["status"] == "InProgress, Training"
    assert status["cost"].startswith("1 x ml.m5.xlarge: about 0.23 USD per hour")
    assert account.forest("status", name, "--json").json["cost"] == "nothing any more"


def test_from_a_csv_to_an_endpoint_a_batch_and_a_clean_account(account, iris_server, tmp_path):
    """The README's way, each command by its output alone; only the training is not real."""
    account.stand_in.serve = iris_server.url
    job = account.forest(*FIT, "--json").json["TrainingJobName"]
    role = ("--role", "forest", "--poll", "0.1", "--yes")
    assert account.forest("deploy", job, "--name", "iris", *role).code == 0
    assert "setosa" in account.forest("invoke", "iris", PAYLOAD).out
    done = account.forest("transform", job, PAYLOAD, *role, "--download", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    assert account.forest("delete", "iris", "--yes", "--poll", "0.1").code == 0
    left = account.forest("list", "--json").json["found"]
    assert {one["kind"] for one in left} == {"training job", "transform job"}
    assert {one["cost"] for one in left} == {"nothing any more"}


def test_an_answer_cut_in_the_middle_is_an_error(endpoint):
    """Not half an answer."""
    endpoint.stand_in.fail("invocations", cut_answer=9)
    done = endpoint.forest("invoke", "forest", PAYLOAD)
    assert (done.code, done.out) == (1, "")
    assert "run the same command again" in done.err.splitlines()[-1]


def test_an_answer_that_cannot_be_written_is_an_error(endpoint, tmp_path):
    done = endpoint.forest("invoke", "forest", PAYLOAD, "--out", tmp_path / "no" / "folder")
    assert done.code == 1
    assert "No such file or directory" in done.err
