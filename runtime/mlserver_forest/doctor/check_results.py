"""What a check found."""

from dataclasses import dataclass
from typing import Literal

from mlserver_forest.doctor.rules import RULES, Rule

Verdict = Literal["PASS", "FAIL", "SKIP"]


@dataclass(frozen=True)
class Outcome:
    """Whether a rule was kept, and what came."""

    verdict: Verdict
    came: str


@dataclass(frozen=True)
class Finding:
    """An outcome under the name of its rule."""

    check: str
    outcome: Outcome

    @property
    def rule(self) -> Rule:
        return RULES[self.check]


def passed(came: str) -> Outcome:
    return Outcome("PASS", came)


def failed(came: str) -> Outcome:
    return Outcome("FAIL", came)


def skipped(reason: str) -> Outcome:
    """The rule could not be tried, or is about something that the image does not offer."""
    return Outcome("SKIP", reason)


def judged(is_kept: bool, came: str) -> Outcome:
    return passed(came) if is_kept else failed(came)
