"""The findings, for people and for programs."""

import json
import textwrap
from collections.abc import Sequence

from mlserver_forest.doctor.check_results import Finding

_HEADINGS = ("", "check", "what came", "SageMaker's rule, and where it is written")
_NARROWEST = 100
_GAP = "  "
_LEGEND = "DG page: https://docs.aws.amazon.com/sagemaker/latest/dg/<page>.html"


def as_json(target: str, findings: Sequence[Finding]) -> str:
    """One document with a list of all checks."""
    checks = [
        {
            "check": found.check,
            "verdict": found.outcome.verdict,
            "came": found.outcome.came,
            "rule": found.rule.says,
            "source": found.rule.source,
            "advice": found.rule.advice,
        }
        for found in findings
    ]
    document = {"target": target, **_counts(findings), "checks": checks}
    return json.dumps(document, indent=2)


def as_table(target: str, findings: Sequence[Finding], width: int) -> str:
    """Aligned columns, and below them what to do about each failure."""
    rows = [_HEADINGS, *(_cells(found) for found in findings)]
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    rest = max(width, _NARROWEST) - first - second - 3 * len(_GAP)
    widths = [first, second, rest * 2 // 5, rest - rest * 2 // 5]
    lines = [line for row in rows for line in _wrapped(row, widths)]
    broken = [found for found in findings if found.outcome.verdict == "FAIL"]
    return "\n".join(
        [*lines, "", *(line for found in broken for line in _advice(found)), _sum(target, findings)]
    )


def _cells(found: Finding) -> tuple[str, str, str, str]:
    rule = f"{found.rule.says} [{found.rule.source}]"
    return (found.outcome.verdict, found.check, found.outcome.came, rule)


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The lines that a row takes."""
    columns = [_lines(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [
        _GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*padded, strict=True)
    ]


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _advice(found: Finding) -> list[str]:
    return [
        f"{found.check}",
        f"  came      {found.outcome.came}",
        f"  expected  {found.rule.says} [{found.rule.source}]",
        f"  to do     {found.rule.advice}",
        "",
    ]


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    verdicts: list[str] = [found.outcome.verdict for found in findings]
    return {
        name: verdicts.count(verdict)
        for name, verdict in (("passed", "PASS"), ("failed", "FAIL"), ("skipped", "SKIP"))
    }


def _sum(target: str, findings: Sequence[Finding]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in _counts(findings).items())
    return f"{_LEGEND}\n{target}: {counts}"
