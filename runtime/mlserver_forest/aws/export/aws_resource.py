"""Resources of an account with their members as AWS's calls take them, for any language of code."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.export.exported_endpoint import ExportedEndpoint
from mlserver_forest.aws.naming import digest_of
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.secret_variables import is_secret

MODEL, CONFIGURATION = "AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig"
SERVED = "AWS::SageMaker::Endpoint"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
ALARM = "AWS::CloudWatch::Alarm"
_POLICY = (
    *("PolicyName", "PolicyType", "TargetTrackingScalingPolicyConfiguration"),
    *("StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration"),
)
_TARGET = (
    *("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity"),
    "SuspendedState",
)
_ALARM = (
    *("AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions"),
    *("InsufficientDataActions", "MetricName", "Namespace", "Statistic", "ExtendedStatistic"),
    *("Dimensions", "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"),
    *("ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile"),
)


@dataclass(frozen=True)
class MemberReference:
    """A value that is a member of another resource.

    Attributes:
        label: the other resource's.
        attribute: ``name`` or ``arn``.
    """

    label: str
    attribute: str


@dataclass(frozen=True)
class Secret:
    """A value that is asked for when the code is applied.

    Attributes:
        name: the name of the parameter, letters and digits.
        about: what it is, for people.
    """

    name: str
    about: str


@dataclass(frozen=True)
class AwsResource:
    """A resource.

    Attributes:
        kind: CloudFormation's name of its type.
        label: its name in the code, letters and digits.
        members: as the call that creates it takes them, with references to others and secrets.
        tags: its tags.
        after: the labels of resources that must exist before, beside those that it refers to.
    """

    kind: str
    label: str
    members: Mapping[str, Any]
    tags: Mapping[str, str]
    after: tuple[str, ...] = ()


def resources_of(found: ExportedEndpoint) -> list[AwsResource]:
    """Everything that serves an endpoint: models, configuration, endpoint, autoscaling, alarms."""
    return [*_serving(found), *_scaling(found)]


def _serving(found: ExportedEndpoint) -> Iterator[AwsResource]:
    labels = {name: _label("Model", number) for number, name in enumerate(found.models)}
    for name, model in found.models.items():
        members = {"ModelName": name, **_without_secrets(labels[name], model)}
        yield AwsResource(MODEL, labels[name], members, found.tags[name])
    configuration = dict(found.configuration)
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        if kind in configuration:
            configuration[kind] = [_variant(one, labels) for one in configuration[kind]]
    name = str(found.endpoint["EndpointConfigName"])
    named = {"EndpointConfigName": name, **configuration}
    yield AwsResource(CONFIGURATION, "Configuration", named, found.tags[name])
    endpoint: dict[str, Any] = {
        "EndpointName": found.endpoint[ENDPOINT.name],
        "EndpointConfigName": MemberReference("Configuration", "name"),
    }
    if deployment := found.endpoint.get("LastDeploymentConfig"):
        endpoint["DeploymentConfig"] = deployment
    yield AwsResource(SERVED, "Endpoint", endpoint, found.tags[str(found.endpoint[ENDPOINT.name])])


def _scaling(found: ExportedEndpoint) -> Iterator[AwsResource]:
    targets: dict[str, str] = {}
    for number, target in enumerate(found.scaling.targets):
        label = targets[target["ResourceId"]] = _label("Target", number)
        members = {name: target[name] for name in _TARGET if name in target}
        yield AwsResource(TARGET, label, members, {}, after=("Endpoint",))
    policies: dict[str, str] = {}
    for number, policy in enumerate(found.scaling.policies):
        label = policies[policy.get("PolicyARN", "")] = _label("Policy", number)
        members = {name: policy[name] for name in _POLICY if policy.get(name)}
        yield AwsResource(POLICY, label, _on(members, policy, targets), {})
    for number, alarm in enumerate(found.alarms):
        members = {name: alarm[name] for name in _ALARM if alarm.get(name) not in (None, "", [])}
        actions = members.get("AlarmActions", [])
        members["AlarmActions"] = [
            MemberReference(policies[one], "arn") if one in policies else one for one in actions
        ]
        yield AwsResource(ALARM, _label("Alarm", number), members, {})


def _on(
    members: Mapping[str, Any], policy: Mapping[str, Any], targets: Mapping[str, str]
) -> dict[str, Any]:
    """The members of a policy with its scalable target."""
    return {**members, "ScalingTargetId": MemberReference(targets[policy["ResourceId"]], "id")}


def _variant(variant: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    name = str(variant.get("ModelName", ""))
    reference = {"ModelName": MemberReference(labels[name], "name")} if name in labels else {}
    return {**variant, **reference}


def _label(noun: str, number: int) -> str:
    return noun if number == 0 else f"{noun}{number + 1}"


def _without_secrets(label: str, value: Any) -> Any:
    """The same with a ``Secret`` for each variable whose name says that it is one.

    CloudFormation would also look up ``{{resolve:...}}``, wherever it stands.
    """
    if isinstance(value, list):  # Containers, each of which has variables of its own.
        labels = (label, *(f"{label}Container{n}" for n in range(2, len(value) + 1)))
        return [_without_secrets(one, part) for one, part in zip(labels, value, strict=False)]
    if not isinstance(value, Mapping):
        return value
    found = {name: _without_secrets(label, one) for name, one in value.items()}
    if isinstance(environment := value.get("Environment"), Mapping):
        found["Environment"] = {
            name: _secret(label, name) if is_secret(name, text) else text
            for name, text in environment.items()
        }
    return found


def _secret(label: str, name: str) -> Secret:
    words = [word.capitalize() for word in name.lower().split("_") if word]
    # db_password and DB_PASSWORD are different variables.
    end = "" if "_".join(words).upper() == name else digest_of(name)[:4]
    return Secret("".join((label, *words, end)), f"The variable {name} of {label}.")
