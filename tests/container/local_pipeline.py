"""Runs the definition of a pipeline in the SageMaker SDK's local mode.

It is given to a Python that has the SDK: the folder with definition.json, the name of the image
that takes the place of each other one, and values of parameters as JSON. Printed are, as JSON, the
document that the SDK writes for the same steps, and the state of each step that has run.

Local mode has no RegisterModel, which is left out.
"""

import json
import sys
from pathlib import Path

from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.properties import Properties, PropertyFile
from sagemaker.workflow.steps import Step, StepTypeEnum

PARAMETERS = {"String": ParameterString, "Float": ParameterFloat}
CONDITIONS = {
    "GreaterThanOrEqualTo": ConditionGreaterThanOrEqualTo,
    "LessThanOrEqualTo": ConditionLessThanOrEqualTo,
}
SHAPES = {"Training": "DescribeTrainingJobResponse", "Processing": "DescribeProcessingJobResponse"}


class DocumentStep(Step):
    """A step whose arguments are those of the document."""

    def __init__(self, step, arguments):
        super().__init__(name=step["Name"], step_type=StepTypeEnum(step["Type"]))
        self._arguments = arguments
        self.property_files = [
            PropertyFile(one["PropertyFileName"], one["OutputName"], one["FilePath"])
            for one in step.get("PropertyFiles", ())
        ]
        self._properties = Properties(step["Name"], shape_name=SHAPES[step["Type"]])

    @property
    def arguments(self):
        return self._arguments

    @property
    def properties(self):
        return self._properties

    def to_request(self):
        files = [one.expr for one in self.property_files]
        return super().to_request() | ({"PropertyFiles": files} if files else {})


class Document:
    """The document with the SDK's objects in place of expressions."""

    def __init__(self, document, image):
        self.image = image
        self.parameters = {
            one["Name"]: PARAMETERS[one["Type"]](one["Name"], one["DefaultValue"])
            for one in document["Parameters"]
        }
        self.steps = [self.step(one) for one in document["Steps"]]

    def step(self, step):
        name, arguments = step["Name"], step["Arguments"]
        if step["Type"] == "Fail":
            return FailStep(name, error_message=self.value(arguments["ErrorMessage"]))
        if step["Type"] != "Condition":
            return DocumentStep(step, self.value(arguments))
        conditions = [
            CONDITIONS[one["Type"]](self.value(one["LeftValue"]), self.value(one["RightValue"]))
            for one in arguments["Conditions"]
        ]
        supported = [one for one in arguments["IfSteps"] if one["Type"] != "RegisterModel"]
        branches = (
            [self.step(one) for one in some] for some in (supported, arguments["ElseSteps"])
        )
        return ConditionStep(name, None, None, None, conditions, *branches)

    def value(self, value):
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, str) and "amazonaws.com/" in value:
            return self.image
        if not isinstance(value, dict):
            return value
        ((key, inner),) = value.items() if len(value) == 1 else ((None, None),)
        known = {"Get": self.get, "Std:Join": self.join, "Std:JsonGet": self.json_get}
        return known[key](inner) if key in known else {k: self.value(v) for k, v in value.items()}

    def get(self, path):
        kind, name, rest = [*path.split(".", 2), ""][:3]
        if kind == "Parameters":
            return self.parameters[name]
        if kind == "Execution":
            assert name == "PipelineExecutionId"
            return ExecutionVariables.PIPELINE_EXECUTION_ID
        return Properties(name, path=rest)

    def join(self, inner):
        return Join(inner["On"], [self.value(one) for one in inner["Values"]])

    def json_get(self, inner):
        _, step, _, file = inner["PropertyFile"]["Get"].split(".")
        return JsonGet(step_name=step, property_file=file, json_path=inner["Path"])


def main(folder, image, values):
    document = Document(json.loads((folder / "definition.json").read_text()), image)
    session = LocalPipelineSession()
    session.config = {"local": {"local_code": True, "container_root": str(folder)}}
    steps, parameters = document.steps, list(document.parameters.values())
    pipeline = Pipeline("iris", parameters=parameters, steps=steps, sagemaker_session=session)
    written = json.loads(pipeline.definition())
    pipeline.create("arn:aws:iam::123456789012:role/forest", "local")
    execution = pipeline.start(parameters=values)
    ran = {
        one["StepName"]: [one.get("StepStatus"), one.get("FailureReason"), one.get("Metadata")]
        for one in execution.list_steps()["PipelineExecutionSteps"]
    }
    print("RESULT" + json.dumps({"document": written, "steps": ran}, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
