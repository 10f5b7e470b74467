"""An execution of a pipeline, followed to its end with the states of its steps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.waiter import EndedBadly, Say, patiently
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

_STATUS = "PipelineExecutionStatus"
_GOOD = "Succeeded"
_BAD = ("Failed", "Stopped", "CompletedWithFailures")
# The jobs whose logs ``forest logs`` shows, by the member of a step's metadata.
_LOGS = {"TrainingJob": "TrainingJobs", "ProcessingJob": "ProcessingJobs"}


@dataclass(frozen=True)
class FollowExecution:
    """Wait until an execution has ended.

    Attributes:
        arn: its ARN.
        seconds: the seconds between two checks.
    """

    arn: str
    seconds: float

    def calls(self) -> list[dict[str, Any]]:
        until = f"until {_STATUS} is {' or '.join(sorted((_GOOD, *_BAD)))}"
        looks = (_execution(self.arn), _steps(self.arn))
        return [{**one.as_json(), "repeated": until} for one in looks]


def follow_execution(aws: "Aws", wanted: FollowExecution, say: Say) -> Answer:
    """Print each state of each step; an interrupt leaves the execution running.

    Returns:
        The description of the execution with its steps as ``Steps``.

    Raises:
        EndedBadly: with the step that failed, why, and where its log is.
        DeploymentError: if the wait was interrupted.
    """
    say(f"execution {wanted.arn}")
    try:
        return _until_end(aws, wanted, say)
    except KeyboardInterrupt:
        raise DeploymentError(f"interrupted; {goes_on(wanted.arn)}") from None
    except Refused as error:
        raise DeploymentError(f"{error}; {goes_on(wanted.arn)}") from error


def goes_on(arn: str) -> str:
    """The message when the command stops waiting for an execution."""
    option = f"--pipeline-execution-arn {arn}"
    return (
        f"the execution continues without this command. Follow it: aws sagemaker "
        f"list-pipeline-execution-steps {option}; end it: aws sagemaker stop-pipeline-execution "
        f"{option}"
    )


def described_steps(steps: Sequence[Answer]) -> list[dict[str, Any]]:
    """The steps for the result: name, state, the ARN of the job or model package, and failure."""
    return [
        {
            "name": one["StepName"],
            "status": one["StepStatus"],
            "arn": _arn(one),
            "failure": one.get("FailureReason", ""),
        }
        for one in steps
    ]


def _until_end(aws: "Aws", wanted: FollowExecution, say: Say) -> Answer:
    told: set[str] = set()
    while True:
        found = patiently(partial(aws.call, _execution(wanted.arn)), say, wanted.seconds)
        listed = patiently(partial(aws.call, _steps(wanted.arn)), say, wanted.seconds)
        steps = listed["PipelineExecutionSteps"]
        for line in _lines(steps):
            if line not in told:
                told.add(line)
                say(line)
        if found[_STATUS] in _BAD:
            raise EndedBadly(_failure(found, steps))
        if found[_STATUS] == _GOOD:
            return {**found, "Steps": steps}
        time.sleep(wanted.seconds)


def _lines(steps: Sequence[Answer]) -> Iterator[str]:
    """A line for each step, oldest first."""
    for step in steps:
        outcome = _metadata(step).get("Condition", {}).get("Outcome")
        arn = _arn(step)
        more = f", {arn.partition(':')[2].rpartition(':')[2]}" if arn else ""
        more = f", {outcome}" if outcome else more
        yield f"step {step['StepName']}: {step['StepStatus']}{more}"


def _failure(found: Answer, steps: Sequence[Answer]) -> str:
    failed = [one for one in steps if one["StepStatus"] == "Failed"]
    reasons = [f"step {one['StepName']}: {_reason(one)}" for one in failed]
    reason = "; ".join(reasons) or found.get("FailureReason") or "no reason was given"
    return f"the execution is {found[_STATUS]}: {reason}"


def _reason(step: Answer) -> str:
    said = _metadata(step).get("Fail", {}).get("ErrorMessage")
    reason = said or step.get("FailureReason") or "no reason was given"
    kind = next((kind for kind in _LOGS if kind in _metadata(step)), None)
    if kind is None:
        return reason
    name = _arn(step).rpartition("/")[2]
    group = f"/aws/sagemaker/{_LOGS[kind]}"
    return f"{reason} (its log: aws logs tail {group} --log-stream-name-prefix {name})"


def _metadata(step: Answer) -> Mapping[str, Any]:
    return step.get("Metadata") or {}


def _arn(step: Answer) -> str:
    """The ARN of what the step has made, or empty."""
    return next((one["Arn"] for one in _metadata(step).values() if "Arn" in one), "")


def _execution(arn: str) -> Call:
    return Call("sagemaker", "DescribePipelineExecution", {"PipelineExecutionArn": arn})


def _steps(arn: str) -> Call:
    request = {"PipelineExecutionArn": arn, "SortOrder": "Ascending"}
    return Call("sagemaker", "ListPipelineExecutionSteps", request, "PipelineExecutionSteps")
