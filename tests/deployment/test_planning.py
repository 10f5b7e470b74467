"""Options -> requests: whole requests, asserted."""

from dataclasses import replace

import pytest

from mlserver_forest.aws.deploy import plan as deploy
from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.fit import plan as fit
from mlserver_forest.aws.place import Place, Shared, name_from
from mlserver_forest.aws.push import plan as push
from mlserver_forest.aws.transform import plan as transform
from mlserver_forest.aws.tune import plan as tune
from mlserver_forest.aws.upload_plan import LocalFile
from mlserver_forest.errors import DeploymentError

PLACE = Place("eu-west-1", "my-bucket", is_own_bucket=False, prefix="p")
SHARED = Shared(role="arn:aws:iam::123456789012:role/r", image="image@sha256:1")
CSV = LocalFile("/tmp/a.csv", "a.csv", 4, "ab" * 32)
FIT = fit.Fit(
    place=PLACE,
    shared=SHARED,
    inputs=(fit.Input("train", files=(CSV,)), fit.Input("test", uri="s3://other/test")),
    hyperparameters=(("algorithm", "xgboost"), ("n_estimators", "10")),
    metrics=({"Name": "validation:rmse", "Regex": "rmse=(.*)"},),
)
DEPLOY = deploy.Deploy(PLACE, SHARED, "iris", deploy.Artifact("s3://my-bucket/model.tar.gz"))
TAGS = [
    {"Key": "created-by", "Value": "mlserver-forest"},
    {"Key": "mlserver-forest:endpoint", "Value": "iris"},
]


def requests_of(plan):
    return {step.call.operation: step.call.request for step in plan}


def test_fit():
    upload, job = fit.plan(FIT)
    assert upload.file == "/tmp/a.csv"
    prefix = f"p/data/train/{upload.call.request['Key'].split('/')[3]}"
    assert upload.call.request == {
        "Bucket": "my-bucket",
        "Key": f"{prefix}/a.csv",
        "Metadata": {"sha256": "ab" * 32},
    }
    request = dict(job.call.request)
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
            {"Key": "created-by", "Value": "mlserver-forest"},
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
    one, two = (fit.job_request(replace(first, attempt=n)) for n in (1, 2))
    assert two["TrainingJobName"] == one["TrainingJobName"] + "-2"
    assert two["CheckpointConfig"] == one["CheckpointConfig"]


@pytest.mark.parametrize(
    "other",
    [
        replace(FIT, hyperparameters=(("algorithm", "xgboost"),)),
        replace(FIT, shared=replace(SHARED, image="image@sha256:2")),
        replace(FIT, inputs=(fit.Input("train", files=(replace(CSV, sha256="cd" * 32),)),)),
    ],
)
def test_other_options_data_or_images_make_another_job(other):
    assert fit.job_request(other)["TrainingJobName"] != fit.job_request(FIT)["TrainingJobName"]


def test_the_default_bucket_is_made_where_it_is_missing():
    own = Place("eu-west-1", "sagemaker-eu-west-1-1")
    step = fit.plan(replace(FIT, place=own))[0]
    assert step.call.request == {
        "Bucket": "sagemaker-eu-west-1-1",
        "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
    }
    step = fit.plan(replace(FIT, place=replace(own, region="us-east-1")))[0]
    assert step.call.request == {"Bucket": "sagemaker-eu-west-1-1"}


def test_tune():
    ranges = tuple(
        tune.parse_range(text)
        for text in ("max_depth=3:12", "learning_rate=1e-3:0.5:log", "booster=gbtree,dart")
    )
    wanted = tune.Tune(FIT, ranges, "validation:rmse", max_jobs=9, max_parallel=3)
    request = tune.job_request(wanted)
    assert request["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 3, "MaxNumberOfTrainingJobs": 9},
        "ParameterRanges": {
            "IntegerParameterRanges": [
                {"Name": "max_depth", "MinValue": "3", "MaxValue": "12", "ScalingType": "Auto"}
            ],
            "ContinuousParameterRanges": [
                {
                    "Name": "learning_rate",
                    "MinValue": "1e-3",
                    "MaxValue": "0.5",
                    "ScalingType": "Logarithmic",
                }
            ],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
        },
        "TrainingJobEarlyStoppingType": "Auto",
    }
    definition = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"algorithm": "xgboost", "n_estimators": "10"}
    assert definition["AlgorithmSpecification"]["TrainingImage"] == "image@sha256:1"
    assert len(request["HyperParameterTuningJobName"]) <= 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_depth", "expected NAME=LOW:HIGH"),
        ("max_depth=12:3", "12 is not below 3"),
        ("max_depth=a:b", "expected two numbers"),
        ("max_depth=3:12:logarithmic", "perhaps one of log, linear, reverse-log"),
        ("max_depth=1.2.3:4", "expected two numbers"),
    ],
)
def test_a_range_that_is_none(text, said):
    with pytest.raises(DeploymentError, match=said):
        tune.parse_range(text)


def test_deploy():
    plan = deploy.plan(DEPLOY)
    requests = requests_of(plan)
    model, configuration = plan[0].call.request, plan[1].call.request
    assert requests["CreateModel"] == {
        "ModelName": model["ModelName"],
        "PrimaryContainer": {
            "Image": "image@sha256:1",
            "ModelDataUrl": "s3://my-bucket/model.tar.gz",
        },
        "ExecutionRoleArn": SHARED.role,
        "Tags": TAGS,
    }
    assert requests["CreateEndpointConfig"] == {
        "EndpointConfigName": configuration["EndpointConfigName"],
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": model["ModelName"],
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
            }
        ],
        "Tags": TAGS,
    }
    names = {
        "EndpointName": "iris",
        "EndpointConfigName": configuration["EndpointConfigName"],
    }
    assert requests["CreateEndpoint"] == {**names, "Tags": TAGS}
    assert plan[2].otherwise.request == {
        **names,
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "ALL_AT_ONCE",
                    "WaitIntervalInSeconds": 0,
                },
                "TerminationWaitInSeconds": 0,
            }
        },
    }


def test_deploy_serverless():
    wanted = replace(DEPLOY, serverless=Serverless(4096, 7, 2))
    plan = deploy.plan(wanted)
    (variant,) = requests_of(plan)["CreateEndpointConfig"]["ProductionVariants"]
    assert variant == {
        "VariantName": "AllTraffic",
        "ModelName": plan[0].call.request["ModelName"],
        "InitialVariantWeight": 1.0,
        "ServerlessConfig": {
            "MemorySizeInMB": 4096,
            "MaxConcurrency": 7,
            "ProvisionedConcurrency": 2,
        },
    }
    assert "DeploymentConfig" not in plan[2].otherwise.request


def test_deploy_async_with_a_queue_that_scales_to_nothing():
    wanted = replace(
        DEPLOY, asynchronous=Async("s3://b/out", "s3://b/bad", 4), autoscaling=(0, 3, 5)
    )
    requests = requests_of(deploy.plan(wanted))
    assert requests["CreateEndpointConfig"]["AsyncInferenceConfig"] == {
        "OutputConfig": {"S3OutputPath": "s3://b/out", "S3FailurePath": "s3://b/bad"},
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    }
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/iris/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    assert requests["RegisterScalableTarget"] == {**target, "MinCapacity": 0, "MaxCapacity": 3}
    assert requests["PutScalingPolicy"] == {
        **target,
        "PolicyName": "iris-AllTraffic",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 5,
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": "iris"}],
                "Statistic": "Average",
            },
        },
    }


def test_deploy_captured_with_a_canary_and_an_alarm():
    wanted = replace(
        DEPLOY,
        capture=Capture("s3://b/captured", 20),
        traffic=Traffic("canary", 20, 300, ("errors",)),
        variant=Variant("ml.c5.xlarge", 2),
        autoscaling=(1, 4, 750.0),
    )
    plan = deploy.plan(wanted)
    requests = requests_of(plan)
    assert requests["CreateEndpointConfig"]["DataCaptureConfig"] == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://b/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }
    update = plan[2].otherwise.request
    assert update["RetainAllVariantProperties"] is True
    assert update["DeploymentConfig"] == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 300,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
            },
            "TerminationWaitInSeconds": 300,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


def test_deploy_many_models():
    request = requests_of(deploy.plan(replace(DEPLOY, multi_model=True)))["CreateModel"]
    assert request["PrimaryContainer"] == {
        "Image": "image@sha256:1",
        "ModelDataUrl": "s3://my-bucket/model.tar.gz",
        "Mode": "MultiModel",
        "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"multi_model": True}, "a serverless endpoint has no --multi-model"),
        ({"capture": Capture("s3://b")}, "no --capture"),
        ({"autoscaling": (1, 2, 3.0)}, "no --autoscale"),
        ({"serverless": None, "autoscaling": (0, 2, 3.0)}, "0:N is for --async alone"),
    ],
)
def test_what_sagemaker_does_not_have(changes, said):
    with pytest.raises(DeploymentError, match=said):
        deploy.plan(replace(DEPLOY, **({"serverless": Serverless()} | changes)))


def test_transform():
    wanted = transform.Transform(
        PLACE,
        SHARED,
        transform.Batch(join=True, input_filter="$[1:]"),
        model="my-model",
        uri="s3://b/rows",
        name="job",
    )
    (step,) = transform.plan(wanted)
    request = dict(step.call.request)
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
            "need input and output of one kind",
        ),
        (transform.Batch(payload_mb=60, concurrency=2), "60 times --concurrency 2 is over 100"),
    ],
)
def test_a_batch_that_cannot_be(batch, said):
    wanted = transform.Transform(PLACE, SHARED, batch, model="m", uri="s3://b/rows")
    with pytest.raises(DeploymentError, match=said):
        transform.plan(wanted)


def test_push():
    repository, token = push.plan(push.Push("forest"))
    assert repository.call.request == {
        "repositoryName": "forest",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "tags": [{"Key": "created-by", "Value": "mlserver-forest"}],
    }
    assert token.call.operation == "GetAuthorizationToken"
    assert push.build_command(push.Push("forest", build_arguments=("BASE_IMAGE=b",))) == [
        *("docker", "build", "--build-arg", "BASE_IMAGE=b"),
        *("--file", "container/Dockerfile", "--tag", "forest:forest-push", "."),
    ]


def test_names_are_cut_so_that_the_digest_fits():
    assert name_from("a" * 90, "0123456789") == "a" * 52 + "-0123456789"
    assert name_from("ein Wald!", "0") == "ein-Wald-0"
