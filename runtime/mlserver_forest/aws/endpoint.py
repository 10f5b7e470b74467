"""An existing endpoint: its state, and updates of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.history import History, read_history
from mlserver_forest.aws.naming import FOR_ENDPOINT, PREVIOUS
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, removal_steps, restoring_steps
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.errors import DeploymentError

# The name of the only production variant of an endpoint that this tool creates.
VARIANT = "AllTraffic"
SERVERLESS = "serverless"
_NOUNS = {"EndpointConfig": "endpoint configuration", "Model": "model"}
_CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})


@dataclass(frozen=True)
class Update:
    """The steps of an update.

    Attributes:
        steps: up to UpdateEndpoint.
        afterwards: what follows once the endpoint is in service again.
    """

    steps: Plan
    afterwards: Plan = ()


def configuration_look_up(configuration: str) -> Call:
    """The call that finds an endpoint configuration by its name."""
    return Call("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": configuration})


def pending_configuration(found: Answer) -> str:
    """The configuration that a deployment in progress is bringing, or empty."""
    pending = found.get("PendingDeploymentSummary") or {}
    return str(pending.get("EndpointConfigName", "")) if is_changing(found) else ""


def is_changing(found: Answer) -> bool:
    """Whether AWS is creating, updating or rolling back the endpoint, and accepts no change."""
    return found[ENDPOINT.status] in _CHANGING


def variant_names(found: Answer, configuration: Answer | None = None) -> tuple[str, ...]:
    """The names of the production variants.

    Args:
        found: the endpoint's description, which has none if the endpoint failed.
        configuration: the description of its configuration, if it is known.
    """
    variants = found.get("ProductionVariants") or []
    variants = variants or (configuration or {}).get("ProductionVariants") or []
    return tuple(one["VariantName"] for one in variants) or (VARIANT,)


def check_alive(found: Answer) -> None:
    """Check that the endpoint has not failed, and is not being deleted.

    Raises:
        DeploymentError: if it is so, because SageMaker then accepts no update.
    """
    name, status = found["EndpointName"], found[ENDPOINT.status]
    if status == "Deleting":
        raise DeploymentError(f"endpoint {name} is Deleting; run the same command when it is gone")
    if status in ENDPOINT.bad:
        reason = found.get("FailureReason", "no reason was given")
        raise DeploymentError(
            f"endpoint {name} is {status} ({reason}) and cannot be updated; "
            f"forest delete {name} first"
        )


def check_updatable(found: Answer) -> None:
    """Check that SageMaker accepts an update.

    Raises:
        DeploymentError: if the endpoint is not in service.
    """
    check_alive(found)
    if found[ENDPOINT.status] not in ENDPOINT.good:
        name = found["EndpointName"]
        to = pending_configuration(found)
        raise DeploymentError(
            f"endpoint {name} is {found[ENDPOINT.status]}{f' to {to}' if to else ''}; "
            f"wait for it: forest status {name}"
        )


def update(
    existing: Existing,
    found: Answer,
    request: Mapping[str, Any],
    change: tuple[str, str],
    scaling: Scaling,
    tags: tuple[tuple[str, str], ...] = (),
) -> Update:
    """Update an endpoint's configuration, and record the previous one for ``forest rollback``.

    An endpoint with autoscaling keeps its number of instances. AWS refuses to change the instance
    type during autoscaling (SageMaker's guide on autoscaling of endpoints), which is therefore
    removed and set up again.

    Args:
        existing: the account.
        found: the endpoint's description.
        request: the request of UpdateEndpoint.
        change: the instance type before and after, or "serverless".
        scaling: the endpoint's autoscaling.
        tags: the user's new tags.
    """
    name, before = str(found["EndpointName"]), str(found["EndpointConfigName"])
    there = tags_of(existing, found[ENDPOINT.arn])
    history = read_history(there, before).after(before, request["EndpointConfigName"])
    written = {**history.tags(), **dict(tags)}
    remember = {
        "ResourceArn": found[ENDPOINT.arn],
        "Tags": [{"Key": key, "Value": value} for key, value in written.items()],
    }
    request = dict(request)
    is_restored = bool(scaling.targets) and change[0] != change[1]
    if scaling.targets and not is_restored:
        request["RetainAllVariantProperties"] = True
    return Update(
        steps=(
            # Refused before anything changes if the permission is missing.
            Step(Call("sagemaker", "AddTags", remember)),
            *(_without_scaling(name, scaling) if is_restored else ()),
            Step(Call("sagemaker", "UpdateEndpoint", request)),
        ),
        afterwards=(
            *(_restored(name, scaling, change[1]) if is_restored else ()),
            *_removal_of_too_old(existing, name, history, request["EndpointConfigName"]),
        ),
    )


def unknown_update_steps(endpoint: str, request: Mapping[str, Any]) -> Plan:
    """The same steps if it is unknown whether the endpoint exists and what it is like."""
    there = ENDPOINT.look_up(endpoint)
    tags = {
        "ResourceArn": f"<ARN of {endpoint}>",
        "Tags": [{"Key": PREVIOUS, "Value": "<its present configuration>"}],
    }
    calls = (Call("sagemaker", "AddTags", tags), Call("sagemaker", "UpdateEndpoint", request))
    return tuple(Step(call, only_if=there) for call in calls)


def instance_type_of(configuration: Answer) -> str:
    """The instance types in a configuration's description, or "serverless"."""
    types = {one.get("InstanceType", SERVERLESS) for one in configuration["ProductionVariants"]}
    return ", ".join(sorted(types))


def deletion(subject: str, name: str) -> Step:
    """The step that deletes a configuration or a model.

    Args:
        subject: EndpointConfig or Model.
        name: its name.
    """
    call = Call("sagemaker", f"Delete{subject}", {f"{subject}Name": name})
    return Step(call, may_be_missing=True, removes=f"{_NOUNS[subject]} {name}")


def _without_scaling(name: str, scaling: Scaling) -> Plan:
    *steps, last = removal_steps(scaling)
    says = (
        f"autoscaling of {name} ({scaling.describe()}) is set up again after the update, because "
        "its instance type changes; if this command is interrupted, forest deploy --autoscale "
        "does that"
    )
    return (*steps, replace(last, says=says))


def _restored(name: str, scaling: Scaling, after: str) -> Plan:
    if after == SERVERLESS:
        return ()
    # AWS may roll the update back, and then the old instances are scaled again.
    return tuple(replace(one, even_if_failed=True) for one in restoring_steps(name, scaling))


def _removal_of_too_old(
    existing: Existing, endpoint: str, history: History, configuration: str
) -> Plan:
    """Remove the configurations that are too old, and the models that only they use."""
    if not history.too_old:
        return ()
    kept = {
        model for name in (*history.kept, configuration) for model in _models_of(existing, name)
    }
    steps: list[Step] = []
    for name in history.too_old:
        found = existing.find(configuration_look_up(name))
        if found is None or found is UNKNOWN:
            continue
        if not _is_for(existing, found["EndpointConfigArn"], endpoint):
            continue
        steps.append(_if_allowed(deletion("EndpointConfig", name)))
        for model in sorted(_models_of(existing, name) - kept):
            there = existing.find(model_look_up(model))
            if there and there is not UNKNOWN and _is_for(existing, there["ModelArn"], endpoint):
                steps.append(_if_allowed(deletion("Model", model)))
    return tuple(steps)


def _is_for(existing: Existing, arn: str, endpoint: str) -> bool:
    return tags_of(existing, arn).get(FOR_ENDPOINT) == endpoint


def _models_of(existing: Existing, configuration: str) -> set[str]:
    found = existing.find(configuration_look_up(configuration))
    if found is None or found is UNKNOWN:
        return set()
    return {one["ModelName"] for one in found["ProductionVariants"] if "ModelName" in one}


def _if_allowed(step: Step) -> Step:
    return replace(step, if_refused=f"{step.removes} stays, which is older than the last ten")
