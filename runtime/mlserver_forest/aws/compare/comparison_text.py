"""A comparison of variants as a person reads it."""

from collections.abc import Iterator

from mlserver_forest.aws.compare.variant_comparison import (
    PairComparison,
    VariantComparison,
    metric_rows,
)
from mlserver_forest.errors import count, printable
from mlserver_forest.evaluation.captured.answer_comparison import AnswerDistributions, JoinedAnswers
from mlserver_forest.evaluation.captured.difference_intervals import FEW_ROWS, Difference
from mlserver_forest.evaluation.text_table import text_table

_WIDEST = 40


def comparison_lines(found: VariantComparison) -> list[str]:
    """All lines: the table of metrics, each variant against the baseline, and what is not known."""
    endpoint = found.endpoint
    period = f"{endpoint.start:%Y-%m-%d %H:%M} to {endpoint.end:%Y-%m-%d %H:%M} UTC"
    lines = [f"endpoint {endpoint.name}, {period}", "", *text_table(metric_rows(found))]
    for pair in found.pairs:
        lines += ["", f"{pair.name} against {endpoint.baseline}, with intervals of 95%"]
        lines += [f"  {line}" for line in _pair_lines(pair, endpoint.baseline)]
    return [*lines, *([""] if found.notes else []), *found.notes]


def _pair_lines(pair: PairComparison, baseline: str) -> Iterator[str]:
    if pair.errors is not None:
        yield f"errors (5xx): {_points(pair.errors)}"
    if pair.joined is not None:
        yield from _joined_lines(pair.joined, pair.joined_by)
    if pair.answers is not None:
        yield from _answer_lines(pair.answers, (baseline, pair.name))
    else:
        yield "answers: not compared, because those of both variants are needed"


def _joined_lines(joined: JoinedAnswers, by: str) -> Iterator[str]:
    share = joined.share
    yield (
        f"{count(joined.n_rows, 'row')} answered by both, joined by {by}: "
        f"{joined.n_different} different, {share.value:.2%} ({share.low:.2%} to {share.high:.2%})"
    )
    if joined.mean_distance is not None:
        yield f"mean distance of the answers: {joined.mean_distance:.4g}"
    if joined.examples:
        shown = ", ".join(f"{_shown(one)} -> {_shown(two)}" for one, two in joined.examples)
        yield f"such as {shown}"


def _answer_lines(answers: AnswerDistributions, names: tuple[str, str]) -> Iterator[str]:
    sizes = answers.n_rows
    few = " (few: much may be chance)" if min(sizes) < FEW_ROWS else ""
    yield f"answers to rows of their own, {sizes[0]:,} and {sizes[1]:,}{few}:"
    if answers.difference is not None and answers.means is not None:
        means = " and ".join(f"{mean:.4g}" for mean in answers.means)
        one = answers.difference
        ends = f"{one.low:+.4g} to {one.high:+.4g}"
        yield f"  mean {means}: difference {one.value:+.4g} ({ends}){_certainty(one)}"
        return
    head = ("answer", *names, "difference")
    rows = [
        (
            printable(name, _WIDEST),
            *(f"{share:.1%}" for share in answers.shares[name]),
            _points(difference),
        )
        for name, difference in answers.labels.items()
    ]
    yield from (f"  {line}" for line in text_table([head, *rows]))


def _points(found: Difference) -> str:
    """A difference of shares, in percentage points."""
    ends = f"{found.low * 100:+.2f} to {found.high * 100:+.2f}"
    return f"{found.value * 100:+.2f} points ({ends}){_certainty(found)}"


def _certainty(found: Difference) -> str:
    return "" if found.is_certain else ", not certain"


def _shown(answer: str | float) -> str:
    return printable(answer, _WIDEST) if isinstance(answer, str) else f"{answer:.6g}"
