"""What is found out about the variants of an endpoint, for --json and as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mlserver_forest.aws.compare.plan import ComparedEndpoint
from mlserver_forest.aws.traffic_shares import describe_share
from mlserver_forest.aws.variant_metrics import VariantMetrics
from mlserver_forest.errors import InvalidData
from mlserver_forest.evaluation.captured.answer_comparison import (
    AnswerDistributions,
    JoinedAnswers,
    are_labels,
    distributions,
    joined_answers,
)
from mlserver_forest.evaluation.captured.answer_rows import AnsweredRow, answered_rows
from mlserver_forest.evaluation.captured.capture_record import CaptureRecord
from mlserver_forest.evaluation.captured.difference_intervals import Difference, share_difference
from mlserver_forest.evaluation.captured.record_join import join_records


@dataclass(frozen=True)
class VariantSide:
    """One variant: its metrics, and the answers that were captured.

    Attributes:
        name: of the variant.
        metrics: from CloudWatch, or None if they are not known.
        records: the captured requests whose answers could be read.
        unreadable: why others could not be read, once each.
        n_unreadable: how many others there are.
    """

    name: str
    metrics: VariantMetrics | None
    records: tuple[tuple[CaptureRecord, tuple[AnsweredRow, ...]], ...] = ()
    unreadable: tuple[str, ...] = ()
    n_unreadable: int = 0

    @cached_property
    def rows(self) -> list[AnsweredRow]:
        """The answers to all rows."""
        return [row for _, rows in self.records for row in rows]


@dataclass(frozen=True)
class PairComparison:
    """A variant against the baseline.

    Attributes:
        name: of the variant.
        errors: how much larger its share of errors of 500 to 599 is, or None if it is not known.
        answers: its answers to rows of its own against those of the baseline, or None.
        joined: its answers to rows that both answered, or None.
        joined_by: what the joined requests have in common.
    """

    name: str
    errors: Difference | None = None
    answers: AnswerDistributions | None = None
    joined: JoinedAnswers | None = None
    joined_by: str = ""


@dataclass(frozen=True)
class VariantComparison:
    """All variants of an endpoint.

    Attributes:
        endpoint: the endpoint.
        sides: what is known of each variant.
        notes: what is not known, in words.
    """

    endpoint: ComparedEndpoint
    sides: tuple[VariantSide, ...]
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def pairs(self) -> tuple[PairComparison, ...]:
        """Each other variant against the baseline."""
        baseline = next(one for one in self.sides if one.name == self.endpoint.baseline)
        return tuple(_pair(baseline, one) for one in self.sides if one is not baseline)

    def as_json(self) -> dict[str, Any]:
        """The document for --json."""
        endpoint = self.endpoint
        return {
            "EndpointName": endpoint.name,
            "Start": endpoint.start.isoformat(),
            "End": endpoint.end.isoformat(),
            "Baseline": endpoint.baseline,
            "Variants": [_side_json(one, endpoint) for one in self.sides],
            "Comparisons": [_pair_json(one) for one in self.pairs],
            "Notes": list(self.notes),
        }


def side_of(
    name: str, metrics: VariantMetrics | None, records: Iterable[CaptureRecord]
) -> VariantSide:
    """Read the answers of a variant.

    Args:
        name: of the variant.
        metrics: from CloudWatch, or None.
        records: its captured requests.
    """
    read: list[tuple[CaptureRecord, tuple[AnsweredRow, ...]]] = []
    unreadable: list[str] = []
    for record in records:
        try:
            read.append((record, tuple(answered_rows(record))))
        except InvalidData as error:
            unreadable.append(str(error))
    return VariantSide(name, metrics, tuple(read), tuple(unreadable[:1]), len(unreadable))


def _pair(baseline: VariantSide, other: VariantSide) -> PairComparison:
    errors = _error_difference(baseline.metrics, other.metrics)
    if not baseline.rows or not other.rows:
        return PairComparison(other.name, errors)
    are_classes = are_labels([*baseline.rows, *other.rows])
    answers = distributions(baseline.rows, other.rows, are_classes=are_classes)
    rows = [dict(_by_identity(one)) for one in (baseline, other)]
    found = join_records(*([record for record, _ in one.records] for one in (baseline, other)))
    pairs = [
        pair
        for one, two in found.pairs
        # Requests of other numbers of rows were not the same ones.
        if len(rows[0][id(one)]) == len(rows[1][id(two)])
        for pair in zip(rows[0][id(one)], rows[1][id(two)], strict=True)
    ]
    joined = joined_answers(pairs, are_classes=are_classes) if pairs else None
    return PairComparison(other.name, errors, answers, joined, found.by if pairs else "")


def _by_identity(side: VariantSide) -> Iterator[tuple[int, tuple[AnsweredRow, ...]]]:
    return ((id(record), rows) for record, rows in side.records)


def _error_difference(
    before: VariantMetrics | None, after: VariantMetrics | None
) -> Difference | None:
    if not before or not after or not before.requests or not after.requests:
        return None
    counts = (
        (min(one.errors5, one.requests), one.requests)
        # CloudWatch may count an error before its call.
        for one in (before, after)
    )
    return share_difference(*counts)


def _side_json(side: VariantSide, endpoint: ComparedEndpoint) -> dict[str, Any]:
    return {
        "VariantName": side.name,
        "Percent": endpoint.shares[side.name],
        "IsShadow": side.name == endpoint.shadow,
        **(side.metrics.as_json() if side.metrics else {}),
        "CapturedRequests": len(side.records),
        "CapturedRows": len(side.rows),
        "UnreadableRequests": side.n_unreadable,
    }


def _pair_json(pair: PairComparison) -> dict[str, Any]:
    answers, joined = pair.answers, pair.joined
    document: dict[str, Any] = {"VariantName": pair.name, "Errors5XX": _interval_json(pair.errors)}
    if answers:
        document["Answers"] = {
            "Rows": list(answers.n_rows),
            "Means": list(answers.means) if answers.means else None,
            "Difference": _interval_json(answers.difference),
            "Labels": {
                name: {"Shares": list(answers.shares[name]), **(_interval_json(one) or {})}
                for name, one in answers.labels.items()
            },
        }
    if joined:
        document["Joined"] = {
            "By": pair.joined_by,
            "Rows": joined.n_rows,
            "Different": joined.n_different,
            "Share": _interval_json(joined.share),
            "MeanDistance": joined.mean_distance,
            "Examples": [list(one) for one in joined.examples],
        }
    return document


def _interval_json(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "Value": found.value,
        "Low": found.low,
        "High": found.high,
        "IsCertain": found.is_certain,
    }


def metric_rows(found: VariantComparison) -> list[tuple[str, ...]]:
    """The table of shares, calls, errors and latencies."""
    head = ("variant", "share", "requests", "4xx", "5xx", "mean ms", "p90 ms", "p99 ms", "rows")
    return [head, *(_metric_row(one, found.endpoint) for one in found.sides)]


def _metric_row(side: VariantSide, endpoint: ComparedEndpoint) -> tuple[str, ...]:
    share = describe_share(endpoint.shares[side.name])
    is_shadow = side.name == endpoint.shadow
    one = side.metrics
    counts: Sequence[str] = ("-", "-", "-")
    latencies: Mapping[str, float | None] = {"mean": None, "p90": None, "p99": None}
    if one:
        counts = [f"{number:,}" for number in (one.requests, one.errors4, one.errors5)]
        latencies = {"mean": one.mean_ms, "p90": one.p90_ms, "p99": one.p99_ms}
    shown = ("-" if value is None else f"{value:.1f}" for value in latencies.values())
    name = f"{side.name} (shadow)" if is_shadow else side.name
    return (name, share, *counts, *shown, f"{len(side.rows):,}")
