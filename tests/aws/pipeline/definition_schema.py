"""The JSON schema of pipeline definitions, as far as this tool's definitions go.

The rules are those of AWS's published "pipeline definition JSON schema" (aws-sagemaker-mlops on
GitHub, of 2025-04-03): members, words, patterns and bounds. That schema forbids five things that
the SageMaker SDK writes and AWS runs, which are allowed here: Std:Join in place of a string,
Std:JsonGet in a condition, PropertyFiles of a processing step, ModelApprovalStatus, and the
Environment of training jobs. The arguments of steps that are requests are held against botocore's
models instead.
"""

import re

import jsonschema

_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9\-_]{1,64}$"}
_GET = {
    "type": "object",
    "properties": {"Get": {"type": "string", "pattern": r"^(Parameters|Steps|Execution)\.\S+$"}},
    "required": ["Get"],
    "additionalProperties": False,
}
_PART = {"oneOf": [{"type": ["string", "number"]}, _GET]}
_JOIN = {
    "type": "object",
    "properties": {
        "Std:Join": {
            "type": "object",
            "properties": {"On": {"type": "string"}, "Values": {"type": "array", "items": _PART}},
            "required": ["On", "Values"],
            "additionalProperties": False,
        }
    },
    "required": ["Std:Join"],
    "additionalProperties": False,
}
_JSON_GET = {
    "type": "object",
    "properties": {
        "Std:JsonGet": {
            "type": "object",
            "properties": {"PropertyFile": _GET, "Path": {"type": "string"}},
            "required": ["PropertyFile", "Path"],
            "additionalProperties": False,
        }
    },
    "required": ["Std:JsonGet"],
    "additionalProperties": False,
}
_COMPARISONS = ["GreaterThan", "LessThan", "LessThanOrEqualTo", "GreaterThanOrEqualTo"]
_CONDITION = {
    "type": "object",
    "properties": {
        "Type": {"enum": [*_COMPARISONS, "Equals", "NotEquals"]},
        "LeftValue": {"oneOf": [_JSON_GET, _GET]},
        "RightValue": {"oneOf": [{"type": "number"}, _GET]},
    },
    "required": ["Type", "LeftValue", "RightValue"],
    "additionalProperties": False,
}
_FILE = {
    "type": "object",
    "properties": {"PropertyFileName": _NAME, "OutputName": _NAME, "FilePath": {"type": "string"}},
    "required": ["PropertyFileName", "OutputName", "FilePath"],
    "additionalProperties": False,
}


def _parameter(kind, json_type, **more):
    return {
        "type": "object",
        "properties": {
            "Name": _NAME,
            "Type": {"enum": [kind]},
            "DefaultValue": {"type": json_type, **more},
        },
        "required": ["Name", "Type"],
        "additionalProperties": False,
    }


def _step(kind, arguments, **more):
    return {
        "type": "object",
        "properties": {"Name": _NAME, "Type": {"enum": [kind]}, "Arguments": arguments, **more},
        "required": ["Type", "Name", "Arguments"],
        "additionalProperties": False,
    }


def _branch(*steps):
    return {"type": "array", "items": {"oneOf": list(steps)}}


_REQUEST = {"type": "object"}
_STOP = _step("Fail", {"type": "object", "properties": {"ErrorMessage": {"oneOf": [_PART, _JOIN]}}})
_REGISTER = _step("RegisterModel", _REQUEST)
_ONLY_IF = {
    "type": "object",
    "properties": {
        "Conditions": {"type": "array", "items": _CONDITION},
        "IfSteps": _branch(_REGISTER),
        "ElseSteps": _branch(_STOP),
    },
    "required": ["Conditions"],
    "additionalProperties": False,
}
_STEPS = (
    _step("Training", _REQUEST),
    _step("Tuning", _REQUEST),
    _step("Processing", _REQUEST, PropertyFiles={"type": "array", "items": _FILE}),
    _step("Condition", _ONLY_IF),
)
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "Version": {"enum": ["2020-12-01"]},
        "Parameters": {
            "type": "array",
            "items": {
                "oneOf": [
                    _parameter("String", "string", maxLength=4096),
                    _parameter("Float", "number"),
                ]
            },
        },
        "Steps": {"type": "array", "items": {"oneOf": list(_STEPS)}},
    },
    "required": ["Steps"],
    "additionalProperties": False,
}
_CALLS = {
    "Training": ("CreateTrainingJob", {"TrainingJobName": "x"}),
    "Tuning": ("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "x"}),
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "x"}),
    "RegisterModel": ("CreateModelPackage", {}),
}


def check_document(definition):
    """Assert that a definition is valid, and that what its expressions name exists."""
    jsonschema.Draft7Validator(SCHEMA).validate(definition)
    steps = list(_all_steps(definition["Steps"]))
    known = {f"Parameters.{one['Name']}" for one in definition["Parameters"]}
    for step in steps:
        for name in _names(step["Arguments"]):
            assert name in known | {"Execution.PipelineExecutionId"} or re.match(
                "|".join(rf"Steps\.{one['Name']}\." for one in steps), name
            ), name
    assert len({step["Name"] for step in steps}) == len(steps)


def requests_of(definition, values):
    """The calls of the steps, with a text in place of an expression that has no value."""
    for step in _all_steps(definition["Steps"]):
        if step["Type"] in _CALLS:
            operation, name = _CALLS[step["Type"]]
            request = {**_filled(step["Arguments"], values), **name}
            yield {"service": "sagemaker", "operation": operation, "request": request}


def _all_steps(steps):
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _all_steps(step["Arguments"].get(branch, ()))


def _names(value):
    if isinstance(value, list):
        for one in value:
            yield from _names(one)
    elif isinstance(value, dict):
        if set(value) == {"Get"}:
            yield value["Get"]
        for one in value.values():
            yield from _names(one)


def _filled(value, values):
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        return values.get(value["Get"], "s3://bucket/of-an-execution")
    if set(value) == {"Std:Join"}:
        return "s3://bucket/of-an-execution"
    return {name: _filled(one, values) for name, one in value.items()}
