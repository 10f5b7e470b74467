"""forest fit against AWS's stand-in."""

import json

import pytest

from aws.account import (
    BUCKET,
    FIT,
    IMAGE,
    ROLE,
    RUNNING,
    name_of,
    write_log,
)
from support import IRIS


def test_a_csv_becomes_a_training_job(account):
    """The image by the digest that was pushed last, the role by its name, the data in S3."""
    done = account.forest(*FIT, "--json")
    assert done.code == 0, done.err
    name = done.json["TrainingJobName"]
    job = account.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["AlgorithmSpecification"]["TrainingImage"] == f"{IMAGE}@{account.digest}"
    assert job["RoleArn"] == ROLE
    assert job["HyperParameters"] == {"algorithm": "random_forest"}
    assert done.json["Model"] == f"s3://{BUCKET}/mlserver-forest/jobs/{name}/output/model.tar.gz"
    (channel,) = job["InputDataConfig"]
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert uri.startswith(f"s3://{BUCKET}/mlserver-forest/data/train/")
    key = uri.removeprefix(f"s3://{BUCKET}/") + "iris.csv"
    body = account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert body == IRIS.read_bytes()


def test_a_second_run_finds_what_the_first_made(account):
    first = account.forest(*FIT, "--json").json
    done = account.forest(*FIT, "--json")
    assert done.json == first
    assert f"found training job {first['TrainingJobName']}" in done.err
    assert account.stand_in.count("CreateTrainingJob") == 1
    assert account.stand_in.count("PUT /") == 2  # The bucket and the object, once.


def test_again_creates_another_job(account):
    first = account.forest(*FIT, "--json").json["TrainingJobName"]
    done = account.forest(*FIT, "--again", "--json")
    assert done.json["TrainingJobName"] == f"{first}-2"


def test_a_failed_job_is_run_again_under_a_new_name(account):
    first = account.forest(*FIT, "--json").json["TrainingJobName"]
    account.stand_in.states["DescribeTrainingJob"] = [{"TrainingJobStatus": "Failed"}]
    assert account.forest(*FIT, "--json").json["TrainingJobName"] == f"{first}-2"


def test_a_job_is_followed_to_its_end_with_states_log_lines_and_metrics(account):
    """States once each, log lines as they come, metrics, and the model at the end."""
    name = name_of(account)
    write_log(account, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-1", "tree 1", "tree 2")
    account.stand_in.states["DescribeTrainingJob"] = [{}, *RUNNING]
    done = account.forest(*FIT)
    assert done.code == 0, done.err
    told = done.err.split(f"found training job {name}\n")[1].splitlines()
    assert told == [
        f"training job {name}: InProgress, Starting",
        "tree 1",
        "tree 2",
        "metric train:progress=100",
        f"training job {name}: InProgress, Downloading",
        f"training job {name}: InProgress, Training",
        f"training job {name}: Completed",
    ]


def test_a_failed_job_says_why_with_its_last_lines(account):
    name = name_of(account)
    write_log(account, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-1", "reading", "train: bad")
    reason = "AlgorithmError: ClientError: train.csv, line 7: 'x' is not a number, " + "long " * 50
    failed = {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed", "FailureReason": reason}
    account.stand_in.states["DescribeTrainingJob"] = [{}, *RUNNING, failed]
    done = account.forest(*FIT)
    assert done.code == 1
    assert f"forest fit: training job {name}: Failed: {reason}" in done.err
    assert done.err.endswith("the last log lines:\n  reading\n  train: bad\n")


def test_a_wait_outlives_a_cut_connection(account):
    name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = [{}, *RUNNING]
    account.stand_in.fail("DescribeLogStreams", times=3, cut_after=0)
    done = account.forest(*FIT)
    assert done.code == 0, done.err
    assert "no log lines: logs DescribeLogStreams: Connection was closed" in done.err
    assert "Completed" in done.err


def test_a_job_whose_log_may_not_be_read_is_followed_all_the_same(account):
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("DescribeLogStreams", times=99, **denied)
    done = account.forest(*FIT)
    assert done.code == 0, done.err
    assert "ask for the permission logs:DescribeLogStreams on /aws/sagemaker" in done.err


def test_hyperparameters_are_checked_before_anything_is_asked(account):
    """All faults at once; no request is made."""
    done = account.forest(*FIT, "-p", "n_estimators=-1", "-p", "max_dept=3")
    assert done.code == 1
    assert "forest fit: 2 invalid hyperparameters: " in done.err
    assert account.stand_in.seen == []


def test_a_metric_that_is_no_number_is_valid_json(account):
    """CloudWatch has NaN, JSON does not."""
    metrics = [{"MetricName": "validation:auc", "Value": "NaN", "Timestamp": 1}]
    account.stand_in.members["DescribeTrainingJob"] = {"FinalMetricDataList": metrics}
    done = account.forest(*FIT, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out, parse_constant=pytest.fail)["Metrics"] == {"validation:auc": None}
    assert "validation:auc=nan" in account.forest("status", done.json["TrainingJobName"]).out


def test_a_taken_name_is_another_jobs(account):
    assert account.forest(*FIT, "--name", "mine").code == 0
    done = account.forest(*FIT, "--name", "mine", "-p", "n_estimators=7")
    assert done.code == 1
    assert "the name is taken: training job mine was created with other options" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "--role", "r"], "there are no data to train on"),
        (["fit", "nowhere.csv", "--role", "r"], "nowhere.csv does not exist"),
        (["fit", "s3://a/b", "x.csv", "--role", "r"], "expected one S3 URI"),
        (["fit", IRIS, "--role", "r", "--max-wait", "9"], "--max-wait requires spot instances"),
        (["fit", IRIS, "--role", "r", "--subnet", "s"], "needs both --subnet and --security-group"),
        (["fit", IRIS, "--role", "nobody"], "iam GetRole of nobody was refused"),
        (["fit", IRIS, "--role", "forest", "--repository", "none"], "run forest push"),
        (
            ["fit", IRIS, "--role", "forest", "--name", "a b"],
            "'a b' is not a name that SageMaker accepts",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(account, words, said):
    if words[0] == "fit" and "random" not in str(words):
        words = [*words, "-p", "algorithm=random_forest"]
    done = account.forest(*words)
    assert done.code == 1
    assert said in done.err.splitlines()[-1]
