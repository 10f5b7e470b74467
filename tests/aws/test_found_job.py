"""A job that is found is the one that is meant: the same options on what the data in S3 are now."""

import pytest

from aws.account import FIT
from support import IRIS, PAYLOAD

ROLE = ("--role", "forest", "--poll", "0.1")
FROM_S3 = ("fit", "s3://data/in", "-p", "algorithm=random_forest", *ROLE)
TUNE = ("tune", "s3://data/in", "-p", "algorithm=random_forest", "-r", "max_depth=3:12", *ROLE)
TRANSFORM = ("transform", "s3://data/model.tar.gz", "s3://data/in/", *ROLE)
NAMES = {
    "fit": "TrainingJobName",
    "tune": "HyperParameterTuningJobName",
    "transform": "TransformJobName",
}


@pytest.fixture(params=["unversioned", "versioned"])
def put(account, request):
    """A bucket with data and a model; the function replaces an object."""
    s3 = account.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="data", CreateBucketConfiguration=where)
    if request.param == "versioned":
        enabled = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket="data", VersioningConfiguration=enabled)

    def put(key, body):
        s3.put_object(Bucket="data", Key=key, Body=body)

    put("in/rows.csv", PAYLOAD.read_bytes())
    put("model.tar.gz", b"one")
    yield put
    s3.close()


def run(account, *words):
    """The job's name, and what is said on the way."""
    done = account.forest(*words, "--json")
    assert done.code == 0, done.err
    return done.json[NAMES[words[0]]], done.err


@pytest.mark.parametrize("words", [FROM_S3, TUNE, TRANSFORM], ids=lambda words: words[0])
def test_data_that_were_replaced_make_a_new_job(account, put, words):
    first, _ = run(account, *words)
    again, said = run(account, *words)
    assert again == first
    assert f" job {first}" in said
    put("in/rows.csv", b"1,2,3,4\n")
    second, _ = run(account, *words)
    assert second != first
    put("in/more.csv", b"1,2,3,4\n")
    third, _ = run(account, *words)
    assert third not in {first, second}
    planned = account.forest(*words, "--dry-run").json["calls"]
    assert not any(call["operation"].startswith("Create") for call in planned)


def test_a_name_of_the_users_gets_a_digest_when_the_data_were_replaced(account, put):
    """A nightly batch: the same command and name, other rows each night; answers stay apart."""
    nightly = (*TRANSFORM, "--name", "nightly")
    assert run(account, *nightly)[0] == "nightly"
    put("in/rows.csv", b"1,2,3,4\n")
    second, said = run(account, *nightly)
    assert second.startswith("nightly-")
    assert "transform job nightly read other data from S3 than there are now" in said
    assert run(account, *nightly)[0] == second
    assert run(account, *nightly, "--again")[0] == f"{second}-2"
    put("in/rows.csv", PAYLOAD.read_bytes())
    assert run(account, *nightly)[0] == "nightly"
    done = account.forest(*nightly, "--accept", "application/json")
    assert done.code == 1
    assert "the name is taken: transform job nightly was created with other options" in done.err


def test_a_model_that_was_replaced_answers_anew(account, put, sagemaker):
    """By its URI, and by the name of a model in SageMaker that was made from it."""
    first, _ = run(account, *TRANSFORM)
    container = {"Image": "i", "ModelDataUrl": "s3://data/model.tar.gz"}
    sagemaker.create_model(
        ModelName="mine", PrimaryContainer=container, ExecutionRoleArn="arn:aws:iam::1:role/r"
    )
    mine = ("transform", "mine", *TRANSFORM[2:])
    by_name, _ = run(account, *mine)
    put("model.tar.gz", b"two")
    assert run(account, *TRANSFORM)[0] != first
    assert run(account, *mine)[0] != by_name
    assert run(account, *mine)[0] == run(account, *mine)[0]


@pytest.mark.parametrize(
    "other",
    [
        ("--accept", "application/json"),
        ("--output", "s3://data/elsewhere"),
        ("--assemble", "None"),
        (
            "--kms-key",
            "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
        ),
    ],
    ids=lambda words: words[0],
)
def test_other_answers_are_another_batch(account, other):
    first, _ = run(account, *TRANSFORM)
    assert run(account, *TRANSFORM, *other)[0] != first


def test_each_batch_has_a_model_of_its_own(account, sagemaker):
    """One that waits deletes its model at the end; another batch still needs its own."""
    run(account, *TRANSFORM, "--no-wait")
    run(account, "transform", TRANSFORM[1], PAYLOAD, *ROLE, "--no-wait")
    assert len(sagemaker.list_models()["Models"]) == 2
    run(account, *TRANSFORM)
    (left,) = sagemaker.list_models()["Models"]
    jobs = sagemaker.list_transform_jobs()["TransformJobSummaries"]
    models = [
        sagemaker.describe_transform_job(TransformJobName=one["TransformJobName"])["ModelName"]
        for one in jobs
    ]
    assert sorted(models) != [left["ModelName"]] * 2
    assert left["ModelName"] in models


def test_a_tag_of_the_users_stands_in_for_none_of_the_tools(account, sagemaker):
    """A company's created-by stays beside the tool's own; the tool's cannot be given."""
    done = account.forest(*FIT, "--name", "mine", "--tag", "mlserver-forest:request=x")
    assert done.code == 1
    assert "keys that begin with mlserver-forest: are this tool's own" in done.err
    assert account.stand_in.count("Create") == account.stand_in.count("PUT") == 0
    run(account, *FIT, "--name", "mine", "--tag", "created-by=alice")
    job = sagemaker.describe_training_job(TrainingJobName="mine")
    tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "created-by", "Value": "alice"} in tags
    assert [one["name"] for one in account.forest("list", "--json").json["found"]] == ["mine"]
    done = account.forest(*FIT, "--name", "mine", "-p", "n_estimators=7")
    assert "the name is taken: training job mine was created with other options" in done.err


def test_what_the_former_tag_names_is_still_this_tools(account, sagemaker):
    sagemaker.create_model(
        ModelName="old",
        PrimaryContainer={"Image": "i"},
        ExecutionRoleArn="arn:aws:iam::1:role/r",
        Tags=[{"Key": "created-by", "Value": "mlserver-forest"}],
    )
    assert [one["name"] for one in account.forest("list", "--json").json["found"]] == ["old"]
    assert account.forest("delete", "old", "--yes").code == 0


def test_checkpoints_of_other_data_are_not_resumed(account, put, sagemaker):
    def checkpoints():
        name, _ = run(account, *FROM_S3, "--spot")
        found = sagemaker.describe_training_job(TrainingJobName=name)
        return found["CheckpointConfig"]["S3Uri"]

    first = checkpoints()
    put("in/rows.csv", b"1,2,3,4\n")
    assert checkpoints() != first


def test_a_dry_run_that_knows_nothing_shows_placeholders_for_names(account):
    """Names that look real would be taken for those that the run creates."""
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for words in (FROM_S3, TUNE, TRANSFORM, FIT):
        calls = account.forest(*words, "--dry-run", **nobody).json["calls"]
        for call in calls:
            if call["operation"].startswith("Create") and "Bucket" not in call["request"]:
                name = call["request"].get(f"{call['operation'].removeprefix('Create')}Name")
                assert name.endswith("-<digest>"), call
    chosen = account.forest("fit", IRIS, "--name", "mine", *ROLE, "--dry-run", **nobody)
    assert chosen.json["calls"][-3]["request"]["TrainingJobName"] == "mine"
