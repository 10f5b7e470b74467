"""The calls that each command makes, from which ``forest policy`` knows what a command needs.

A test records the calls of every command, and compares them with this table.
"""

from collections.abc import Mapping

_ROLE = ("iam:GetRole",)
_IMAGE = ("ecr:DescribeRepositories", "ecr:DescribeImages")
_BUCKET = ("sts:GetCallerIdentity", "s3:HeadBucket", "s3:CreateBucket")
_UPLOAD = (
    *("s3:HeadObject", "s3:PutObject", "s3:CreateMultipartUpload", "s3:UploadPart"),
    *("s3:CompleteMultipartUpload", "s3:ListMultipartUploads", "s3:ListParts"),
)
_LOG = ("logs:DescribeLogStreams", "logs:GetLogEvents")
# What several commands do in the same way: not each of them needs all of it each time.
SHARED_CALLS = frozenset((*_ROLE, *_IMAGE, *_BUCKET, *_UPLOAD, *_LOG))
_JOBS = ("TrainingJob", "HyperParameterTuningJob", "TransformJob")
_SHARED = (*_ROLE, *_IMAGE, *_BUCKET, *_UPLOAD)
_SCALING = "application-autoscaling"


def _describe(*kinds: str) -> tuple[str, ...]:
    return tuple(f"sagemaker:Describe{kind}" for kind in kinds)


# By the name of the command: botocore's names of services and operations.
COMMAND_CALLS: Mapping[str, tuple[str, ...]] = {
    "push": (
        *_IMAGE,
        *("ecr:CreateRepository", "ecr:GetAuthorizationToken"),
    ),
    "fit": (
        *(*_SHARED, *_LOG, *_describe("TrainingJob")),
        *("sagemaker:CreateTrainingJob", "sagemaker:ListTags"),
    ),
    "tune": (
        *(*_SHARED, *_describe("HyperParameterTuningJob")),
        *("sagemaker:CreateHyperParameterTuningJob", "sagemaker:ListTags"),
    ),
    "deploy": (
        *(*_SHARED, *_describe("Endpoint", "EndpointConfig", "Model", "TrainingJob")),
        *("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint"),
        *("sagemaker:UpdateEndpoint", "sagemaker:AddTags", "sagemaker:ListTags"),
        *(f"{_SCALING}:DescribeScalableTargets", f"{_SCALING}:RegisterScalableTarget"),
        *(f"{_SCALING}:DeregisterScalableTarget", f"{_SCALING}:PutScalingPolicy"),
        *(f"{_SCALING}:DescribeScalingPolicies", f"{_SCALING}:DeleteScalingPolicy"),
        *("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
        *("sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"),
        "sagemaker:DeleteEndpointConfig",
        *("sagemaker:DeleteModel", "s3:ListObjectsV2"),
    ),
    "register": (
        *(*_IMAGE, *_BUCKET, *_UPLOAD, "s3:GetObject", *_describe("TrainingJob")),
        *_describe("ModelPackageGroup", "ModelPackage"),
        *("sagemaker:ListModelPackages", "sagemaker:CreateModelPackageGroup"),
        "sagemaker:CreateModelPackage",
    ),
    **dict.fromkeys(
        ("approve", "reject"),
        (
            *("sts:GetCallerIdentity", "s3:HeadObject", "s3:GetObject"),
            *("sagemaker:ListModelPackages", *_describe("ModelPackage")),
            "sagemaker:UpdateModelPackage",
        ),
    ),
    "invoke": (
        *("sagemaker-runtime:InvokeEndpoint", "sagemaker-runtime:InvokeEndpointAsync"),
        *(*_BUCKET, *_UPLOAD, "s3:GetObject"),
    ),
    "transform": (
        *(*_SHARED, *_LOG, *_describe("TrainingJob", "TransformJob", "Model")),
        *("sagemaker:CreateModel", "sagemaker:CreateTransformJob", "sagemaker:DeleteModel"),
        *("sagemaker:ListTags", "s3:ListObjectsV2", "s3:GetObject"),
        *("sagemaker:ListModelPackages", "sagemaker:DescribeModelPackage"),
    ),
    "pipeline": (
        *(*_SHARED, *_describe("Pipeline", "PipelineExecution", "ModelPackageGroup")),
        *("sagemaker:CreatePipeline", "sagemaker:UpdatePipeline", "sagemaker:ListTags"),
        *("sagemaker:CreateModelPackageGroup", "sagemaker:StartPipelineExecution"),
        *("sagemaker:ListPipelineExecutionSteps", "sagemaker:AddTags"),
        *("scheduler:GetSchedule", "scheduler:CreateSchedule", "scheduler:UpdateSchedule"),
        "scheduler:DeleteSchedule",
    ),
    "cost": (
        *(f"sagemaker:List{one}s" for one in ("Endpoint", "EndpointConfig", "Model", *_JOBS)),
        *("sagemaker:ListTags", *_describe("Endpoint", "EndpointConfig", *_JOBS)),
        *("resourcegroupstaggingapi:GetResources", "cloudwatch:GetMetricStatistics"),
    ),
    "export": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *("sagemaker:ListTags", "cloudwatch:DescribeAlarms"),
        *(f"{_SCALING}:DescribeScalableTargets", f"{_SCALING}:DescribeScalingPolicies"),
    ),
    "status": (
        *_describe("Endpoint", "EndpointConfig", *_JOBS),
        *("sagemaker:ListTags", f"{_SCALING}:DescribeScalableTargets"),
        f"{_SCALING}:DescribeScalingPolicies",
    ),
    "logs": (*_describe("Endpoint", *_JOBS), *_LOG),
    "list": (
        *(f"sagemaker:List{one}s" for one in ("Endpoint", "EndpointConfig", "Model", *_JOBS)),
        *("sagemaker:ListTags", *_describe("Endpoint", "EndpointConfig", *_JOBS)),
        "resourcegroupstaggingapi:GetResources",
        *("sagemaker:ListModelPackageGroups", "sagemaker:ListModelPackages"),
        *(*_describe("ModelPackage"), "s3:GetObject"),
    ),
    "rollback": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *("sagemaker:UpdateEndpoint", "sagemaker:AddTags", "sagemaker:ListTags"),
        *(f"{_SCALING}:DescribeScalableTargets", f"{_SCALING}:RegisterScalableTarget"),
        *(f"{_SCALING}:DeregisterScalableTarget", f"{_SCALING}:PutScalingPolicy"),
        *(f"{_SCALING}:DescribeScalingPolicies", f"{_SCALING}:DeleteScalingPolicy"),
        "s3:HeadObject",
    ),
    "compare": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *("cloudwatch:GetMetricData", "s3:ListObjectsV2", "s3:GetObject"),
    ),
    "evaluate": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *("s3:ListObjectsV2", "s3:HeadObject", "s3:GetObject"),
        *_describe("ModelPackage"),
    ),
    "promote": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *("sagemaker:CreateEndpointConfig", "sagemaker:UpdateEndpoint", "sagemaker:AddTags"),
        *("sagemaker:ListTags", "sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel"),
        *(f"{_SCALING}:DescribeScalableTargets", f"{_SCALING}:RegisterScalableTarget"),
        *(f"{_SCALING}:DeregisterScalableTarget", f"{_SCALING}:PutScalingPolicy"),
        *(f"{_SCALING}:DescribeScalingPolicies", f"{_SCALING}:DeleteScalingPolicy"),
    ),
    "stop": (
        *_describe(*_JOBS),
        *(f"sagemaker:Stop{one}" for one in _JOBS),
    ),
    "delete": (
        *_describe("Endpoint", "EndpointConfig", "Model"),
        *(f"sagemaker:List{one}" for one in ("Endpoints", "EndpointConfigs", "Models", "Tags")),
        *(f"sagemaker:Delete{one}" for one in ("Endpoint", "EndpointConfig", "Model")),
        *(f"{_SCALING}:DescribeScalableTargets", f"{_SCALING}:DeregisterScalableTarget"),
        *(f"{_SCALING}:DescribeScalingPolicies", f"{_SCALING}:DeleteScalingPolicy"),
        "cloudwatch:DeleteAlarms",
        *_describe("ModelPackage", "ModelPackageGroup"),
        *("sagemaker:ListModelPackages", "sagemaker:DeleteModelPackage"),
        "sagemaker:DeleteModelPackageGroup",
    ),
}
