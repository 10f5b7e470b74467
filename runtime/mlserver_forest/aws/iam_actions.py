"""The IAM actions that each call needs, and what they are needed on.

Sources: the Service Authorization Reference's pages on SageMaker AI, S3, ECR, IAM, CloudWatch Logs
and Application Auto Scaling, which have the actions, the kinds of resources and the further actions
that a call depends on; "Autoscaling policy prerequisites" of SageMaker's guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Permission:
    """An action that is needed.

    Attributes:
        action: such as s3:PutObject.
        resources: ARNs with {region}, {account}, {bucket}, {prefix}, {repository} and {role}.
        condition: IAM's condition, or empty.
    """

    action: str
    resources: tuple[str, ...] = ("*",)
    condition: tuple[tuple[str, str, str], ...] = ()


_SAGEMAKER = "arn:aws:sagemaker:{{region}}:{{account}}:{}/*"
_KINDS: Mapping[str, str] = {
    "TrainingJob": "training-job",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
    "TransformJob": "transform-job",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "Model": "model",
}
_ALL_KINDS = tuple(_SAGEMAKER.format(kind) for kind in _KINDS.values())
BUCKET = ("arn:aws:s3:::{bucket}",)
OBJECTS = ("arn:aws:s3:::{bucket}/*",)
REPOSITORY = ("arn:aws:ecr:{region}:{account}:repository/{repository}",)
LOGS = ("arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/*",)
_ROLE = ("arn:aws:iam::{account}:role/{role}",)
_TARGETS = ("arn:aws:application-autoscaling:{region}:{account}:scalable-target/*",)

_SCALING = "sagemaker.application-autoscaling.amazonaws.com"
_PASS_ROLE = Permission(
    "iam:PassRole",
    _ROLE,
    (("StringEquals", "iam:PassedToService", "sagemaker.amazonaws.com"),),
)


def _tagging(*kinds: str) -> Permission:
    """The tags that a call gives what it creates are a permission of their own."""
    return Permission("sagemaker:AddTags", tuple(_SAGEMAKER.format(_KINDS[one]) for one in kinds))


_SCALING_ROLE = Permission(
    "iam:CreateServiceLinkedRole",
    (f"arn:aws:iam::{{account}}:role/aws-service-role/{_SCALING}/*",),
    (("StringLike", "iam:AWSServiceName", _SCALING),),
)
# Application Auto Scaling makes a policy's alarms with the permissions of the caller.
_ALARMS = tuple(
    Permission(f"cloudwatch:{name}")
    for name in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms")
)
# What docker calls during a push.
_PUSH = tuple(
    Permission(f"ecr:{name}", REPOSITORY)
    for name in (
        "BatchCheckLayerAvailability",
        "BatchGetImage",
        "CompleteLayerUpload",
        "GetDownloadUrlForLayer",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    )
)


def _sagemaker(operation: str, also: tuple[str, ...] = ()) -> Permission:
    kind = next((one for one in _KINDS if operation.endswith(one)), None)
    resources = (_SAGEMAKER.format(_KINDS[kind]), *also) if kind else ("*",)
    return Permission(f"sagemaker:{operation}", resources)


_CONFIGURATIONS = (_SAGEMAKER.format("endpoint-config"),)

_PIPELINES = (_SAGEMAKER.format("pipeline"),)
_GROUPS = (_SAGEMAKER.format("model-package-group"),)
_SCHEDULES = ("arn:aws:scheduler:{region}:{account}:schedule/default/*",)
_PASS_SCHEDULE_ROLE = Permission(
    "iam:PassRole",
    _ROLE,
    (("StringEquals", "iam:PassedToService", "scheduler.amazonaws.com"),),
)

_PIPELINE_JOBS = ("training-job", "hyper-parameter-tuning-job", "processing-job")
_PACKAGES = (*_GROUPS, _SAGEMAKER.format("model-package"))
# What the role of a pipeline needs besides that of a job: it starts the jobs, and EventBridge
# starts the pipeline with it (SageMaker's guide, "IAM Access Management" of Pipelines).
PIPELINE_ROLE = (
    *(
        Permission(f"sagemaker:{verb}{kind}", (_SAGEMAKER.format(resource),))
        for kind, resource in zip(
            ("TrainingJob", "HyperParameterTuningJob", "ProcessingJob"), _PIPELINE_JOBS, strict=True
        )
        for verb in ("Create", "Describe", "Stop")
    ),
    Permission(
        "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
        (_SAGEMAKER.format("hyper-parameter-tuning-job"),),
    ),
    Permission("sagemaker:AddTags", tuple(_SAGEMAKER.format(one) for one in _PIPELINE_JOBS)),
    Permission("sagemaker:CreateModelPackage", _PACKAGES),
    Permission("sagemaker:DescribeModelPackage", _PACKAGES),
    Permission("sagemaker:StartPipelineExecution", _PIPELINES),
    _PASS_ROLE,
)

# By botocore's names of the service and the operation; the call's own action is the first.
CALL_PERMISSIONS: Mapping[str, tuple[Permission, ...]] = {
    **{
        f"sagemaker:{verb}{kind}": (_sagemaker(f"{verb}{kind}"),)
        for kind in _KINDS
        for verb in ("Describe", "Delete", "Stop")
    },
    **{f"sagemaker:List{kind}s": (Permission(f"sagemaker:List{kind}s"),) for kind in _KINDS},
    "sagemaker:CreateTrainingJob": (
        _sagemaker("CreateTrainingJob"),
        _tagging("TrainingJob"),
        _PASS_ROLE,
    ),
    "sagemaker:CreateHyperParameterTuningJob": (
        _sagemaker("CreateHyperParameterTuningJob"),
        _tagging("HyperParameterTuningJob"),
        _PASS_ROLE,
    ),
    "sagemaker:CreateTransformJob": (_sagemaker("CreateTransformJob"), _tagging("TransformJob")),
    "sagemaker:CreateModel": (_sagemaker("CreateModel"), _tagging("Model"), _PASS_ROLE),
    "sagemaker:CreateEndpointConfig": (
        _sagemaker("CreateEndpointConfig"),
        _tagging("EndpointConfig"),
    ),
    "sagemaker:CreateEndpoint": (
        _sagemaker("CreateEndpoint", also=_CONFIGURATIONS),
        _tagging("Endpoint"),
    ),
    "sagemaker:UpdateEndpoint": (_sagemaker("UpdateEndpoint", also=_CONFIGURATIONS),),
    "sagemaker:AddTags": (
        _tagging("Endpoint"),
        Permission("sagemaker:AddTags", _PIPELINES),
    ),
    "sagemaker:DeleteTags": (Permission("sagemaker:DeleteTags", (_SAGEMAKER.format("endpoint"),)),),
    "sagemaker:ListTags": (Permission("sagemaker:ListTags", (*_ALL_KINDS, *_GROUPS, *_PIPELINES)),),
    **{
        f"sagemaker:{verb}ModelPackage": (
            Permission(f"sagemaker:{verb}ModelPackage", (_SAGEMAKER.format("model-package"),)),
        )
        for verb in ("Describe", "Update", "Delete")
    },
    **{
        f"sagemaker:{verb}ModelPackageGroup": (
            Permission(f"sagemaker:{verb}ModelPackageGroup", _GROUPS),
        )
        for verb in ("Describe", "Delete")
    },
    "sagemaker:CreateModelPackageGroup": (
        Permission("sagemaker:CreateModelPackageGroup", _GROUPS),
        Permission("sagemaker:AddTags", _GROUPS),
    ),
    "sagemaker:CreateModelPackage": (Permission("sagemaker:CreateModelPackage", _PACKAGES),),
    "sagemaker:ListModelPackages": (Permission("sagemaker:ListModelPackages"),),
    "sagemaker:ListModelPackageGroups": (Permission("sagemaker:ListModelPackageGroups"),),
    **{
        f"sagemaker:{name}": (Permission(f"sagemaker:{name}", _PIPELINES),)
        for name in (
            *("DescribePipeline", "DescribePipelineExecution", "StartPipelineExecution"),
            "ListPipelineExecutionSteps",
        )
    },
    "sagemaker:CreatePipeline": (
        Permission("sagemaker:CreatePipeline", _PIPELINES),
        Permission("sagemaker:AddTags", _PIPELINES),
        _PASS_ROLE,
    ),
    "sagemaker:UpdatePipeline": (Permission("sagemaker:UpdatePipeline", _PIPELINES), _PASS_ROLE),
    "scheduler:GetSchedule": (Permission("scheduler:GetSchedule", _SCHEDULES),),
    "scheduler:DeleteSchedule": (Permission("scheduler:DeleteSchedule", _SCHEDULES),),
    **{
        f"scheduler:{verb}Schedule": (
            Permission(f"scheduler:{verb}Schedule", _SCHEDULES),
            _PASS_SCHEDULE_ROLE,
        )
        for verb in ("Create", "Update")
    },
    "resourcegroupstaggingapi:GetResources": (Permission("tag:GetResources"),),
    "sagemaker-runtime:InvokeEndpoint": (_sagemaker("InvokeEndpoint"),),
    "sagemaker-runtime:InvokeEndpointAsync": (
        Permission("sagemaker:InvokeEndpointAsync", (_SAGEMAKER.format("endpoint"),)),
    ),
    "application-autoscaling:DescribeScalableTargets": (
        Permission("application-autoscaling:DescribeScalableTargets"),
    ),
    "application-autoscaling:RegisterScalableTarget": (
        Permission("application-autoscaling:RegisterScalableTarget", _TARGETS),
        _SCALING_ROLE,
    ),
    "application-autoscaling:DeregisterScalableTarget": (
        Permission("application-autoscaling:DeregisterScalableTarget", _TARGETS),
        _ALARMS[-1],
    ),
    "application-autoscaling:PutScalingPolicy": (
        Permission("application-autoscaling:PutScalingPolicy", _TARGETS),
        *_ALARMS,
    ),
    "application-autoscaling:DescribeScalingPolicies": (
        Permission("application-autoscaling:DescribeScalingPolicies"),
    ),
    "application-autoscaling:DeleteScalingPolicy": (
        Permission("application-autoscaling:DeleteScalingPolicy", _TARGETS),
        *_ALARMS,
    ),
    "cloudwatch:PutMetricAlarm": (_ALARMS[0],),
    "cloudwatch:GetMetricStatistics": (Permission("cloudwatch:GetMetricStatistics"),),
    "cloudwatch:DescribeAlarms": (_ALARMS[1],),
    "cloudwatch:DeleteAlarms": (_ALARMS[-1],),
    "cloudwatch:GetMetricData": (Permission("cloudwatch:GetMetricData"),),
    "s3:CreateBucket": (Permission("s3:CreateBucket", BUCKET),),
    "s3:HeadBucket": (Permission("s3:ListBucket", BUCKET),),
    "s3:ListObjectsV2": (Permission("s3:ListBucket", BUCKET),),
    # Without s3:ListBucket, S3 answers 403 instead of 404 for an object that does not exist.
    "s3:HeadObject": (Permission("s3:GetObject", OBJECTS), Permission("s3:ListBucket", BUCKET)),
    "s3:GetObject": (Permission("s3:GetObject", OBJECTS), Permission("s3:ListBucket", BUCKET)),
    **{
        f"s3:{name}": (Permission("s3:PutObject", OBJECTS),)
        for name in (
            "PutObject",
            "CreateMultipartUpload",
            "UploadPart",
            "CompleteMultipartUpload",
        )
    },
    "s3:ListMultipartUploads": (Permission("s3:ListBucketMultipartUploads", BUCKET),),
    "s3:ListParts": (Permission("s3:ListMultipartUploadParts", OBJECTS),),
    "sts:GetCallerIdentity": (),
    "iam:GetRole": (Permission("iam:GetRole", _ROLE),),
    "ecr:GetAuthorizationToken": (Permission("ecr:GetAuthorizationToken"), *_PUSH),
    "ecr:DescribeRepositories": (Permission("ecr:DescribeRepositories", REPOSITORY),),
    "ecr:DescribeImages": (Permission("ecr:DescribeImages", REPOSITORY),),
    "ecr:PutImageTagMutability": (Permission("ecr:PutImageTagMutability", REPOSITORY),),
    "ecr:CreateRepository": (
        Permission("ecr:CreateRepository", REPOSITORY),
        Permission("ecr:TagResource", REPOSITORY),
    ),
    "logs:DescribeLogStreams": (Permission("logs:DescribeLogStreams", LOGS),),
    "logs:GetLogEvents": (Permission("logs:GetLogEvents", LOGS),),
}


def action_of(service: str, operation: str) -> str:
    """The name of a call's own permission in IAM."""
    found = CALL_PERMISSIONS.get(f"{service}:{operation}")
    return found[0].action if found else f"{service}:{operation}"
