"""``forest list``: endpoints, jobs, and what remains when an endpoint is deleted.

One resource that cannot be described, or one kind that cannot be listed, does not end the list.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.endpoint import configuration_look_up
from mlserver_forest.aws.existing import UNKNOWN, Existing, Found
from mlserver_forest.aws.list.owned import find_owned, tag_calls
from mlserver_forest.aws.resource_kinds import ENDPOINT, TRAINING, TRANSFORM, TUNING, Kind
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
# The number of endpoints and running jobs that are described; each takes one or two calls.
_MOST_DESCRIBED = 10
_PAGE = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Listed:
    """One thing that a listing contains.

    Attributes:
        subject: SageMaker's name for its kind.
        item: the item of the listing.
        found: its description, if it may cost something now and was looked up.
    """

    subject: str
    item: Answer
    found: Answer | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.item[f"{self.subject}Name"])

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.item[f"{self.subject}Arn"])

    @property
    def kind(self) -> Kind | None:
        """Endpoints and jobs have a kind; configurations and models do not."""
        return _KINDS.get(self.subject)

    @property
    def noun(self) -> str:
        """Its kind as text."""
        return self.kind.noun if self.kind else _NOUNS[self.subject]

    @property
    def has_costs(self) -> bool:
        """Whether it may cost something now."""
        return self.kind is not None and not (self.kind.is_job and self.kind.has_ended(self.item))


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        listed: the resources.
        refused: the kinds that could not be listed, with the reason.
    """

    listed: tuple[Listed, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def listings() -> list[tuple[str, Call]]:
    """The subject and the listing of each kind of resource; of jobs, the newest hundred."""
    return [
        (
            subject,
            Call(
                "sagemaker",
                f"List{subject}s",
                _PAGE,
                items,
                most=100 if subject in _KINDS and _KINDS[subject].is_job else 0,
            ),
        )
        for subject, items in _ITEMS.items()
    ]


def find_all(
    existing: Existing,
    *,
    foreign: bool,
    most_jobs: int,
    say: Say,
    most_described: int = _MOST_DESCRIBED,
) -> Listing | None:
    """Everything that exists, or None if it is unknown.

    Args:
        existing: the account.
        foreign: whether to include what this tool did not create.
        most_jobs: how many jobs of each kind are listed, newest first.
        say: prints a line about what is not listed.
        most_described: how many endpoints and running jobs are described.

    Raises:
        DeploymentError: if nothing can be listed.
    """
    found: list[Listed] = []
    refused: dict[str, Refused] = {}
    for subject, call in listings():
        try:
            if existing.find(call) is UNKNOWN:
                return None
            found.extend(Listed(subject, item) for item in existing.items(call))
        except Refused as error:
            if error.is_general:
                raise
            refused[subject] = error
            say(f"not listed: {error}")
    if len(refused) == len(_ITEMS):
        raise next(iter(refused.values()))
    if not foreign:
        resources = [(one.name, one.arn, one.item.get("CreationTime")) for one in found]
        owned = find_owned(existing, resources, say)
        found = [one for one in found if one.arn in owned]
    found = list(_newest(found, most_jobs))
    reasons = {subject: str(error) for subject, error in refused.items()}
    return Listing(tuple(_described(existing, found, say, most_described)), reasons)


def plan(found: Listing | None) -> Plan:
    """The calls for each endpoint, or the listings if nothing is known.

    Args:
        found: what exists.
    """
    if found is None:
        return tuple(Step(call) for call in (*(call for _, call in listings()), *tag_calls()))
    return tuple(step for one in found.listed for step in details_of(one))


def details_of(listed: Listed) -> Iterator[Step]:
    """The step that finds the instances of an endpoint."""
    if listed.kind is ENDPOINT and listed.found:
        yield Step(
            configuration_look_up(listed.found["EndpointConfigName"]),
            may_be_missing=True,
            if_refused=f"the instances of {listed.name} are not known",
        )


def _newest(found: list[Listed], most_jobs: int) -> Iterator[Listed]:
    """All but the older jobs of each kind."""
    left = dict.fromkeys(_ITEMS, most_jobs)
    for one in found:
        is_job = one.kind is not None and one.kind.is_job
        if not is_job or left[one.subject] > 0:
            yield one
        left[one.subject] -= 1


def _described(existing: Existing, found: list[Listed], say: Say, left: int) -> Iterator[Listed]:
    for one in found:
        if one.kind is None or not one.has_costs or left == 0:
            yield one
            continue
        left -= 1
        try:
            description: Found = existing.find(one.kind.look_up(one.name))
        except Refused as error:
            say(f"{one.noun} {one.name} cannot be described: {error}")
            description = UNKNOWN
        yield one if description is UNKNOWN else replace(one, found=description)
