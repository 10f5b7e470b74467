"""forest transform against AWS's stand-in, with the real serve behind the job."""

import pytest

from aws.account import BUCKET, IMAGE
from support import IRIS, PAYLOAD


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--no-wait", "--download", "x"], "--download needs the answers"),
        (["--join", "--accept", "application/json"], "the same media type"),
        (["--payload-mb", "60", "--concurrency", "2"], "60 times --concurrency 2 is over 100"),
        (["--name", "a b"], "'a b' is not a name that SageMaker accepts"),
    ],
)
def test_impossible_batches_are_refused_before_anything_is_asked(account, words, said):
    done = account.forest("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", *words)
    assert done.code == 1
    assert said in done.err
    assert account.stand_in.seen == []


def test_options_of_a_model_do_not_change_one_that_is_there(account, sagemaker):
    sagemaker.create_model(
        ModelName="mine", PrimaryContainer={"Image": "i"}, ExecutionRoleArn="arn:aws:iam::1:role/r"
    )
    done = account.forest(
        *("transform", "mine", PAYLOAD, "--role", "forest", "--network-isolation", "--image", "i")
    )
    assert done.code == 1
    assert "--image, --network-isolation: model mine is in SageMaker already" in done.err
    assert account.stand_in.count("PUT") == 0


def test_the_model_of_a_job_is_answered_by_the_jobs_image(account, sagemaker):
    """Another image was pushed since; --image chooses it."""
    data = ("-p", "algorithm=random_forest", "--role", "forest", "--no-wait")
    account.forest("fit", IRIS, *data, "--name", "j1", "--image", f"{IMAGE}@sha256:{'1' * 64}")
    words = ("transform", "j1", PAYLOAD, "--role", "forest", "--no-wait")
    for more, expected in (
        ([], f"{IMAGE}@sha256:{'1' * 64}"),
        (["--image", f"{IMAGE}:v1"], f"{IMAGE}@{account.digest}"),
    ):
        name = account.forest(*words, *more, "--json").json["TransformJobName"]
        job = sagemaker.describe_transform_job(TransformJobName=name)
        model = sagemaker.describe_model(ModelName=job["ModelName"])
        assert model["PrimaryContainer"]["Image"] == expected


@pytest.mark.parametrize("media_type", ["text/csv; header=present", 'text/csv;HEADER="present"'])
def test_a_header_that_only_one_request_has_is_warned_about(account, media_type):
    words = ("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", "--dry-run")
    warned = account.forest(*words, "--content-type", media_type)
    assert warned.code == 0
    assert "warning: --split Line cuts a file into several requests" in warned.err
    for more in (["--content-type", media_type, "--split", "None"], []):
        assert "warning" not in account.forest(*words, *more).err


def test_a_download_stays_in_its_folder(account, tmp_path):
    """Markers of folders are none of the answers, and no key leads elsewhere."""
    s3 = account.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="out", CreateBucketConfiguration=where)
    for key in ("a/", "a/1.out", "/abs.out", "../up.out", "b.out"):
        s3.put_object(Bucket="out", Key=f"x/{key}", Body=key.encode())
    words = ("transform", "s3://m/model.tar.gz", PAYLOAD, "--role", "forest", "--poll", "0.1")
    done = account.forest(*words, "--output", "s3://out/x", "--download", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    found = {
        path.relative_to(tmp_path / "o").as_posix(): path.read_text()
        for path in (tmp_path / "o").rglob("*")
        if path.is_file()
    }
    assert found == {"a/1.out": "a/1.out", "abs.out": "/abs.out", "b.out": "b.out"}
    assert len(done.json["Downloaded"]) == 3
    s3.close()
