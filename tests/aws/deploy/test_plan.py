"""forest deploy: options and what exists -> requests, whole requests asserted."""

from dataclasses import replace

from aws.options import NOTHING, SHARED, STORAGE, SaidAccount, requests_of
from mlserver_forest.aws.deploy import plan as deploy
from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.present_endpoint import find_present
from mlserver_forest.aws.scaling import Autoscaling

DEPLOY = deploy.Deploy(STORAGE, SHARED, "iris", ModelData("s3://my-bucket/model.tar.gz"))
TAGS = [
    {"Key": "mlserver-forest:created-by", "Value": "mlserver-forest"},
    {"Key": "mlserver-forest:endpoint", "Value": "iris"},
]


OLD_VARIANT = {
    "VariantName": "AllTraffic",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1.0,
}


def update_of(options):
    """UpdateEndpoint's request where the endpoint is there with another configuration."""
    endpoint = {
        "EndpointName": "iris",
        "EndpointArn": "arn",
        "EndpointConfigName": "before",
        "EndpointStatus": "InService",
    }
    there = Existing(
        SaidAccount(
            DescribeEndpoint=endpoint,
            DescribeEndpointConfig={"ProductionVariants": [{**OLD_VARIANT, "ModelName": "m"}]},
            DescribeModel={
                "ModelArn": "m",
                "PrimaryContainer": {"Image": "old"},
                "ExecutionRoleArn": SHARED.role,
            },
            DescribeScalableTargets={"ScalableTargets": []},
        )
    )
    plan = deploy.plan(replace(options, present=find_present(there, "iris")), there)
    requests = requests_of(plan)
    assert requests["AddTags"] == {
        "ResourceArn": "arn",
        "Tags": [{"Key": "mlserver-forest:previous", "Value": "before"}],
    }
    assert "CreateEndpoint" not in requests
    return requests["UpdateEndpoint"]


def test_an_endpoint_has_a_model_and_a_configuration():
    requests = requests_of(deploy.plan(DEPLOY, NOTHING))
    model, configuration = requests["CreateModel"], requests["CreateEndpointConfig"]
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
    assert update_of(DEPLOY) == {
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


def test_a_serverless_endpoint_has_no_instances():
    wanted = replace(DEPLOY, serverless=Serverless(4096, 7, 2))
    requests = requests_of(deploy.plan(wanted, NOTHING))
    (variant,) = requests["CreateEndpointConfig"]["ProductionVariants"]
    assert variant == {
        "VariantName": "AllTraffic",
        "ModelName": requests["CreateModel"]["ModelName"],
        "InitialVariantWeight": 1.0,
        "ServerlessConfig": {
            "MemorySizeInMB": 4096,
            "MaxConcurrency": 7,
            "ProvisionedConcurrency": 2,
        },
    }


def test_an_asynchronous_endpoint_scales_to_nothing_by_its_queue():
    wanted = replace(
        DEPLOY, asynchronous=Async("s3://b/out", "s3://b/bad", 4), autoscaling=Autoscaling(0, 3, 5)
    )
    requests = requests_of(deploy.plan(wanted, NOTHING, poll=1))
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
    policies = [
        step.action.request
        for step in deploy.plan(wanted, NOTHING, poll=1)
        if getattr(step.action, "operation", "") == "PutScalingPolicy"
    ]
    assert policies == [
        {
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
        },
        {
            **target,
            "PolicyName": "iris-AllTraffic-HasBacklogWithoutCapacity",
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": 300,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        },
    ]
    alarm = requests["PutMetricAlarm"]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("HasBacklogWithoutCapacity", 1)
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "iris"}]
    assert alarm["AlarmActions"] == ["<ARN of the scaling policy>"]


def test_an_update_is_captured_and_guarded_by_a_canary_and_an_alarm():
    wanted = replace(
        DEPLOY,
        capture=Capture("s3://b/captured", 20),
        traffic=Traffic("canary", 20, 300, ("errors",)),
        variant=Variant("ml.c5.xlarge", 2),
        autoscaling=Autoscaling(1, 4, 750.0),
    )
    requests = requests_of(deploy.plan(wanted, NOTHING))
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
    update = update_of(wanted)
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


def test_many_models_are_served_from_a_prefix():
    request = requests_of(deploy.plan(replace(DEPLOY, multi_model=True), NOTHING))["CreateModel"]
    assert request["PrimaryContainer"] == {
        "Image": "image@sha256:1",
        "ModelDataUrl": "s3://my-bucket/model.tar.gz",
        "Mode": "MultiModel",
        "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
    }
