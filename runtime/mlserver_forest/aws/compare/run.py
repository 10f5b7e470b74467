"""``forest compare``: what the answers of its calls say about the variants."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mlserver_forest.aws.compare.plan import ComparedEndpoint
from mlserver_forest.aws.compare.variant_comparison import VariantComparison, VariantSide, side_of
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.variant_metrics import metrics_of_variants
from mlserver_forest.errors import count
from mlserver_forest.evaluation.captured.capture_record import (
    CaptureRecord,
    parse_records,
    variant_in_key,
)


def compare_variants(found: ComparedEndpoint, answers: Sequence[Answer]) -> VariantComparison:
    """Compare the variants.

    Args:
        found: the endpoint.
        answers: those of the plan's steps: metrics, and captured data if there are any.
    """
    metrics, *captured = answers
    known = metrics_of_variants(metrics, found.variants) if metrics else {}
    records, older = _records(found, captured[0] if captured else {})
    sides = tuple(side_of(name, known.get(name), records.get(name, [])) for name in found.variants)
    left = captured[0].get("Left", 0) if captured else 0
    return VariantComparison(found, sides, tuple(_notes(found, sides, left, older)))


def _records(
    found: ComparedEndpoint, captured: Answer
) -> tuple[Mapping[str, list[CaptureRecord]], Mapping[str, int]]:
    """The records of the period by variant, and how many were those of an earlier model."""
    records: dict[str, list[CaptureRecord]] = {}
    older: Counter[str] = Counter()
    for key, content in captured.get("Files", []):
        variant = variant_in_key(key)
        for one in parse_records(content, variant, key):
            if one.time < found.start:
                continue
            if one.time < found.made.get(variant, found.start):
                older[variant] += 1
            else:
                records.setdefault(variant, []).append(one)
    return records, older


def _notes(
    found: ComparedEndpoint, sides: tuple[VariantSide, ...], left: int, older: Mapping[str, int]
) -> Iterator[str]:
    for name, number in older.items():
        yield (
            f"{name}: {count(number, 'answer')} left out as older than its model "
            f"({found.made[name]:%Y-%m-%d %H:%M} UTC); the metrics are of the whole time"
        )
    if not found.capture_uri:
        yield (
            f"{found.name} captures no answers; forest deploy --name {found.name} --variant "
            f"{found.baseline} --capture captures those to come"
        )
    elif found.percent < 100:
        yield f"{found.percent}% of the requests are captured"
    if left:
        yield f"{left} older files of captured data were not read; a shorter --since reads all"
    for one in sides:
        if one.n_unreadable:
            yield f"{one.name}: {count(one.n_unreadable, 'answer')} left out: {one.unreadable[0]}"
        if found.capture_uri and not one.records and not one.n_unreadable:
            yield f"{one.name}: no answers were captured in this time; they arrive after minutes"
