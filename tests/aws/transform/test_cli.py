"""forest transform against AWS's stand-in, with the real serve behind the job."""

from aws.account import BUCKET
from support import PAYLOAD


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
