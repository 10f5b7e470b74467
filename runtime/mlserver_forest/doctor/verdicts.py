"""The findings of the checks, as a table and as JSON."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlserver_forest.doctor.rules import RULES, Rule

Verdict = Literal["PASS", "FAIL", "SKIP"]

_HEADINGS = ("", "check", "observed", "SageMaker's rule and its source")
_NARROWEST = 100
_GAP = "  "
_LEGEND = "DG page: https://docs.aws.amazon.com/sagemaker/latest/dg/<page>.html"


@dataclass(frozen=True)
class CheckResult:
    """Whether a server kept a rule, and what was observed (``came``)."""

    verdict: Verdict
    came: str


@dataclass(frozen=True)
class DoctorFinding:
    """The result of the check of one rule; ``check`` is the rule's name."""

    check: str
    result: CheckResult

    @property
    def rule(self) -> Rule:
        """The rule of that name."""
        return RULES[self.check]


def passed(came: str) -> CheckResult:
    """The rule was kept."""
    return CheckResult("PASS", came)


def failed(came: str) -> CheckResult:
    """The rule was broken."""
    return CheckResult("FAIL", came)


def skipped(reason: str) -> CheckResult:
    """The rule could not be checked, or is about an optional feature."""
    return CheckResult("SKIP", reason)


def judged(is_kept: bool, came: str) -> CheckResult:
    """The rule was kept if ``is_kept``, and otherwise broken."""
    return passed(came) if is_kept else failed(came)


def as_json(target: str, findings: Sequence[DoctorFinding]) -> str:
    """One JSON document with a list of all checks.

    Args:
        target: the image or model directory, as the user named it.
        findings: the findings, in the order of the rules.
    """
    checks = [
        {
            "check": found.check,
            "verdict": found.result.verdict,
            "came": found.result.came,
            "rule": found.rule.says,
            "source": found.rule.source,
            "advice": found.rule.advice,
        }
        for found in findings
    ]
    document = {"target": target, **_counts(findings), "checks": checks}
    return json.dumps(document, indent=2)


def as_table(target: str, findings: Sequence[DoctorFinding], width: int) -> str:
    """Aligned columns, and below them what to do about each failure.

    Args:
        target: the image or model directory, as the user named it.
        findings: the findings, in the order of the rules.
        width: the width of the terminal in characters.
    """
    rows = [_HEADINGS, *(_cells(found) for found in findings)]
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    rest = max(width, _NARROWEST) - first - second - 3 * len(_GAP)
    widths = [first, second, rest * 2 // 5, rest - rest * 2 // 5]
    lines = [line for row in rows for line in _wrapped(row, widths)]
    broken = [found for found in findings if found.result.verdict == "FAIL"]
    return "\n".join(
        [
            *lines,
            "",
            *(line for found in broken for line in _advice(found)),
            _summary(target, findings),
        ]
    )


def _cells(found: DoctorFinding) -> tuple[str, str, str, str]:
    rule = f"{found.rule.says} [{found.rule.source}]"
    return (found.result.verdict, found.check, found.result.came, rule)


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The lines of a wrapped row."""
    columns = [_lines(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [
        _GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*padded, strict=True)
    ]


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _advice(found: DoctorFinding) -> list[str]:
    return [
        f"{found.check}",
        f"  observed  {found.result.came}",
        f"  expected  {found.rule.says} [{found.rule.source}]",
        f"  to do     {found.rule.advice}",
        "",
    ]


def _counts(findings: Sequence[DoctorFinding]) -> dict[str, int]:
    verdicts: list[str] = [found.result.verdict for found in findings]
    return {
        name: verdicts.count(verdict)
        for name, verdict in (("passed", "PASS"), ("failed", "FAIL"), ("skipped", "SKIP"))
    }


def _summary(target: str, findings: Sequence[DoctorFinding]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in _counts(findings).items())
    return f"{_LEGEND}\n{target}: {counts}"
