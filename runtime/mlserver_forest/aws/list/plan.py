"""``forest list``: endpoints, jobs, and what remains when an endpoint is deleted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import is_ours
from mlserver_forest.aws.resource_kinds import ENDPOINT, TRAINING, TRANSFORM, TUNING, Kind, tags_of
from mlserver_forest.aws.status.describe import detail_steps
from mlserver_forest.aws.step import Answer, Call, Plan, Step

# The member of the answer that holds the items, by the subject of the operation.
_ITEMS: Mapping[str, str] = {
    "Endpoint": "Endpoints",
    "TrainingJob": "TrainingJobSummaries",
    "HyperParameterTuningJob": "HyperParameterTuningJobSummaries",
    "TransformJob": "TransformJobSummaries",
    "EndpointConfig": "EndpointConfigs",
    "Model": "Models",
}
_KINDS = {kind.subject: kind for kind in (ENDPOINT, TRAINING, TUNING, TRANSFORM)}
# Resources that cost nothing.
_NOUNS = {"EndpointConfig": "endpoint configuration", "Model": "model"}


@dataclass(frozen=True)
class Listed:
    """One thing that a listing contains.

    Attributes:
        subject: SageMaker's name for its kind.
        item: the item of the listing.
        found: its description, if it may cost something now.
    """

    subject: str
    item: Answer
    found: Answer | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.item[f"{self.subject}Name"])

    @property
    def kind(self) -> Kind | None:
        """Endpoints and jobs have a kind; configurations and models do not."""
        return _KINDS.get(self.subject)

    @property
    def noun(self) -> str:
        """Its kind as text."""
        return self.kind.noun if self.kind else _NOUNS[self.subject]


def listings(most_jobs: int) -> list[tuple[str, Call]]:
    """The subject and the listing of each kind of resource.

    Args:
        most_jobs: how many jobs of each kind are listed, newest first.
    """
    newest = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": most_jobs}
    found = []
    for subject, items in _ITEMS.items():
        is_job = subject in _KINDS and _KINDS[subject].is_job
        request, most = (newest, most_jobs) if is_job else ({}, 0)
        found.append((subject, Call("sagemaker", f"List{subject}s", request, items, most)))
    return found


def find_all(existing: Existing, *, foreign: bool, most_jobs: int) -> list[Listed] | None:
    """Everything that exists, or None if it is unknown.

    Args:
        existing: the account.
        foreign: whether to include what this tool did not create.
        most_jobs: how many jobs of each kind are listed, newest first.
    """
    found: list[Listed] = []
    for subject, call in listings(most_jobs):
        if existing.find(call) is UNKNOWN:
            return None
        found.extend(
            _listed(existing, subject, item)
            for item in existing.items(call)
            if foreign or is_ours(tags_of(existing, item[f"{subject}Arn"]))
        )
    return found


def plan(found: list[Listed] | None, most_jobs: int) -> Plan:
    """The calls for each endpoint, or the listings if nothing is known.

    Args:
        found: what exists.
        most_jobs: how many jobs of each kind are listed.
    """
    if found is None:
        return tuple(Step(call) for _, call in listings(most_jobs))
    return tuple(step for one in found for step in details_of(one))


def details_of(listed: Listed) -> Iterator[Step]:
    """The steps that describe one resource."""
    if listed.kind and listed.found:
        yield from detail_steps(listed.kind, listed.name, listed.found)


def _listed(existing: Existing, subject: str, item: Answer) -> Listed:
    listed = Listed(subject, item)
    kind = listed.kind
    if kind is None or (kind.is_job and kind.has_ended(item)):
        return listed
    found = existing.need(kind.look_up(listed.name))
    return listed if found is UNKNOWN else Listed(subject, item, found)
