"""Expressions of a pipeline definition, whose values SageMaker fills in when an execution runs.

Their forms are those that the SageMaker SDK writes (its ``workflow/functions.py``), which is what
AWS documents under "Pipelines overview".
"""

from collections.abc import Mapping
from typing import Any

EXECUTION_ID = {"Get": "Execution.PipelineExecutionId"}
_PARAMETER = "Parameters."


def parameter(name: str) -> dict[str, str]:
    """The value of a parameter of the pipeline."""
    return {"Get": f"{_PARAMETER}{name}"}


def property_of(step: str, path: str) -> dict[str, str]:
    """A member of the answer to the Describe call of a step's job.

    Args:
        step: the step's name.
        path: such as ``ModelArtifacts.S3ModelArtifacts``.
    """
    return {"Get": f"Steps.{step}.{path}"}


def join(*values: Any, separator: str = "/") -> dict[str, Any]:
    """Texts, numbers and other expressions as one text."""
    return {"Std:Join": {"On": separator, "Values": list(values)}}


def json_member(step: str, property_file: str, path: str) -> dict[str, Any]:
    """A value in a JSON file that a processing step has written.

    Args:
        step: the step's name.
        property_file: the name of the property file.
        path: such as ``metrics.rmse``.
    """
    file = {"Get": f"Steps.{step}.PropertyFiles.{property_file}"}
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


def resolved(value: Any, parameters: Mapping[str, Any]) -> Any:
    """A part of a definition with the values of parameters, and placeholders for the rest.

    Args:
        value: the part.
        parameters: the values by name.

    Returns:
        The same with ``<...>`` for what only an execution knows.
    """
    if isinstance(value, list):
        return [resolved(one, parameters) for one in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"Get"}:
        name = str(value["Get"])
        known = parameters.get(name.removeprefix(_PARAMETER))
        return known if name.startswith(_PARAMETER) and known is not None else f"<{name}>"
    if set(value) == {"Std:Join"}:
        parts = (str(resolved(one, parameters)) for one in value["Std:Join"]["Values"])
        return str(value["Std:Join"]["On"]).join(parts)
    if set(value) == {"Std:JsonGet"}:
        return f"<{value['Std:JsonGet']['Path']}>"
    return {name: resolved(one, parameters) for name, one in value.items()}
