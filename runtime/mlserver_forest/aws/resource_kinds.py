"""The endpoints and jobs that SageMaker runs, with SageMaker's names for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Kind:
    """One kind of endpoint or job.

    Attributes:
        noun: its name in messages.
        subject: SageMaker's name for it, as it occurs in operations and members.
        good, bad: its final states.
        log_group: CloudWatch's log group, with {} for the name if each has its own.
        detail: the member that says more about the state, or empty.
        is_job: whether it ends by itself and can be stopped.
        is_search: whether its log is that of the training jobs that it creates.
    """

    noun: str
    subject: str
    good: frozenset[str]
    bad: frozenset[str]
    log_group: str
    detail: str = ""
    is_job: bool = True
    is_search: bool = False

    @property
    def word(self) -> str:
        """Its name on a command line."""
        return self.noun.replace(" ", "-")

    @property
    def name(self) -> str:
        """The member that holds the name."""
        return f"{self.subject}Name"

    @property
    def status(self) -> str:
        """The member that holds the state."""
        return f"{self.subject}Status"

    @property
    def arn(self) -> str:
        """The member that holds the ARN."""
        return f"{self.subject}Arn"

    def look_up(self, name: str) -> Call:
        """The call that describes it."""
        return Call("sagemaker", f"Describe{self.subject}", {self.name: name})

    def stop(self, name: str) -> Call:
        """The call that ends a job early."""
        return Call("sagemaker", f"Stop{self.subject}", {self.name: name})

    def has_ended(self, found: Answer) -> bool:
        """Whether its description, or an item of a listing, has a final state."""
        return found.get(self.status) in self.good | self.bad

    def state(self, found: Answer) -> str:
        """The state with its detail, as text."""
        state = str(found[self.status])
        detail = found.get(self.detail) if self.detail else None
        return f"{state}, {detail}" if detail and detail != state else state

    def goes_on(self, name: str) -> str:
        """The message when the command stops waiting for it."""
        end = f"forest stop {name}"
        if not self.is_job:
            # AWS deletes no endpoint while it creates or updates it.
            end = f"forest delete {name}, when it is in service or has failed"
        return (
            f"{self.noun} {name} continues without this command. Follow it: forest status {name}, "
            f"forest logs {name} --follow; end it: {end}"
        )


_JOB_GOOD, _JOB_BAD = frozenset({"Completed"}), frozenset({"Failed", "Stopped"})
_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
TRAINING = Kind(
    "training job",
    "TrainingJob",
    _JOB_GOOD,
    _JOB_BAD,
    _TRAINING_LOGS,
    "SecondaryStatus",
)
TUNING = Kind(
    "tuning job",
    "HyperParameterTuningJob",
    _JOB_GOOD,
    # A tuning job that is being deleted has ended as well.
    _JOB_BAD | {"Deleting", "DeleteFailed"},
    _TRAINING_LOGS,
    is_search=True,
)
TRANSFORM = Kind(
    "transform job", "TransformJob", _JOB_GOOD, _JOB_BAD, "/aws/sagemaker/TransformJobs"
)
ENDPOINT = Kind(
    "endpoint",
    "Endpoint",
    frozenset({"InService"}),
    frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"}),
    "/aws/sagemaker/Endpoints/{}",
    is_job=False,
)
KINDS = (ENDPOINT, TRAINING, TUNING, TRANSFORM)


Named = tuple[tuple[Kind, Answer], ...]


def find_named(
    existing: Existing,
    kinds: Sequence[Kind],
    name: str,
    has_left: Callable[[Kind], bool] = lambda kind: False,
) -> Named | Unknown:
    """All resources of this name with their descriptions: an endpoint does not hide a job.

    Args:
        existing: the account.
        kinds: the kinds that are asked for.
        name: the name.
        has_left: whether a resource of a kind that is gone has left something, and is found as
            well, with an empty description.

    Raises:
        DeploymentError: if there is no such resource.
    """
    nouns = ", no ".join(kind.noun for kind in kinds)
    if name.startswith("arn:"):
        end = name.rpartition("/")[2]
        raise DeploymentError(
            f"{name} is an ARN, and a name is expected, such as {end}; of an execution of a "
            "pipeline, aws sagemaker describe-pipeline-execution shows the state, and "
            "stop-pipeline-execution ends it"
        )
    found = []
    for kind in kinds:
        description = existing.find(kind.look_up(name))
        if description is UNKNOWN:
            return UNKNOWN
        if description or has_left(kind):
            found.append((kind, description or {}))
    if not found:
        raise DeploymentError(
            f"there is no {nouns} {name} in {existing.region}; forest list shows what exists, and "
            "aws sagemaker list-pipelines shows pipelines"
        )
    return tuple(found)


def tags_of(existing: Existing, arn: str) -> dict[str, str]:
    """The tags of a resource; empty if they are unknown."""
    call = Call("sagemaker", "ListTags", {"ResourceArn": arn}, items="Tags")
    return {tag["Key"]: tag["Value"] for tag in existing.items(call)}


def metrics_of(found: Mapping[str, Any]) -> dict[str, float]:
    """The final metrics of a training job's description; AWS writes NaN and infinities as text."""
    return {one["MetricName"]: float(one["Value"]) for one in found.get("FinalMetricDataList", [])}


def metric_lines(found: Mapping[str, Any]) -> list[str]:
    """A line for each final metric of a training job's description."""
    return [f"{name}={value:.6g}" for name, value in metrics_of(found).items()]
