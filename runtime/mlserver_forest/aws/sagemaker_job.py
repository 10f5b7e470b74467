"""A job: found if the same command made it before, otherwise made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import REQUEST
from mlserver_forest.aws.resource_kinds import Kind, tags_of
from mlserver_forest.aws.step import Answer, Call, Plan, Request, Step
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError

_MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class SageMakerJob:
    """A job that is there, or is going to be made.

    Attributes:
        kind: of job.
        request: that makes it.
        step: makes it; has ``found`` if the same job runs or is done.
    """

    kind: Kind
    request: Request
    step: Step

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.request[self.kind.name])

    @property
    def found(self) -> Answer | None:
        """The job's description if it is there."""
        return self.step.found

    def wait(self, poll: float | None) -> Plan:
        """The step that follows it to its end.

        Args:
            poll: seconds between two looks, or None for no such step.
        """
        return () if poll is None else (Step(Wait(self.kind, self.name, poll)),)


def find_job(
    existing: Existing, kind: Kind, request_of: Callable[[int], Request], *, again: bool
) -> SageMakerJob:
    """The job under the first name that no failed job has taken.

    Args:
        existing: the account.
        kind: of job.
        request_of: number of the attempt, from 1 -> the request, whose name depends on it.
        again: whether to make another job even if the same one runs or is done.

    Raises:
        DeploymentError: if the name belongs to a different job, or all attempts are taken.
    """
    for attempt in range(1, _MOST_ATTEMPTS):
        request = request_of(attempt)
        name = request[kind.name]
        look_up = kind.look_up(name)
        step = Step(
            Call("sagemaker", f"Create{kind.subject}", request),
            found_by=look_up,
            makes=f"{kind.noun} {name}",
            removed_by=f"forest stop {name}",
        )
        found = existing.find(look_up)
        if found is UNKNOWN:
            return SageMakerJob(kind, request, replace(step, unless=look_up))
        if found is None:
            return SageMakerJob(kind, request, step)
        _check_same(existing, kind, found, request)
        if not again and found[kind.status] not in kind.bad:
            return SageMakerJob(kind, request, replace(step, found=found))
    raise DeploymentError(
        f"{_MOST_ATTEMPTS} {kind.noun}s of this name exist; choose another --name"
    )


def numbered(name: str, attempt: int) -> str:
    """The name of a job's attempt: the first has the name itself, the second ends in -2."""
    return name if attempt == 1 else f"{name}-{attempt}"


def _check_same(existing: Existing, kind: Kind, found: Answer, request: Any) -> None:
    """Names of jobs are used once; a tag has the digest of the request that made the job."""
    there = tags_of(existing, found[kind.arn]).get(REQUEST)
    wanted = {tag["Key"]: tag["Value"] for tag in request["Tags"]}[REQUEST]
    if there != wanted:
        raise DeploymentError(
            f"the name is taken: {kind.noun} {request[kind.name]} was made from other options; "
            "choose another --name, or none"
        )
