"""``forest deploy``: a model, an endpoint's configuration, an endpoint.

The names of models and configurations end in a digest of their content. A second run therefore
finds them, and a changed run creates new ones beside the old ones, to which ``forest rollback``
returns.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.endpoint import (
    VARIANT,
    check_updatable,
    configuration_look_up,
    scalable_target,
    unknown_update_steps,
    update_steps,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.naming import OURS, digest_of, name_from, tag_list
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import SageMakerModel
from mlserver_forest.aws.step import Call, Plan, Step, members
from mlserver_forest.aws.storage import Storage, bucket_steps, upload_steps
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Deploy:
    """The options of ``forest deploy``.

    Attributes:
        endpoint: its name.
        variant: the instances; not used if ``serverless`` is given.
        multi_model: whether the artifact is a prefix of many models.
        cache_models: whether models stay in memory between calls (multi-model).
        autoscaling: (minimum, maximum, target value), or None.
    """

    storage: Storage
    infrastructure: Infrastructure
    endpoint: str
    artifact: ModelData
    variant: Variant = field(default_factory=Variant)
    serverless: Serverless | None = None
    asynchronous: Async | None = None
    capture: Capture | None = None
    traffic: Traffic = field(default_factory=Traffic)
    multi_model: bool = False
    cache_models: bool = True
    autoscaling: tuple[int, int, float] | None = None

    @property
    def model(self) -> SageMakerModel:
        """The model that the endpoint serves."""
        cache = {"ModelCacheSetting": "Enabled" if self.cache_models else "Disabled"}
        modes = (("Mode", "MultiModel"), ("MultiModelConfig", cache)) if self.multi_model else ()
        uri = self.artifact.uri
        return SageMakerModel(self.endpoint, uri, self.infrastructure, self.endpoint, modes)

    @property
    def configuration(self) -> str:
        """The name of the endpoint's configuration, which ends in its digest."""
        return name_from(self.endpoint, digest_of(_configuration(self)))

    @property
    def instance_type(self) -> str:
        """The type of the instances, or "serverless"."""
        return "serverless" if self.serverless else self.variant.instance_type


def plan(deploy: Deploy, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: uploads, model, configuration and endpoint, then the wait and autoscaling.

    Args:
        deploy: the options.
        existing: the account.
        poll: seconds between two checks, or None not to wait.

    Raises:
        DeploymentError: if SageMaker has no such endpoints, or this one cannot be updated.
    """
    check_options(deploy)
    endpoint = _endpoint_steps(deploy, existing)
    return (
        *_uploads(deploy, existing),
        deploy.model.step(existing),
        _configuration_step(deploy, existing),
        *endpoint,
        *_after(deploy, poll),
    )


def check_options(deploy: Deploy) -> None:
    """Check that SageMaker supports the options (its guide on serverless endpoints).

    Raises:
        DeploymentError: if it does not, naming the options.
    """
    refused = {
        "--async": deploy.asynchronous,
        "--multi-model": deploy.multi_model,
        "--capture": deploy.capture,
        "--autoscale": deploy.autoscaling,
        "--subnet": deploy.infrastructure.subnets,
        "--network-isolation": deploy.infrastructure.isolated,
    }
    wrong = [name for name, value in refused.items() if value]
    if deploy.serverless and wrong:
        raise DeploymentError(f"a serverless endpoint has no {', '.join(wrong)}; leave it out")
    if deploy.autoscaling and deploy.autoscaling[0] == 0 and not deploy.asynchronous:
        raise DeploymentError("--autoscale 0:N requires --async; expected at least 1 instance")


def update_question(deploy: Deploy, existing: Existing) -> str:
    """The question before an endpoint is updated; empty if it does not exist or does not change."""
    found = existing.find(ENDPOINT.look_up(deploy.endpoint))
    if found is None or found is UNKNOWN or found["EndpointConfigName"] == deploy.configuration:
        return ""
    check_updatable(found)
    is_ours = tags_of(existing, found[ENDPOINT.arn]).get(OURS[0]) == OURS[1]
    foreign = "" if is_ours else " (which this tool did not create)"
    return (
        f"Endpoint {deploy.endpoint}{foreign} uses configuration {found['EndpointConfigName']}; "
        f"update it to {deploy.configuration}?"
    )


def _uploads(deploy: Deploy, existing: Existing) -> Plan:
    files, kms_key = deploy.artifact.files, deploy.infrastructure.kms_key
    # A model that is already in S3, and an endpoint that writes nothing, do not need the bucket.
    needed = files or deploy.asynchronous or deploy.capture
    bucket = bucket_steps(deploy.storage, existing) if needed else ()
    return (*bucket, *upload_steps(deploy.storage, files, existing, kms_key))


def _configuration(deploy: Deploy) -> dict[str, Any]:
    """CreateEndpointConfig's request without name and tags."""
    kms_key = deploy.infrastructure.kms_key
    instances = deploy.serverless.request() if deploy.serverless else deploy.variant.request()
    variant = {"VariantName": VARIANT, "ModelName": deploy.model.name, **instances}
    capture, asynchronous = deploy.capture, deploy.asynchronous
    return members(
        ProductionVariants=[variant],
        DataCaptureConfig=capture and capture.request(kms_key),
        AsyncInferenceConfig=asynchronous and asynchronous.request(kms_key),
        # The key encrypts the disks of instances; serverless endpoints do not accept one.
        KmsKeyId="" if deploy.serverless else kms_key,
    )


def _configuration_step(deploy: Deploy, existing: Existing) -> Step:
    name = deploy.configuration
    tags = tag_list(deploy.infrastructure.tags, endpoint=deploy.endpoint)
    request = {"EndpointConfigName": name, **_configuration(deploy), "Tags": tags}
    return existing.settle(
        Step(
            Call("sagemaker", "CreateEndpointConfig", request),
            found_by=configuration_look_up(name),
            makes=f"endpoint configuration {name}",
            removed_by=f"forest delete {name} --kind configuration",
        )
    )


def _endpoint_steps(deploy: Deploy, existing: Existing) -> Plan:
    """Update an existing endpoint in place, unless it already has the configuration."""
    name, configuration = deploy.endpoint, deploy.configuration
    names = {"EndpointName": name, "EndpointConfigName": configuration}
    tags = tag_list(deploy.infrastructure.tags, endpoint=name)
    create = Step(
        Call("sagemaker", "CreateEndpoint", {**names, "Tags": tags}),
        found_by=ENDPOINT.look_up(name),
        makes=f"endpoint {name}",
        removed_by=f"forest delete {name}",
    )
    found = existing.find(ENDPOINT.look_up(name))
    if found is UNKNOWN:
        create = replace(create, unless=ENDPOINT.look_up(name))
        return (create, *unknown_update_steps(name, _update_request(deploy)))
    if found is None:
        return (create,)
    check_updatable(found)
    if found["EndpointConfigName"] == configuration:
        makes = f"endpoint {name}, which already has configuration {configuration}"
        return (replace(create, found=found, makes=makes),)
    return update_steps(existing, found, _update_request(deploy), deploy.instance_type)


def _update_request(deploy: Deploy) -> dict[str, Any]:
    # An endpoint with autoscaling keeps its present number of instances.
    retained = {"RetainAllVariantProperties": True} if deploy.autoscaling else {}
    guarded = {} if deploy.serverless else {"DeploymentConfig": deploy.traffic.request()}
    names = {"EndpointName": deploy.endpoint, "EndpointConfigName": deploy.configuration}
    return {**names, **retained, **guarded}


def _after(deploy: Deploy, poll: float | None) -> Plan:
    """The wait, and then the autoscaling of the endpoint."""
    if poll is None:
        return ()
    wait = Wait(ENDPOINT, deploy.endpoint, poll, configuration=deploy.configuration)
    return (Step(wait), *_autoscaling_steps(deploy))


def _autoscaling_steps(deploy: Deploy) -> Plan:
    """Set up autoscaling; both calls replace what exists, so nothing is looked up first."""
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
    """The metric: invocations per instance and minute, or waiting calls per instance."""
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
