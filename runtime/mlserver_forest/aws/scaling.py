"""The autoscaling of an endpoint: its scalable targets, its policies and the alarm that wakes it.

An asynchronous endpoint without instances publishes no backlog per instance, so target tracking
alone wakes it only when more calls wait than its target says. AWS documents a second policy for
that: a step on HasBacklogWithoutCapacity, started by an alarm (SageMaker's guide, "Autoscale an
asynchronous endpoint").
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.step import Answer, Call, Plan, Step

_SERVICE = "application-autoscaling"
_INSTANCES = "sagemaker:variant:DesiredInstanceCount"
# The targets that AWS's documentation uses for invocations per minute and for waiting calls.
_CALLS, _WAITING = 1000.0, 5.0
_TRACKING, _PREDEFINED = "TargetTrackingScalingPolicyConfiguration", "PredefinedMetricSpecification"
_CONFIGURATIONS = (
    _TRACKING,
    "StepScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
)


@dataclass(frozen=True)
class Autoscaling:
    """The autoscaling that is asked for.

    Attributes:
        least, most: numbers of instances.
        value: the calls per instance and minute, or the waiting calls per instance, that are
            aimed at; None for the default.
    """

    least: int
    most: int
    value: float | None = None


@dataclass(frozen=True)
class Scaling:
    """The autoscaling that an endpoint has.

    Attributes:
        targets: descriptions of scalable targets.
        policies: descriptions of scaling policies.
        is_known: whether AWS permitted the look-ups.
    """

    targets: tuple[Answer, ...] = ()
    policies: tuple[Answer, ...] = ()
    is_known: bool = True

    def of_variants(self, names: Collection[str]) -> "Scaling":
        """The part that belongs to variants of these names."""
        targets, policies = (
            tuple(one for one in found if variant_of(one) in names)
            for found in (self.targets, self.policies)
        )
        return replace(self, targets=targets, policies=policies)

    def moved_to(self, endpoint: str, variant: str) -> "Scaling":
        """The same for another variant of the endpoint."""

        def moved(one: Answer) -> Answer:
            target = scalable_target(endpoint, variant)["ResourceId"]
            name = str(one.get("PolicyName", ""))
            own = f"{endpoint}-{variant_of(one)}"
            new = f"{endpoint}-{variant}{name.removeprefix(own)}" if name.startswith(own) else name
            return {**one, "ResourceId": target, **({"PolicyName": new} if name else {})}

        return replace(
            self,
            targets=tuple(map(moved, self.targets)),
            policies=tuple(map(moved, self.policies)),
        )

    def describe(self) -> str:
        """The bounds of the targets, such as "1 to 4 instances", by variant if several are."""
        parts = {
            variant_of(one): f"{one['MinCapacity']} to {one['MaxCapacity']} instances"
            for one in self.targets
        }
        return ", ".join(
            f"{name} {bounds}" if len(parts) > 1 else bounds for name, bounds in parts.items()
        )

    def tracking(self, *, is_async: bool) -> Answer | None:
        """The policy that tracks a target, if it fits the kind of endpoint."""
        for policy in self.policies:
            config = policy.get(_TRACKING)
            if config and is_async != (_PREDEFINED in config):
                return policy
        return None

    def describe_target(self) -> str:
        """The target value of the policies, or empty."""
        configs = (one.get(_TRACKING) for one in self.policies)
        return ", ".join(f"{one['TargetValue']:g}" for one in configs if one)

    def alarms(self) -> tuple[str, ...]:
        """The names of the alarms that this tool made for the policies."""
        steps = (one for one in self.policies if one["PolicyName"].endswith(_WAKE))
        return tuple(f"mlserver-forest-{one['PolicyName']}" for one in steps)


_WAKE = "-HasBacklogWithoutCapacity"


def variant_of(found: Answer) -> str:
    """The name of the variant that a scalable target or a policy belongs to."""
    return str(found["ResourceId"]).rpartition("/")[2]


def scalable_target(endpoint: str, variant: str) -> dict[str, str]:
    """The members that identify a variant in Application Auto Scaling."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": _INSTANCES,
    }


def targets_look_up(endpoint: str, variants: Iterable[str]) -> Call:
    """The call that finds the scalable targets of an endpoint's variants."""
    resources = [scalable_target(endpoint, one)["ResourceId"] for one in variants]
    request = {"ServiceNamespace": "sagemaker", "ResourceIds": resources}
    return Call(_SERVICE, "DescribeScalableTargets", request, items="ScalableTargets")


def policies_look_up(resource: str) -> Call:
    """The call that finds the policies of a scalable target."""
    request = {"ServiceNamespace": "sagemaker", "ResourceId": resource}
    return Call(_SERVICE, "DescribeScalingPolicies", request, items="ScalingPolicies")


def find_scaling(existing: Existing, endpoint: str, variants: Iterable[str]) -> Scaling:
    """Find the autoscaling of an endpoint, if the look-ups are permitted."""
    targets = _items(existing, targets_look_up(endpoint, variants))
    if isinstance(targets, Unknown):
        return Scaling(is_known=False)
    policies: list[Answer] = []
    for target in targets:
        found = _items(existing, policies_look_up(target["ResourceId"]))
        policies += [] if isinstance(found, Unknown) else found
    return Scaling(tuple(targets), tuple(policies))


def scaling_steps(
    endpoint: str, variant: str, wanted: Autoscaling, present: Scaling, *, is_async: bool
) -> Plan:
    """Set up autoscaling; a policy that exists keeps what is not asked for.

    Args:
        endpoint: its name.
        variant: the name of its variant.
        wanted: the bounds and the target.
        present: the endpoint's autoscaling.
        is_async: whether calls wait in a queue.
    """
    target = scalable_target(endpoint, variant)
    bounds = {**target, "MinCapacity": wanted.least, "MaxCapacity": wanted.most}
    tracking = _tracking(endpoint, target, wanted, present, is_async)
    wakes = is_async and wanted.least == 0
    return (
        *(() if wakes else wake_removal_steps(present)),
        Step(
            Call(_SERVICE, "RegisterScalableTarget", bounds),
            makes=f"autoscaling of {endpoint}",
            removed_by=_removing(target),
        ),
        *((Step(Call(_SERVICE, "PutScalingPolicy", tracking)),) if tracking else ()),
        *(_wake_steps(endpoint, variant) if wakes else ()),
    )


def removal_steps(scaling: Scaling) -> Plan:
    """Remove alarms, policies and scalable targets."""
    others = (one for one in scaling.policies if not one["PolicyName"].endswith(_WAKE))
    return (
        *wake_removal_steps(scaling),
        *(_policy_removal(one) for one in others),
        *(
            Step(
                Call(_SERVICE, "DeregisterScalableTarget", _identity(one)),
                may_be_missing=True,
                removes=f"autoscaling of {one['ResourceId']}",
            )
            for one in scaling.targets
        ),
    )


def wake_removal_steps(scaling: Scaling) -> Plan:
    """Remove the policies that wake an endpoint without instances, and their alarms."""
    alarms = scaling.alarms()
    delete = Call("cloudwatch", "DeleteAlarms", {"AlarmNames": list(alarms)})
    return (
        *((Step(delete, removes=f"alarm {', '.join(alarms)}"),) if alarms else ()),
        *(_policy_removal(one) for one in scaling.policies if one["PolicyName"].endswith(_WAKE)),
    )


def restoring_steps(endpoint: str, scaling: Scaling) -> Plan:
    """Set up the same autoscaling again, after an update that does not go together with it."""
    wakes = {one["ResourceId"] for one in scaling.policies if one["PolicyName"].endswith(_WAKE)}
    kept = [one for one in scaling.policies if not one["PolicyName"].endswith(_WAKE)]
    bounds = ("MinCapacity", "MaxCapacity", "SuspendedState")
    steps = (
        *(
            Step(
                Call(_SERVICE, "RegisterScalableTarget", {**_identity(one), **_only(one, bounds)}),
                says=f"autoscaling of {one['ResourceId']} is back",
            )
            for one in scaling.targets
        ),
        *(
            Step(
                Call(
                    _SERVICE,
                    "PutScalingPolicy",
                    {
                        **_identity(one),
                        **_only(one, ("PolicyName", "PolicyType", *_CONFIGURATIONS)),
                    },
                )
            )
            for one in kept
        ),
    )
    woken = (step for one in sorted(wakes) for step in _wake_steps(endpoint, one.split("/")[-1]))
    return (*steps, *woken)


def _tracking(
    endpoint: str,
    target: Mapping[str, str],
    wanted: Autoscaling,
    present: Scaling,
    is_async: bool,
) -> dict[str, Any] | None:
    """PutScalingPolicy's request for the policy that tracks a target; None if it stays."""
    there = present.tracking(is_async=is_async)
    if there is None:
        value = wanted.value or (_WAITING if is_async else _CALLS)
        metric = _backlog(endpoint) if is_async else _invocations()
        name, config = f"{endpoint}-{target['ResourceId'].split('/')[-1]}", metric
    elif wanted.value is None:
        return None
    else:
        value, name, config = wanted.value, there["PolicyName"], there[_TRACKING]
    return {
        **target,
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        _TRACKING: {**config, "TargetValue": value},
    }


def _policy_removal(policy: Answer) -> Step:
    request = {"PolicyName": policy["PolicyName"], **_identity(policy)}
    return Step(
        Call(_SERVICE, "DeleteScalingPolicy", request),
        may_be_missing=True,
        removes=f"scaling policy {policy['PolicyName']}",
    )


def _wake_steps(endpoint: str, variant: str) -> Plan:
    """The policy and the alarm that start an instance for the first waiting call."""
    name = f"{endpoint}-{variant}{_WAKE}"
    alarm = f"mlserver-forest-{name}"
    policy = {
        **scalable_target(endpoint, variant),
        "PolicyName": name,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    }
    wake = {
        "AlarmName": alarm,
        "AlarmDescription": f"Calls wait, and endpoint {endpoint} has no instances.",
        "Namespace": "AWS/SageMaker",
        "MetricName": "HasBacklogWithoutCapacity",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": ["<ARN of the scaling policy>"],
    }
    return (
        Step(
            Call(_SERVICE, "PutScalingPolicy", policy),
            gives=lambda answer: {"ARN of the scaling policy": answer["PolicyARN"]},
        ),
        Step(
            Call("cloudwatch", "PutMetricAlarm", wake),
            given=("ARN of the scaling policy",),
            makes=f"alarm {alarm}",
            removed_by=f"aws cloudwatch delete-alarms --alarm-names {alarm}",
        ),
    )


def _removing(target: Mapping[str, str]) -> str:
    return (
        "aws application-autoscaling deregister-scalable-target --service-namespace sagemaker "
        f"--resource-id {target['ResourceId']} --scalable-dimension {target['ScalableDimension']}"
    )


def _invocations() -> dict[str, Any]:
    return {_PREDEFINED: {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def _backlog(endpoint: str) -> dict[str, Any]:
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
    }
    return {"CustomizedMetricSpecification": metric}


def _identity(one: Answer) -> dict[str, Any]:
    return _only(one, ("ServiceNamespace", "ResourceId", "ScalableDimension"))


def _only(one: Answer, names: Iterable[str]) -> dict[str, Any]:
    return {name: one[name] for name in names if name in one}


def _items(existing: Existing, call: Call) -> list[Answer] | Unknown:
    found = existing.find(call, optional="autoscaling")
    if found is UNKNOWN:
        return UNKNOWN
    return [] if found is None else list(found[call.items])
