"""A definition is held against AWS's own models of the jobs that its steps run.

The arguments of a step are the request of its job, whose wrong values would otherwise come out when
an execution has reached the step.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlserver_forest.aws.pipeline.expressions import resolved
from mlserver_forest.aws.request_check import ServiceModels, check_plan
from mlserver_forest.aws.step import Call, Step

# What SageMaker calls for a step, and the member of the request that it fills in.
_CALLS: Mapping[str, tuple[str, str]] = {
    "Training": ("CreateTrainingJob", "TrainingJobName"),
    "Tuning": ("CreateHyperParameterTuningJob", "HyperParameterTuningJobName"),
    "Processing": ("CreateProcessingJob", "ProcessingJobName"),
    "RegisterModel": ("CreateModelPackage", "ClientToken"),
}


def check_definition(
    definition: Mapping[str, Any], parameters: Mapping[str, Any], models: ServiceModels
) -> None:
    """Check the requests of all steps.

    Args:
        definition: the definition.
        parameters: the values of its parameters in an execution.
        models: AWS's models of its services.

    Raises:
        InvalidRequest: with all the values that AWS would refuse.
    """
    check_plan(tuple(_steps(definition["Steps"], parameters)), models, is_dry_run=True)


def _steps(steps: Any, parameters: Mapping[str, Any]) -> Iterator[Step]:
    for step in steps:
        arguments = resolved(step["Arguments"], parameters)
        for branch in ("IfSteps", "ElseSteps"):
            yield from _steps(step["Arguments"].get(branch, ()), parameters)
        if step["Type"] in _CALLS:
            operation, name = _CALLS[step["Type"]]
            yield Step(Call("sagemaker", operation, {**arguments, name: "<its name>"}))
