"""A job, which is found if the same command created it before, and otherwise created.

A job is the same if its options are, and if the data that it read from S3 are what they are now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import DATA, REQUEST, digest_of, tag_list
from mlserver_forest.aws.resource_kinds import Kind, tags_of
from mlserver_forest.aws.step import Answer, Call, Plan, Request, Step
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError

_MOST_ATTEMPTS = 100

# Turns the end of a name, such as -2 or empty, into the request that creates the job.
RequestOf = Callable[[str], Request]


@dataclass(frozen=True)
class JobIdentity:
    """What makes two jobs the same.

    Attributes:
        options: a digest of the options.
        data: a digest of the data in S3 that the job reads, or empty if the options tell the data.
    """

    options: str
    data: str = ""

    @property
    def digest(self) -> str:
        """A digest of both, for names."""
        return digest_of([self.options, self.data]) if self.data else self.options

    def tags(self, user: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
        """The job's tags, which record its identity, with the user's tags."""
        return tag_list(user, request=self.options, data=self.data)


@dataclass(frozen=True)
class SageMakerJob:
    """A job that exists, or that is going to be created.

    Attributes:
        kind: the kind of job.
        request: the request that creates it.
        step: the step that creates it; it has ``found`` if the same job is running or done.
        notes: lines for the user about the choice of the job.
    """

    kind: Kind
    request: Request
    step: Step
    notes: tuple[str, ...] = ()

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


def find_job(existing: Existing, kind: Kind, request_of: RequestOf, *, again: bool) -> SageMakerJob:
    """Find or plan the job under the first name that is not taken by a failed job.

    If the name belongs to the same job on data that have changed in S3 since, the name of the new
    job ends in a digest of the new data.

    Args:
        existing: the account.
        kind: the kind of job.
        request_of: turns the end of the name into the request.
        again: whether to create another job even if the same one is running or done.

    Raises:
        DeploymentError: if the name belongs to a different job, or all attempts are taken.
    """
    first = request_of("")
    step = _step(kind, first)
    found = existing.find(kind.look_up(first[kind.name]))
    if found is UNKNOWN:
        return SageMakerJob(kind, first, replace(step, unless=step.found_by))
    if found and not _has_same_data(existing, kind, found, first):
        job = _first_free(existing, kind, request_of, f"-{_tag(first, DATA)}", again=again)
        earlier = f"{kind.noun} {first[kind.name]}"
        note = f"{earlier} read other data from S3 than there are now; this is another job"
        return replace(job, notes=(note,))
    return _first_free(existing, kind, request_of, "", again=again)


def _first_free(
    existing: Existing, kind: Kind, request_of: RequestOf, end: str, *, again: bool
) -> SageMakerJob:
    for attempt in range(1, _MOST_ATTEMPTS):
        request = request_of(end if attempt == 1 else f"{end}-{attempt}")
        step = _step(kind, request)
        found = existing.find(kind.look_up(request[kind.name]))
        if found is None or found is UNKNOWN:
            return SageMakerJob(kind, request, step)
        if not _has_same_data(existing, kind, found, request):
            continue
        if not again and found[kind.status] not in kind.bad:
            return SageMakerJob(kind, request, replace(step, found=found))
    raise DeploymentError(
        f"{_MOST_ATTEMPTS} {kind.noun}s of this name exist; choose another --name"
    )


def _step(kind: Kind, request: Request) -> Step:
    name = request[kind.name]
    return Step(
        Call("sagemaker", f"Create{kind.subject}", request),
        found_by=kind.look_up(name),
        makes=f"{kind.noun} {name}",
        removed_by=f"forest stop {name}",
    )


def _has_same_data(existing: Existing, kind: Kind, found: Answer, request: Request) -> bool:
    """Whether a job with the same options read the data that are in S3 now.

    Raises:
        DeploymentError: if the job was created with other options.
    """
    tags = tags_of(existing, found[kind.arn])
    if tags.get(REQUEST) != _tag(request, REQUEST):
        raise DeploymentError(
            f"the name is taken: {kind.noun} {request[kind.name]} was created with other options; "
            "choose another --name, or leave it out"
        )
    return tags.get(DATA, "") == _tag(request, DATA)


def _tag(request: Any, key: str) -> str:
    return {tag["Key"]: str(tag["Value"]) for tag in request["Tags"]}.get(key, "")
