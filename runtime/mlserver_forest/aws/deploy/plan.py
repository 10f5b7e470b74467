"""``forest deploy``: a model, an endpoint's configuration, an endpoint.

The names of models and configurations end in a digest of their content. A second run therefore
finds them, and a changed run creates new ones beside the old ones, to which ``forest rollback``
returns. An update starts from what the endpoint is like, and changes what is asked for.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlserver_forest.aws.deploy.changes import changes, flat_configuration, flat_model
from mlserver_forest.aws.deploy.endpoint_config import Traffic, Variant
from mlserver_forest.aws.deploy.wanted_endpoint import Deploy
from mlserver_forest.aws.endpoint import (
    SERVERLESS,
    check_updatable,
    configuration_look_up,
    instance_type_of,
    unknown_update_steps,
    update,
)
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.naming import is_ours, tag_list
from mlserver_forest.aws.present_endpoint import PresentEndpoint
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.scaling import Autoscaling, Scaling, removal_steps, scaling_steps
from mlserver_forest.aws.step import Call, Plan, Step
from mlserver_forest.aws.storage import bucket_steps, upload_steps
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


def plan(deploy: Deploy, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: uploads, model, configuration and endpoint, then the wait and autoscaling.

    Args:
        deploy: the options.
        existing: the account.
        poll: seconds between two checks, or None not to wait.

    Raises:
        DeploymentError: if the endpoint cannot be updated.
    """
    steps, afterwards = _endpoint_steps(deploy, existing, poll)
    return (
        *_uploads(deploy, existing),
        *(() if deploy.has_same_model else (deploy.model.step(existing),)),
        *(() if deploy.is_unchanged else (_configuration_step(deploy, existing),)),
        *steps,
        *_after(deploy, poll, afterwards),
    )


def changed_lines(deploy: Deploy) -> list[str]:
    """What an update changes, a line each; empty for a new endpoint."""
    there = deploy.there
    if there is None:
        return []
    model = changes(flat_model(there.model), flat_model(deploy.model.request()))
    same_uri = there.container.get("ModelDataUrl") == deploy.artifact.uri
    if same_uri and there.data != deploy.model.data:
        model.append(f"model data: {deploy.artifact.uri} was replaced in S3")
    lines = model + changes(
        flat_configuration(there.configuration), flat_configuration(deploy.request)
    )
    tags = dict(there.tags)
    new = (one for one in deploy.new_tags if tags.get(one[0]) != one[1])
    return [
        *lines,
        *_changed_scaling(deploy.autoscaling, there.scaling, scales=deploy.scales),
        *(f"tag {key}: {tags.get(key, 'none')} -> {value}" for key, value in new),
    ]


def _changed_scaling(
    wanted: Autoscaling | None, present: Scaling, *, scales: bool
) -> Iterator[str]:
    before, target = present.describe(), present.describe_target()
    after = f"{wanted.least} to {wanted.most} instances" if wanted else before
    if (after if scales else "") != before:
        yield f"autoscaling: {before or 'none'} -> {after if scales else 'none'}"
    if wanted and wanted.value and f"{wanted.value:g}" != target:
        yield f"autoscaling target: {target or 'none'} -> {wanted.value:g}"


def update_question(deploy: Deploy) -> str:
    """The question before an endpoint is updated; empty if it does not exist or does not change."""
    there = deploy.there
    if there is None or deploy.is_unchanged:
        return ""
    check_updatable(there.found)
    foreign = "" if is_ours(there.tags) else " (which this tool did not create)"
    return (
        f"Endpoint {deploy.endpoint}{foreign} uses configuration {there.name}; "
        f"update it to {deploy.configuration}?"
    )


def _uploads(deploy: Deploy, existing: Existing) -> Plan:
    files, kms_key = deploy.artifact.files, deploy.infrastructure.kms_key
    # A model that is already in S3, and an endpoint that writes nothing, do not need the bucket.
    needed = files or deploy.asynchronous or deploy.capture
    bucket = bucket_steps(deploy.storage, existing) if needed else ()
    return (*bucket, *upload_steps(deploy.storage, files, existing, kms_key))


def _configuration_step(deploy: Deploy, existing: Existing) -> Step:
    name = deploy.configuration
    tags = tag_list(deploy.infrastructure.tags, endpoint=deploy.endpoint)
    request = {"EndpointConfigName": name, **deploy.request, "Tags": tags}
    return existing.settle(
        Step(
            Call("sagemaker", "CreateEndpointConfig", request),
            found_by=configuration_look_up(name),
            makes=f"endpoint configuration {name}",
            removed_by=f"forest delete {name} --kind configuration",
        )
    )


def _endpoint_steps(deploy: Deploy, existing: Existing, poll: float | None) -> tuple[Plan, Plan]:
    """The steps up to the wait for the endpoint, and those after it."""
    name, configuration = deploy.endpoint, deploy.configuration
    names = {"EndpointName": name, "EndpointConfigName": configuration}
    create = Step(
        Call(
            "sagemaker",
            "CreateEndpoint",
            {**names, "Tags": tag_list(deploy.infrastructure.tags, endpoint=name)},
        ),
        found_by=ENDPOINT.look_up(name),
        makes=f"endpoint {name}",
        removed_by=f"forest delete {name}",
    )
    if deploy.present is None:
        return (create,), ()
    there = deploy.there
    if there is None:
        create = replace(create, unless=ENDPOINT.look_up(name))
        return (create, *unknown_update_steps(name, _update_request(deploy))), ()
    if deploy.is_unchanged:
        makes = f"endpoint {name}, which already has configuration {configuration}"
        found = replace(create, found=there.found, makes=makes)
        return (found, *_tag_steps(deploy, there), *_ended_scaling(deploy, there)), ()
    check_updatable(there.found)
    before = instance_type_of(there.configuration)
    after = deploy.instances[0] or SERVERLESS
    is_scaled = bool(there.scaling.targets) and deploy.scales
    if is_scaled and before != after and poll is None:
        raise DeploymentError(
            f"the autoscaling of {name} is set up again when the instance type has changed; leave "
            "out --no-wait"
        )
    ended = _ended_scaling(deploy, there)
    scaling = replace(there.scaling, targets=(), policies=()) if ended else there.scaling
    updated = update(
        existing, there.found, _update_request(deploy), (before, after), scaling, deploy.new_tags
    )
    return (*ended, *updated.steps), updated.afterwards


def _tag_steps(deploy: Deploy, there: PresentEndpoint) -> Plan:
    new = [one for one in deploy.new_tags if there.tags.get(one[0]) != one[1]]
    tags = [{"Key": key, "Value": value} for key, value in new]
    request = {"ResourceArn": there.found[ENDPOINT.arn], "Tags": tags}
    return (Step(Call("sagemaker", "AddTags", request)),) if new else ()


def _ended_scaling(deploy: Deploy, there: PresentEndpoint) -> Plan:
    return () if deploy.scales else removal_steps(there.scaling)


def _update_request(deploy: Deploy) -> dict[str, Any]:
    names = {"EndpointName": deploy.endpoint, "EndpointConfigName": deploy.configuration}
    # An endpoint with autoscaling keeps its present number of instances.
    unknown = deploy.there is not None and not deploy.there.scaling.is_known
    retained = deploy.autoscaling or (unknown and deploy.variant == Variant())
    retain = {"RetainAllVariantProperties": True} if retained else {}
    if not deploy.instances[0]:
        return {**names, **retain}
    last = deploy.there.found.get("LastDeploymentConfig") if deploy.there else None
    guard = deploy.traffic.request() if deploy.traffic else last or Traffic().request()
    return {**names, **retain, "DeploymentConfig": guard}


def _after(deploy: Deploy, poll: float | None, afterwards: Plan) -> Plan:
    """The wait, and then what the update left for later, and the autoscaling of the endpoint."""
    if poll is None:
        return ()
    wait = Step(Wait(ENDPOINT, deploy.endpoint, poll, configuration=deploy.configuration))
    return (wait, *afterwards, *_autoscaling_steps(deploy))


def _autoscaling_steps(deploy: Deploy) -> Plan:
    if deploy.autoscaling is None:
        return ()
    (variant,) = deploy.request["ProductionVariants"]
    return scaling_steps(
        deploy.endpoint,
        variant["VariantName"],
        deploy.autoscaling,
        deploy.there.scaling if deploy.there else Scaling(),
        is_async=deploy.is_async,
    )
