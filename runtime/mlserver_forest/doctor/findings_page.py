"""What ``forest doctor`` prints: the verdict by kind of use first, then every check; or JSON."""

import json
import textwrap
from collections.abc import Sequence

from mlserver_forest.doctor.consequences import KindVerdict, by_kind
from mlserver_forest.doctor.verdicts import DoctorFinding

_HEADINGS = ("", "check", "observed", "SageMaker's rule and its source")
_NARROWEST = 100
_GAP = "  "
_LEGEND = "DG page: https://docs.aws.amazon.com/sagemaker/latest/dg/<page>.html"


def as_json(target: str, findings: Sequence[DoctorFinding]) -> str:
    """One JSON document with the verdict by kind of use, and a list of all checks.

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
            "advice": found.advice,
        }
        for found in findings
    ]
    kinds = {
        one.kind: {"verdict": one.use, "check": one.cause, "came": one.reason}
        for one in by_kind(findings)
    }
    document = {"target": target, **_counts(findings), "kinds": kinds, "checks": checks}
    return json.dumps(document, indent=2)


def as_table(target: str, findings: Sequence[DoctorFinding], width: int) -> str:
    """The verdict by kind of use, what to do about each failure, and the table of all checks.

    Args:
        target: the image or model directory, as the user named it.
        findings: the findings, in the order of the rules.
        width: the width of the terminal in characters.
    """
    width = max(width, _NARROWEST)
    broken = [found for found in findings if found.result.verdict == "FAIL"]
    return "\n".join(
        [
            *_first_screen(target, findings, width),
            "",
            *(line for found in broken for line in _advice(found)),
            *_table(findings, width),
            "",
            _summary(target, findings),
        ]
    )


def _first_screen(target: str, findings: Sequence[DoctorFinding], width: int) -> list[str]:
    """A line for each kind of use; a cause is told where it comes first, and named after that."""
    kinds = by_kind(findings)
    first = max(len(one.kind) for one in kinds)
    told: set[str] = set()
    lines = [f"{target} on SageMaker:"]
    for one in kinds:
        lines += _lines_after(f"  {one.kind.ljust(first)}  ", _sentence(one, told), width)
        told |= {one.cause, one.reason}
    return lines


def _sentence(one: KindVerdict, told: set[str]) -> str:
    if not one.reason:
        return one.use
    if one.cause in told and one.cause:
        return f"{one.use}: {one.cause}, as above"
    if one.reason in told:
        return f"{one.use}, as above"
    return f"{one.use}: {one.cause}: {one.reason}" if one.cause else f"{one.use}: {one.reason}"


def _lines_after(start: str, text: str, width: int) -> list[str]:
    """A text behind a heading, and below itself."""
    lines = _lines(text, width - len(start))
    return [start + lines[0], *(" " * len(start) + line for line in lines[1:])]


def _table(findings: Sequence[DoctorFinding], width: int) -> list[str]:
    rows = [_HEADINGS, *(_cells(found) for found in findings)]
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    rest = width - first - second - 3 * len(_GAP)
    widths = [first, second, rest * 2 // 5, rest - rest * 2 // 5]
    return [line for row in rows for line in _wrapped(row, widths)]


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
        f"  to do     {found.advice}",
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
