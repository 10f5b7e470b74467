"""Terraform's code: resources of the AWS provider, with import blocks that adopt what exists."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.export.aws_resource import (
    ALARM,
    CONFIGURATION,
    MODEL,
    POLICY,
    SERVED,
    TARGET,
    AwsResource,
    MemberReference,
    Secret,
)
from mlserver_forest.aws.export.hcl import Expression, NestedBlocks, block
from mlserver_forest.aws.export.terraform_arguments import ARGUMENTS, Arguments

_TYPES: Mapping[str, str] = {
    MODEL: "aws_sagemaker_model",
    CONFIGURATION: "aws_sagemaker_endpoint_configuration",
    SERVED: "aws_sagemaker_endpoint",
    TARGET: "aws_appautoscaling_target",
    POLICY: "aws_appautoscaling_policy",
    ALARM: "aws_cloudwatch_metric_alarm",
}
# Members whose arguments are not their names in lower case; nested ones have all parents' rules.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    MODEL: {"ModelName": "name", "Containers": "container"},
    CONFIGURATION: {"EndpointConfigName": "name", "KmsKeyId": "kms_key_arn"},
    SERVED: {"EndpointName": "name"},
    POLICY: {"PolicyName": "name"},
    ALARM: {"EvaluateLowSampleCountPercentile": "evaluate_low_sample_count_percentiles"},
}
_REPEATED = {"StepAdjustments": "step_adjustment"}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# The version whose documentation ARGUMENTS follows.
_PROVIDER = {"source": "hashicorp/aws", "version": ">= 6.0"}


@dataclass(frozen=True)
class TerraformCode:
    """Code, and what it leaves out.

    Attributes:
        text: the code.
        left_out: the members for which the provider has no argument, with their resource.
    """

    text: str
    left_out: tuple[str, ...]


def to_terraform(resources: Iterable[AwsResource], about: str) -> TerraformCode:
    """The code.

    Args:
        resources: the resources, each before those that refer to it.
        about: a line about the whole.
    """
    found = list(resources)
    writer = _Writer(found)
    written = [part for one in found for part in (writer.resource(one), writer.adoption(one))]
    provider = block("terraform", (), {"required_providers": NestedBlocks(({"aws": _PROVIDER},))})
    variables = [_variable(one) for one in writer.secrets.values()]
    comments = [f"# Not in the provider: {one}" for one in writer.left_out]
    head = "\n".join((f"# {about}", *comments))
    text = "\n\n".join((head, provider, *variables, *written)) + "\n"
    return TerraformCode(text, tuple(writer.left_out))


class _Writer:
    def __init__(self, resources: Iterable[AwsResource]) -> None:
        self.secrets: dict[str, Secret] = {}
        self.left_out: list[str] = []
        self._resources = {one.label: one for one in resources}
        # Where the argument is that is being written, for what is left out.
        self._label = ""

    def resource(self, one: AwsResource) -> str:
        self._label = one.label
        body: dict[str, Any] = {}
        for member, value in one.members.items():
            if member == "ScalingTargetId":
                names = ("service_namespace", "resource_id", "scalable_dimension")
                body |= {name: self._reference(value, name) for name in names}
                continue
            renamed = _RENAMED.get(one.kind, {}).get(member)
            body |= self._argument(member, value, ARGUMENTS[one.kind], renamed)
        if one.tags:
            body["tags"] = dict(one.tags)
        if one.after:
            body["depends_on"] = [Expression(self._address(label)) for label in one.after]
        if one.kind == CONFIGURATION:
            # The provider's documentation asks for it, because endpoints use configurations.
            body["lifecycle"] = NestedBlocks(({"create_before_destroy": True},))
        return block("resource", (_TYPES[one.kind], _snake(one.label)), body)

    def adoption(self, one: AwsResource) -> str:
        """The block that makes the code own what exists, in place of creating it."""
        target = Expression(self._address(one.label))
        return block("import", (), {"to": target, "id": self._identity(one)})

    def _identity(self, one: AwsResource) -> str:
        members = one.members
        if one.kind == TARGET:
            names = ("ServiceNamespace", "ResourceId", "ScalableDimension")
            return "/".join(members[name] for name in names)
        if one.kind == POLICY:
            target = self._resources[members["ScalingTargetId"].label]
            return f"{self._identity(target)}/{members['PolicyName']}"
        named = ("ModelName", "EndpointName", "EndpointConfigName", "AlarmName")
        return next(str(members[name]) for name in named if name in members)

    def _argument(
        self, member: str, value: Any, known: Arguments, renamed: str | None = None
    ) -> dict[str, Any]:
        name = renamed or _REPEATED.get(member) or _snake(member)
        if name not in known:
            self.left_out.append(f"{member} of {self._label}")
            return {}
        return {name: self._written(value, known[name], is_map=name == "environment")}

    def _written(self, value: Any, known: Arguments, *, is_map: bool) -> Any:
        if isinstance(value, MemberReference):
            return self._reference(value, value.attribute)
        if isinstance(value, Secret):
            self.secrets[value.name] = value
            return Expression(f"var.{_snake(value.name)}")
        if isinstance(value, Mapping) and is_map:
            return {name: self._written(one, {}, is_map=False) for name, one in value.items()}
        if isinstance(value, Mapping):
            return NestedBlocks((self._body(value, known),))
        if isinstance(value, list | tuple):
            return self._several(value, known)
        return value

    def _several(self, values: Iterable[Any], known: Arguments) -> Any:
        found = list(values)
        if not any(isinstance(one, Mapping) for one in found):
            return [self._written(one, known, is_map=False) for one in found]
        if not known:  # The dimensions of an alarm are a map.
            return {one["Name"]: one["Value"] for one in found}
        return NestedBlocks(tuple(self._body(one, known) for one in found))

    def _body(self, members: Mapping[str, Any], known: Arguments) -> dict[str, Any]:
        parts = (self._argument(name, value, known) for name, value in members.items())
        return {name: value for part in parts for name, value in part.items()}

    def _reference(self, reference: MemberReference, attribute: str) -> Expression:
        return Expression(f"{self._address(reference.label)}.{attribute}")

    def _address(self, label: str) -> str:
        return f"{_TYPES[self._resources[label].kind]}.{_snake(label)}"


def _variable(secret: Secret) -> str:
    body = {"type": Expression("string"), "sensitive": True, "description": secret.about}
    return block("variable", (_snake(secret.name),), body)


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()
