"""The results of checks."""

from dataclasses import dataclass
from typing import Literal

from mlserver_forest.doctor.rules import RULES, Rule

Verdict = Literal["PASS", "FAIL", "SKIP"]


@dataclass(frozen=True)
class CheckResult:
    """Whether a server kept a rule.

    Attributes:
        verdict: whether it was kept, or why that is not known.
        came: what was observed.
        advice: what to do about it; empty if the rule's own advice fits.
    """

    verdict: Verdict
    came: str
    advice: str = ""


@dataclass(frozen=True)
class DoctorFinding:
    """The result of the check of one rule; ``check`` is the rule's name."""

    check: str
    result: CheckResult

    @property
    def rule(self) -> Rule:
        """The rule of that name."""
        return RULES[self.check]

    @property
    def advice(self) -> str:
        """What to do if the rule is broken."""
        return self.result.advice or self.rule.advice


def passed(came: str) -> CheckResult:
    """The rule was kept."""
    return CheckResult("PASS", came)


def failed(came: str, advice: str = "") -> CheckResult:
    """The rule was broken; ``advice`` takes the place of the rule's own."""
    return CheckResult("FAIL", came, advice)


def skipped(reason: str) -> CheckResult:
    """The rule could not be checked, or is about an optional feature."""
    return CheckResult("SKIP", reason)


def judged(is_kept: bool, came: str) -> CheckResult:
    """The rule was kept if ``is_kept``, and otherwise broken."""
    return passed(came) if is_kept else failed(came)
