"""``forest deploy``: a model, an endpoint's configuration, an endpoint.

Names of models and configurations end in a digest of what they are, so that a second run finds
them, and a changed one makes new ones beside the old, to which ``forest rollback`` goes back.
"""

from dataclasses import dataclass, field
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.place import Place, Shared, bucket_steps, digest_of, name_from, tags_of
from mlserver_forest.aws.steps import Call, Plan, Step, given
from mlserver_forest.aws.upload_plan import LocalFile, upload_step
from mlserver_forest.errors import DeploymentError

VARIANT = "AllTraffic"


@dataclass(frozen=True)
class Artifact:
    """Where the model's bytes are, or shall be.

    Attributes:
        uri: S3 URI of the model.tar.gz, or of the prefix of many.
        files: what is uploaded there first, each to its key below the bucket.
    """

    uri: str
    files: tuple[tuple[str, LocalFile], ...] = ()


@dataclass(frozen=True)
class Deploy:
    """The options of ``forest deploy``.

    Attributes:
        endpoint: its name.
        variant: instances, or None where ``serverless`` is given.
        multi_model: whether the artifact is a prefix of many.
        cache_models: whether models stay in memory between calls (multi-model).
        autoscaling: (least, most, target value), or None.
    """

    place: Place
    shared: Shared
    endpoint: str
    artifact: Artifact
    variant: Variant = field(default_factory=Variant)
    serverless: Serverless | None = None
    asynchronous: Async | None = None
    capture: Capture | None = None
    traffic: Traffic = field(default_factory=Traffic)
    multi_model: bool = False
    cache_models: bool = True
    autoscaling: tuple[int, int, float] | None = None


def plan(deploy: Deploy) -> Plan:
    """Uploads, model, configuration, endpoint, autoscaling."""
    _check(deploy)
    return (
        *upload_plan(deploy),
        model_step(deploy),
        configuration_step(deploy),
        endpoint_step(deploy),
        *autoscaling_steps(deploy),
    )


def upload_plan(deploy: Deploy) -> Plan:
    files = deploy.artifact.files
    kms_key = deploy.shared.kms_key
    uploads = (upload_step(deploy.place.bucket, key, file, kms_key) for key, file in files)
    # A model that is in S3 already, and an endpoint that writes nothing, need no bucket of ours.
    needed = files or deploy.asynchronous or deploy.capture
    return (*(bucket_steps(deploy.place) if needed else ()), *uploads)


def model_step(deploy: Deploy) -> Step:
    return step_of_model(deploy.endpoint, container(deploy), deploy.shared, for_endpoint=True)


def step_of_model(
    name: str, one: dict[str, Any], shared: Shared, *, for_endpoint: bool = False
) -> Step:
    """CreateModel; also what a transform job begins with."""
    body = given(
        PrimaryContainer=one,
        ExecutionRoleArn=shared.role,
        VpcConfig=shared.vpc(),
        EnableNetworkIsolation=shared.isolated or None,
    )
    model = name_from(name, digest_of(body))
    ours = {"endpoint": name} if for_endpoint else {}
    return Step(
        Call(
            "sagemaker", "CreateModel", {"ModelName": model, **body, "Tags": _tags(shared, **ours)}
        ),
        unless=Call("sagemaker", "DescribeModel", {"ModelName": model}),
        makes=f"model {model}",
        removed_by=f"forest delete {name if for_endpoint else model}",
    )


def container(deploy: Deploy) -> dict[str, Any]:
    several: dict[str, Any] = {}
    if deploy.multi_model:
        cache = "Enabled" if deploy.cache_models else "Disabled"
        several = {"Mode": "MultiModel", "MultiModelConfig": {"ModelCacheSetting": cache}}
    return given(
        Image=deploy.shared.image,
        ModelDataUrl=deploy.artifact.uri,
        Environment=dict(deploy.shared.environment),
        **several,
    )


def configuration_step(deploy: Deploy) -> Step:
    body = given(
        ProductionVariants=[_production_variant(deploy)],
        DataCaptureConfig=deploy.capture.request(deploy.shared.kms_key) if deploy.capture else None,
        AsyncInferenceConfig=deploy.asynchronous.request(deploy.shared.kms_key)
        if deploy.asynchronous
        else None,
        # An instance's own disk is encrypted; serverless endpoints take no key.
        KmsKeyId="" if deploy.serverless else deploy.shared.kms_key,
    )
    name = name_from(deploy.endpoint, digest_of(body))
    request = {
        "EndpointConfigName": name,
        **body,
        "Tags": _tags(deploy.shared, endpoint=deploy.endpoint),
    }
    return Step(
        Call("sagemaker", "CreateEndpointConfig", request),
        unless=Call("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": name}),
        makes=f"endpoint configuration {name}",
        removed_by=f"forest delete {deploy.endpoint}",
    )


def endpoint_step(deploy: Deploy) -> Step:
    """Where the endpoint is there, it is updated in place."""
    names = {
        "EndpointName": deploy.endpoint,
        "EndpointConfigName": configuration_step(deploy).call.request["EndpointConfigName"],
    }
    # A scaled endpoint keeps the number of instances that it has.
    retained = {"RetainAllVariantProperties": True} if deploy.autoscaling else {}
    guarded = {} if deploy.serverless else {"DeploymentConfig": deploy.traffic.request()}
    update = {**names, **retained, **guarded}
    create = {**names, "Tags": _tags(deploy.shared, endpoint=deploy.endpoint)}
    return Step(
        Call("sagemaker", "CreateEndpoint", create),
        unless=Call("sagemaker", "DescribeEndpoint", {"EndpointName": deploy.endpoint}),
        otherwise=Call("sagemaker", "UpdateEndpoint", update),
        makes=f"endpoint {deploy.endpoint}",
        removed_by=f"forest delete {deploy.endpoint}",
    )


def scalable_target(endpoint: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def autoscaling_steps(deploy: Deploy) -> Plan:
    """Both calls replace what is there, so nothing is looked up first."""
    if deploy.autoscaling is None:
        return ()
    least, most, value = deploy.autoscaling
    target = scalable_target(deploy.endpoint)
    policy = {
        **target,
        "PolicyName": f"{deploy.endpoint}-{VARIANT}",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": value, **_metric(deploy)},
    }
    bounds = {**target, "MinCapacity": least, "MaxCapacity": most}
    makes, removed_by = f"autoscaling of {deploy.endpoint}", f"forest delete {deploy.endpoint}"
    service = "application-autoscaling"
    return (
        Step(Call(service, "RegisterScalableTarget", bounds), makes=makes, removed_by=removed_by),
        Step(Call(service, "PutScalingPolicy", policy)),
    )


def _metric(deploy: Deploy) -> dict[str, Any]:
    """Invocations per instance and minute, or for a queue its length per instance."""
    if deploy.asynchronous is None:
        kind = "SageMakerVariantInvocationsPerInstance"
        return {"PredefinedMetricSpecification": {"PredefinedMetricType": kind}}
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": deploy.endpoint}],
        "Statistic": "Average",
    }
    return {"CustomizedMetricSpecification": metric}


def _production_variant(deploy: Deploy) -> dict[str, Any]:
    model = model_step(deploy).call.request["ModelName"]
    on = deploy.serverless.request() if deploy.serverless else deploy.variant.request()
    return {"VariantName": VARIANT, "ModelName": model, **on}


def _tags(shared: Shared, **ours: str) -> list[dict[str, str]]:
    return tags_of(shared.tags, **ours)


def _check(deploy: Deploy) -> None:
    """What SageMaker has no such thing as (its guide on serverless endpoints)."""
    refused = {
        "--async": deploy.asynchronous,
        "--multi-model": deploy.multi_model,
        "--capture": deploy.capture,
        "--autoscale": deploy.autoscaling,
        "--subnet": deploy.shared.subnets,
        "--network-isolation": deploy.shared.isolated,
    }
    wrong = [name for name, value in refused.items() if value]
    if deploy.serverless and wrong:
        raise DeploymentError(f"a serverless endpoint has no {', '.join(wrong)}; leave it out")
    if deploy.autoscaling and deploy.autoscaling[0] == 0 and not deploy.asynchronous:
        raise DeploymentError("--autoscale 0:N is for --async alone; expected at least 1 instance")
