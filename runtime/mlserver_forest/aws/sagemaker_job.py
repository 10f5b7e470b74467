"""A job, which is found if the same command created it before, and otherwise created."""

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
    """A job that exists, or that is going to be created.

    Attributes:
        kind: the kind of job.
        request: the request that creates it.
        step: the step that creates it; it has ``found`` if the same job is running or done.
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
        """The job's description if it exists."""
        return self.step.found

    def wait(self, poll: float | None) -> Plan:
        """The step that follows the job to its end.

        Args:
            poll: seconds between two checks, or None for no such step.
        """
        return () if poll is None else (Step(Wait(self.kind, self.name, poll)),)


def find_job(
    existing: Existing, kind: Kind, request_of: Callable[[int], Request], *, again: bool
) -> SageMakerJob:
    """Find or plan the job under the first name that is not taken by a failed job.

    Args:
        existing: the account.
        kind: the kind of job.
        request_of: turns the number of the attempt, from 1, into the request; the name depends
            on the number.
        again: whether to create another job even if the same one is running or done.

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
    """The name of an attempt: the first has the name itself, the second ends in -2."""
    return name if attempt == 1 else f"{name}-{attempt}"


def _check_same(existing: Existing, kind: Kind, found: Answer, request: Any) -> None:
    """Check that a job was created by the same request, whose digest is in a tag."""
    there = tags_of(existing, found[kind.arn]).get(REQUEST)
    wanted = {tag["Key"]: tag["Value"] for tag in request["Tags"]}[REQUEST]
    if there != wanted:
        raise DeploymentError(
            f"the name is taken: {kind.noun} {request[kind.name]} was created with other options; "
            "choose another --name, or leave it out"
        )
