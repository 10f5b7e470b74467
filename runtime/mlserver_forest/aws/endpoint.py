"""An existing endpoint: its state, and updates of its configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.history import History, read_history
from mlserver_forest.aws.naming import FOR_ENDPOINT, PREVIOUS, tag_list
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, removal_steps, restoring_steps
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.aws.traffic_shares import SHADOW, all_variants
from mlserver_forest.errors import DeploymentError

# The name of the only production variant of an endpoint that this tool creates.
VARIANT = "AllTraffic"
SERVERLESS = "serverless"
_NOUNS = {"EndpointConfig": "endpoint configuration", "Model": "model"}
_CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})


@dataclass(frozen=True)
class Change:
    """The variants of an endpoint before and after an update.

    Attributes:
        before, after: the descriptions of the configurations, or requests for them; empty if one is
            not known.
    """

    before: Answer
    after: Answer

    @property
    def removed(self) -> frozenset[str]:
        """The names of the variants that the update takes away, or makes shadow variants."""
        return frozenset(_types(self.before)) - frozenset(_types(self.after)) | (
            _shadows(self.after) - _shadows(self.before)
        )

    @property
    def kept(self) -> frozenset[str]:
        """The names of the variants that are there before and after."""
        return frozenset(_types(self.after)) & frozenset(_types(self.before)) - self.removed

    @property
    def has_other_names(self) -> bool:
        """Whether the variants have other names afterwards, or another one is the shadow."""
        after = _types(self.after).keys(), _shadows(self.after)
        return bool(self.before) and ((_types(self.before).keys(), _shadows(self.before)) != after)

    @property
    def on_other_instances(self) -> frozenset[str]:
        """The names of the variants that stay, on another type of instances."""
        before, after = _types(self.before), _types(self.after)
        return frozenset(name for name in self.kept if before[name] != after[name])


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
    """The names of the variants.

    Args:
        found: the endpoint's description, which has none if the endpoint failed.
        configuration: the description of its configuration, if it is known.
    """
    variants = all_variants(found) or all_variants(configuration or {})
    return tuple(str(one["VariantName"]) for one in variants) or (VARIANT,)


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
    change: Change,
    scaling: Scaling,
    tags: tuple[tuple[str, str], ...] = (),
) -> Update:
    """Update an endpoint's configuration, and record the previous one for ``forest rollback``.

    A variant with autoscaling keeps its number of instances. AWS refuses to remove such a variant,
    and to change its instance type (SageMaker's guide on autoscaling of endpoints): its autoscaling
    is therefore removed, and set up again if the variant stays.

    Args:
        existing: the account.
        found: the endpoint's description.
        request: the request of UpdateEndpoint.
        change: the configuration before and after.
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
    ended = scaling.of_variants(change.removed)
    restored = scaling.of_variants(change.on_other_instances)
    return Update(
        steps=(
            # Refused before anything changes if the permission is missing.
            Step(Call("sagemaker", "AddTags", remember)),
            *removal_steps(ended),
            *(_without_scaling(name, restored) if restored.targets else ()),
            Step(Call("sagemaker", "UpdateEndpoint", _allowed(request, change, scaling))),
        ),
        afterwards=(
            *(_restored(name, restored, change) if restored.targets else ()),
            *_removal_of_too_old(existing, name, history, request["EndpointConfigName"]),
        ),
    )


def _allowed(request: Mapping[str, Any], change: Change, scaling: Scaling) -> dict[str, Any]:
    """The request without what AWS does not accept for this change.

    Names of variants may not differ in a guarded update (SageMaker's guide, "Exclusions" of
    deployment guardrails); nor are properties of variants retained then. Retained are the numbers
    of instances alone: the weights and the capture are those of the new configuration.
    """
    allowed = dict(request)
    kept = scaling.of_variants(change.kept - change.on_other_instances)
    if change.has_other_names:
        for member in ("DeploymentConfig", "RetainAllVariantProperties"):
            allowed.pop(member, None)
    elif kept.targets and not change.on_other_instances:
        allowed["RetainAllVariantProperties"] = True
    if allowed.get("RetainAllVariantProperties"):
        allowed["ExcludeRetainedVariantProperties"] = [
            {"VariantPropertyType": one} for one in ("DesiredWeight", "DataCaptureConfig")
        ]
    return allowed


def configuration_step(
    existing: Existing,
    name: str,
    request: Mapping[str, Any],
    endpoint: str,
    tags: Sequence[tuple[str, str]],
) -> Step:
    """The step that creates a configuration unless it exists.

    Args:
        existing: the account.
        name: its name.
        request: CreateEndpointConfig's request without name and tags.
        endpoint: the endpoint that it is made for.
        tags: the user's tags.
    """
    named = {"EndpointConfigName": name, **request, "Tags": tag_list(tags, endpoint=endpoint)}
    return existing.settle(
        Step(
            Call("sagemaker", "CreateEndpointConfig", named),
            found_by=configuration_look_up(name),
            makes=f"endpoint configuration {name}",
            removed_by=f"forest delete {name} --kind configuration",
        )
    )


def no_endpoint(name: str, region: str) -> DeploymentError:
    """The error if there is no endpoint of a name."""
    return DeploymentError(f"there is no endpoint {name} in {region}; see forest list")


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
    return ", ".join(sorted(set(_types(configuration).values())))


def _shadows(configuration: Answer) -> frozenset[str]:
    return frozenset(str(one["VariantName"]) for one in configuration.get(SHADOW) or [])


def _types(configuration: Answer) -> dict[str, str]:
    """The instance type of each variant, or "serverless", by name."""
    return {
        str(one["VariantName"]): str(one.get("InstanceType", SERVERLESS))
        for one in (all_variants(configuration) if configuration else ())
    }


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


def _restored(name: str, scaling: Scaling, change: Change) -> Plan:
    if instance_type_of(change.after) == SERVERLESS:
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
    return {str(one["ModelName"]) for one in all_variants(found) if "ModelName" in one}


def _if_allowed(step: Step) -> Step:
    return replace(step, if_refused=f"{step.removes} stays, which is older than the last ten")
