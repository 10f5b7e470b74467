"""forest fit: options -> requests, whole requests asserted."""

from dataclasses import replace

import pytest

from aws.options import CSV, FIT, NOTHING, SHARED
from mlserver_forest.aws.fit import plan as fit
from mlserver_forest.aws.storage import Storage


def fit_plan(options):
    return fit.plan(options, fit.find_training_job(options, NOTHING, again=False), NOTHING)


def test_a_job_has_its_data_machines_and_digest():
    upload, job = fit_plan(FIT)
    assert upload.action.file == "/tmp/a.csv"
    prefix = f"p/data/train/{upload.action.call.request['Key'].split('/')[3]}"
    assert upload.action.call.request == {
        "Bucket": "my-bucket",
        "Key": f"{prefix}/a.csv",
        "Metadata": {"sha256": "ab" * 32},
    }
    request = dict(job.action.request)
    name = request.pop("TrainingJobName")
    assert name == f"xgboost-{request['Tags'][1]['Value']}"
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}
    train, test = f"s3://my-bucket/{prefix}/", "s3://other/test"
    assert request == {
        "AlgorithmSpecification": {
            "TrainingImage": "image@sha256:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:rmse", "Regex": "rmse=(.*)"}],
        },
        "RoleArn": SHARED.role,
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": source | {"S3Uri": train}}},
            {"ChannelName": "test", "DataSource": {"S3DataSource": source | {"S3Uri": test}}},
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://my-bucket/p/jobs"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "HyperParameters": {"algorithm": "xgboost", "n_estimators": "10"},
        "Tags": [
            {"Key": "mlserver-forest:created-by", "Value": "mlserver-forest"},
            {"Key": "mlserver-forest:request", "Value": name.rpartition("-")[2]},
        ],
    }


def test_spot_has_checkpoints_and_waits_twice_as_long():
    machines = fit.Machines(spot=True, max_run=100)
    request = fit.job_request(replace(FIT, machines=machines))
    digest = request["Tags"][1]["Value"]
    assert request["EnableManagedSpotTraining"] is True
    assert request["CheckpointConfig"] == {"S3Uri": f"s3://my-bucket/p/checkpoints/{digest}"}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200}


def test_the_next_attempt_goes_on_from_the_same_checkpoints():
    first = replace(FIT, machines=fit.Machines(spot=True))
    one, two = (fit.job_request(first, end) for end in ("", "-2"))
    assert two["TrainingJobName"] == one["TrainingJobName"] + "-2"
    assert two["CheckpointConfig"] == one["CheckpointConfig"]


@pytest.mark.parametrize(
    "other",
    [
        replace(FIT, hyperparameters=(("algorithm", "xgboost"),)),
        replace(FIT, infrastructure=replace(SHARED, image="image@sha256:2")),
        replace(FIT, inputs=(fit.Input("train", files=(replace(CSV, sha256="cd" * 32),)),)),
    ],
)
def test_other_options_data_or_images_make_another_job(other):
    assert fit.job_request(other)["TrainingJobName"] != fit.job_request(FIT)["TrainingJobName"]


def test_the_default_bucket_is_made_where_it_is_missing():
    own = Storage("eu-west-1", "sagemaker-eu-west-1-1")
    step = fit_plan(replace(FIT, storage=own))[0]
    assert step.action.request == {
        "Bucket": "sagemaker-eu-west-1-1",
        "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
    }
    step = fit_plan(replace(FIT, storage=replace(own, region="us-east-1")))[0]
    assert step.action.request == {"Bucket": "sagemaker-eu-west-1-1"}


def test_traffic_between_the_instances_is_encrypted_on_request():
    """In jobs, and in the jobs of a tuning job, which have the same definition."""
    member = "EnableInterContainerTrafficEncryption"
    assert member not in fit.definition(FIT)
    assert fit.definition(replace(FIT, encrypt_between_hosts=True))[member] is True


@pytest.mark.parametrize(
    ("instance_type", "is_local"),
    [
        *((f"ml.{one}", False) for one in ("m5.large", "c5n.xlarge", "m6i.large", "r7g.large")),
        *((f"ml.{one}", False) for one in ("t3.medium", "p2.xlarge", "p3.2xlarge", "inf2.xlarge")),
        *((f"ml.{one}", True) for one in ("m5d.large", "c5d.xlarge", "r6gd.large", "m6id.large")),
        *(
            (f"ml.{one}", True)
            for one in ("g4dn.xlarge", "g5.xlarge", "p4d.24xlarge", "p3dn.24xlarge")
        ),
    ],
)
def test_local_disks_take_no_key(instance_type, is_local):
    """AWS refuses one; the model and the answers are encrypted with it all the same."""
    machines = fit.Machines(instance_type=instance_type)
    shared = replace(SHARED, kms_key="alias/mine")
    request = fit.job_request(replace(FIT, machines=machines, infrastructure=shared))
    assert ("VolumeKmsKeyId" in request["ResourceConfig"]) == (not is_local)
    assert request["OutputDataConfig"]["KmsKeyId"] == "alias/mine"
    assert len(shared.notes(instance_type)) == is_local
