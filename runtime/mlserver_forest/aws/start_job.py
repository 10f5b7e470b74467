"""A job: found where the same command made it before, else made."""

from collections.abc import Callable
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.executor import Executor
from mlserver_forest.aws.steps import Call, Plan
from mlserver_forest.aws.waiter import Kind
from mlserver_forest.errors import DeploymentError

_MOST_ATTEMPTS = 100


def start(
    executor: Executor, kind: Kind, plan_of: Callable[[int], Plan], *, again: bool = False
) -> str:
    """Run the plan of the first attempt that is not taken by a job that failed.

    Args:
        executor: does the plan.
        kind: of job.
        plan_of: number of the attempt -> plan, whose last step makes the job.
        again: whether also a job that is running or done is left alone.

    Returns:
        The job's name.

    Raises:
        DeploymentError: if another job has the name, or all attempts are taken.
    """
    for attempt in range(1, _MOST_ATTEMPTS):
        plan = plan_of(attempt)
        request = plan[-1].call.request
        found = executor.aws.find(kind.look_up(request[kind.name]))
        if found is None:
            executor.run(plan)
            return str(request[kind.name])
        _check_same(executor.aws, kind, found, request)
        if not again and found[kind.status] not in kind.bad:
            executor.say(f"found {plan[-1].makes}")
            return str(request[kind.name])
    raise DeploymentError(
        f"{_MOST_ATTEMPTS} {kind.noun}s of this name exist; choose another --name"
    )


def _check_same(aws: Aws, kind: Kind, found: dict[str, Any], request: Any) -> None:
    """Names of jobs are used once; the tag tells which request a job was made from."""
    arn = found[kind.name.removesuffix("Name") + "Arn"]
    there = tags_of(aws, arn).get("mlserver-forest:request")
    wanted = {tag["Key"]: tag["Value"] for tag in request["Tags"]}["mlserver-forest:request"]
    if there != wanted:
        raise DeploymentError(
            f"the name is taken: {kind.noun} {request[kind.name]} was made from other options; "
            "choose another --name, or none"
        )


def tags_of(aws: Aws, arn: str) -> dict[str, str]:
    call = Call("sagemaker", "ListTags", {"ResourceArn": arn})
    return {tag["Key"]: tag["Value"] for tag in aws.pages(call, "Tags")}
