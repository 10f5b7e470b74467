"""A plan that failed in the middle: what was done until then, what exists now, and what is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.aws_errors import subject_of
from mlserver_forest.aws.step import Call, Plan, Step
from mlserver_forest.errors import DeploymentError

# Operations that change nothing begin with these words.
_READS = ("Describe", "Get", "Head", "List")


class PlanFailed(DeploymentError):
    """A step failed after others had changed something.

    Attributes:
        cause: the error of the step.
        outcome: what the plan has done, and what it has not.
    """

    def __init__(self, cause: BaseException, outcome: "PlanOutcome") -> None:
        self.cause = cause
        self.outcome = outcome
        super().__init__("\n".join([str(cause) or "interrupted", *outcome.lines()]))

    def as_json(self) -> dict[str, Any]:
        """The outcome, for ``--json``."""
        return self.outcome.as_json()


@dataclass(frozen=True)
class PlanOutcome:
    """What a failed plan has done.

    Attributes:
        made: the steps whose results exist now and can be removed.
        done: texts about other changes that were made.
        not_done: texts about changes that were not made.
        not_deleted: texts that name what was to be deleted.
    """

    made: tuple[Step, ...] = ()
    done: tuple[str, ...] = ()
    not_done: tuple[str, ...] = ()
    not_deleted: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Lines for the end of an error; empty if nothing has changed."""
        lines = [f"done: {one}" for one in self.done]
        if self.done and self.not_done:
            lines += [f"not done: {one}" for one in self.not_done]
        if self.made:
            lines.append("what exists now because of this command:")
        lines += [f"  {one.makes} (remove it with: {one.removed_by})" for one in self.made]
        left = "; ".join(self.not_deleted)
        return [*lines, f"not deleted yet: {left}; run it again"] if left else lines

    def as_json(self) -> dict[str, Any]:
        """The same as members of a document, without those that are empty."""
        made = [{"what": one.makes, "remove_with": one.removed_by} for one in self.made]
        texts = {"done": self.done, "not_done": self.not_done, "not_deleted": self.not_deleted}
        return {
            **({"made": made} if made else {}),
            **{name: list(found) for name, found in texts.items() if found},
        }


def outcome_of(made: Sequence[Step], done: Sequence[Step], rest: Plan) -> PlanOutcome:
    """What a plan has done.

    Args:
        made: the steps that have created something which is not kept on purpose.
        done: all steps that were run, until the one that failed.
        rest: the step that failed, and those after it.
    """
    left = tuple(step.removes for step in rest if step.removes)
    changes = tuple(text for step in done if (text := _change_of(step)))
    missing = tuple(text for step in rest if (text := _change_of(step)))
    return PlanOutcome(
        tuple(sorted(made, key=_is_bucket)), changes, missing if changes else (), left
    )


def _is_bucket(step: Step) -> bool:
    """A bucket is removed last, because it must be empty."""
    return isinstance(step.action, Call) and step.action.operation == "CreateBucket"


def _change_of(step: Step) -> str:
    """A change that neither ``makes`` nor ``removes`` names, such as an update; or empty."""
    call = step.action
    if not isinstance(call, Call) or step.makes or step.removes or step.found is not None:
        return ""
    if call.operation.startswith(_READS):
        return ""
    subject = subject_of(call.request)
    return f"{call.service} {call.operation}{f' of {subject}' if subject else ''}"
