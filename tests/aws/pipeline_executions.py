"""Executions of pipelines, whose steps move on with each look at them.

moto 5 calls executions Succeeded at once, and has no ListPipelineExecutionSteps. Here, an execution
walks through the steps of the definition that moto keeps, one a look: a condition takes the branch
that the test says, and a Fail step ends it.
"""

import json
from dataclasses import dataclass, field

from aws.service_models import faults_of

_JOBS = {
    "Training": ("TrainingJob", "training-job/pipelines-x-Train"),
    "Tuning": ("TuningJob", "hyper-parameter-tuning-job/x-Tune"),
    "Processing": ("ProcessingJob", "processing-job/pipelines-x-Evaluate"),
    "RegisterModel": ("RegisterModel", "model-package/iris/1"),
}
_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:"


@dataclass
class PipelineExecutions:
    """The executions of a stand-in.

    Attributes:
        outcome: whether conditions are true.
        failing: the names of steps that fail, with the reason.
        looks: the number of steps that have ended, by execution.
    """

    outcome: bool = True
    failing: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)

    def steps(self, arn, definition):
        """The steps so far, oldest first; the last one may still run."""
        ended = self.looks.get(arn, 0)
        self.looks[arn] = ended + 1
        return list(self._until(self._order(definition["Steps"]), ended))

    def status(self, steps):
        """The state of an execution with these steps."""
        states = {one["StepStatus"] for one in steps}
        return next((one for one in ("Failed", "Executing") if one in states), "Succeeded")

    def _order(self, steps):
        for step in steps:
            yield step
            branches = step["Arguments"]
            yield from self._order(branches.get("IfSteps" if self.outcome else "ElseSteps", ()))

    def _until(self, steps, ended):
        for number, step in enumerate(steps):
            if number > ended:
                return
            name, kind = step["Name"], step["Type"]
            found = {"StepName": name, "StepStatus": "Succeeded", "Metadata": self._made(kind)}
            if kind == "Fail":
                found |= {"StepStatus": "Failed", "Metadata": {"Fail": {"ErrorMessage": "the bar"}}}
            elif number == ended:
                found |= {"StepStatus": "Executing"}
            elif name in self.failing:
                found |= {"StepStatus": "Failed", "FailureReason": self.failing[name]}
            yield found
            if found["StepStatus"] == "Failed":
                return

    def _made(self, kind):
        if kind == "Condition":
            return {"Condition": {"Outcome": str(self.outcome)}}
        member, end = _JOBS.get(kind, ("", ""))
        return {member: {"Arn": _ARN + end}} if member else {}


def start_execution(handler, request):
    """StartPipelineExecution: moto starts it, and it runs."""
    running = {"PipelineExecutionStatus": "Executing"}
    handler.stand_in.members["DescribePipelineExecution"] = running
    return handler._moto(body=json.dumps(request).encode())


def list_steps(handler, request):
    """ListPipelineExecutionSteps, after which DescribePipelineExecution says the same."""
    operation = "ListPipelineExecutionSteps"
    faults = faults_of({"service": "sagemaker", "operation": operation, "request": request})
    assert not faults, faults
    arn = {"PipelineExecutionArn": request["PipelineExecutionArn"]}
    target = "SageMaker.DescribePipelineDefinitionForExecution"
    status, headers, answer = handler._as(target, arn)
    if status == 200:
        executions = handler.stand_in.executions
        definition = json.loads(json.loads(answer)["PipelineDefinition"])
        steps = executions.steps(arn["PipelineExecutionArn"], definition)
        state = {"PipelineExecutionStatus": executions.status(steps)}
        handler.stand_in.members["DescribePipelineExecution"] = state
        answer = json.dumps({"PipelineExecutionSteps": steps}).encode()
    return status, headers, answer
