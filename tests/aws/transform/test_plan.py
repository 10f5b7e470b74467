"""forest transform: options -> requests, whole requests asserted."""

import pytest

from aws.options import NOTHING, SHARED, STORAGE
from mlserver_forest.aws.fit.plan import Input
from mlserver_forest.aws.transform import plan as transform
from mlserver_forest.errors import DeploymentError


def test_a_batch_joins_its_answers_to_the_input():
    wanted = transform.Transform(
        STORAGE,
        SHARED,
        transform.Batch(join=True, input_filter="$[1:]"),
        Input("transform", uri="s3://b/rows"),
        model="my-model",
        name="job",
    )
    job = transform.find_transform_job(wanted, NOTHING, again=False)
    (step,) = transform.plan(wanted, job, NOTHING)
    request = dict(step.action.request)
    del request["Tags"]
    assert request == {
        "TransformJobName": "job",
        "ModelName": "my-model",
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/rows"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": "s3://my-bucket/p/transforms/job",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input"},
    }


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (
            transform.Batch(join=True, accept="application/json"),
            "need input and output of the same media type",
        ),
        (transform.Batch(payload_mb=60, concurrency=2), "60 times --concurrency 2 is over 100"),
    ],
)
def test_a_batch_that_sagemaker_refuses_is_refused_first(batch, said):
    with pytest.raises(DeploymentError, match=said):
        transform.check_batch(batch)


@pytest.mark.parametrize("output", ["s3://b/rows", "s3://b/rows/answers/", "s3://b/rows-of-june"])
def test_answers_are_not_put_where_the_next_job_reads_rows(output):
    with pytest.raises(DeploymentError, match="would read these answers as rows"):
        transform.check_output(Input("transform", uri="s3://b/rows"), output)
    transform.check_output(Input("transform", uri="s3://b/rows/"), "s3://b/rows-of-june")
