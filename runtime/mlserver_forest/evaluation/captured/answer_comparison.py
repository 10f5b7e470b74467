"""How the answers of two variants differ: row by row if both answered, or as distributions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from statistics import fmean

from mlserver_forest.evaluation.captured.answer_rows import AnsweredRow
from mlserver_forest.evaluation.captured.difference_intervals import (
    Difference,
    mean_difference,
    share_difference,
    share_interval,
)

# Numbers of the same model differ by rounding, for example of text.
_TOLERANCE = 1e-6
_MOST_LABELS = 12
_MOST_EXAMPLES = 3
OTHERS = "(others)"

Answer = str | float


@dataclass(frozen=True)
class JoinedAnswers:
    """The rows that both variants answered.

    Attributes:
        n_rows: how many there are.
        n_different: how many were answered otherwise.
        share: the share of those, with its interval.
        mean_distance: of numbers, the mean of their absolute differences; None for labels.
        examples: some of the pairs that differ.
    """

    n_rows: int
    n_different: int
    share: Difference
    mean_distance: float | None
    examples: tuple[tuple[Answer, Answer], ...]


@dataclass(frozen=True)
class AnswerDistributions:
    """The answers of each variant to rows of its own.

    Attributes:
        n_rows: the numbers of rows of both.
        means: of numbers, their means; None for labels.
        difference: of numbers, how much larger the second mean is; None for labels.
        labels: the difference of the share of each label, the most frequent first.
        shares: the shares of each label.
    """

    n_rows: tuple[int, int]
    means: tuple[float, float] | None
    difference: Difference | None
    labels: Mapping[str, Difference]
    shares: Mapping[str, tuple[float, float]]


def are_labels(rows: Iterable[AnsweredRow]) -> bool:
    """Whether answers are labels: they are said to be, or are text, or are all whole numbers."""
    return all(
        row.is_label is not False and (isinstance(row.answer, str) or row.answer.is_integer())
        for row in rows
    )


def joined_answers(
    pairs: Sequence[tuple[AnsweredRow, AnsweredRow]], *, are_classes: bool
) -> JoinedAnswers:
    """Compare the answers to the same rows.

    Args:
        pairs: the answers of both variants, at least one pair.
        are_classes: whether they are labels.
    """
    answers = [(_answer(one, are_classes), _answer(two, are_classes)) for one, two in pairs]
    different = [pair for pair in answers if not _is_same(*pair)]
    distance = None
    if not are_classes:
        distance = fmean(abs(float(one) - float(two)) for one, two in answers)
    return JoinedAnswers(
        len(pairs),
        len(different),
        share_interval(len(different), len(pairs)),
        distance,
        tuple(different[:_MOST_EXAMPLES]),
    )


def distributions(
    before: Sequence[AnsweredRow], after: Sequence[AnsweredRow], *, are_classes: bool
) -> AnswerDistributions:
    """Compare the answers to different rows.

    Args:
        before: the answers of one variant, at least one.
        after: those of the other one, at least one.
        are_classes: whether they are labels.
    """
    sizes = len(before), len(after)
    if not are_classes:
        numbers = [[float(row.answer) for row in rows] for rows in (before, after)]
        means = fmean(numbers[0]), fmean(numbers[1])
        return AnswerDistributions(sizes, means, mean_difference(*numbers), {}, {})
    counts = [Counter(str(_answer(row, True)) for row in rows) for rows in (before, after)]
    merged = _merged(counts)
    labels = {
        name: share_difference((one, sizes[0]), (two, sizes[1]))
        for name, (one, two) in merged.items()
    }
    shares = {name: (one / sizes[0], two / sizes[1]) for name, (one, two) in merged.items()}
    return AnswerDistributions(sizes, None, None, labels, shares)


def _merged(counts: Sequence[Counter[str]]) -> dict[str, tuple[int, int]]:
    """The counts of each label; those of rare ones together."""
    one, two = counts
    names = [name for name, _ in (one + two).most_common()]
    shown = names if len(names) <= _MOST_LABELS else names[: _MOST_LABELS - 1]
    merged = {name: (one[name], two[name]) for name in shown}
    rest = names[len(shown) :]
    if rest:
        merged[OTHERS] = sum(one[name] for name in rest), sum(two[name] for name in rest)
    return merged


def _answer(row: AnsweredRow, is_class: bool) -> Answer:
    """A label as text, whether it was answered as text or as a number."""
    if not is_class or isinstance(row.answer, str):
        return row.answer
    return str(int(row.answer))


def _is_same(one: Answer, two: Answer) -> bool:
    if isinstance(one, str) or isinstance(two, str):
        return one == two
    return isclose(one, two, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
