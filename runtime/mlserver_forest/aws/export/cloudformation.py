"""CloudFormation's code: a template in JSON, whose properties are the members of AWS's calls."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlserver_forest.aws.export.aws_resource import (
    ALARM,
    CONFIGURATION,
    MODEL,
    POLICY,
    TARGET,
    AwsResource,
    MemberReference,
    Secret,
)

# GetAtt's attributes of names; Ref gives ARNs and ids.
_NAMES = {MODEL: "ModelName", CONFIGURATION: "EndpointConfigName"}
_WITHOUT_TAGS = frozenset({TARGET, POLICY, ALARM})


def to_cloudformation(resources: Iterable[AwsResource], about: str) -> str:
    """The template.

    Args:
        resources: the resources, each before those that refer to it.
        about: a line about the whole.
    """
    found = list(resources)
    kinds = {one.label: one.kind for one in found}
    secrets: dict[str, Secret] = {}
    written = {one.label: _resource(one, kinds, secrets) for one in found}
    parameters = {
        name: {"Type": "String", "NoEcho": True, "Description": secret.about}
        for name, secret in secrets.items()
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": about,
        **({"Parameters": parameters} if parameters else {}),
        "Resources": written,
    }
    return json.dumps(template, indent=2) + "\n"


def _resource(
    one: AwsResource, kinds: Mapping[str, str], secrets: dict[str, Secret]
) -> dict[str, Any]:
    properties = {name: _value(value, kinds, secrets) for name, value in one.members.items()}
    if one.tags and one.kind not in _WITHOUT_TAGS:
        properties["Tags"] = [{"Key": key, "Value": text} for key, text in one.tags.items()]
    after = {"DependsOn": list(one.after)} if one.after else {}
    # An import of what exists needs both policies to be written.
    policies = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
    return {"Type": one.kind, **policies, **after, "Properties": properties}


def _value(value: Any, kinds: Mapping[str, str], secrets: dict[str, Secret]) -> Any:
    if isinstance(value, MemberReference):
        if value.attribute == "name":
            return {"Fn::GetAtt": [value.label, _NAMES[kinds[value.label]]]}
        return {"Ref": value.label}
    if isinstance(value, Secret):
        secrets[value.name] = value
        return {"Ref": value.name}
    if isinstance(value, Mapping):
        return {name: _value(one, kinds, secrets) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_value(one, kinds, secrets) for one in value]
    return value
