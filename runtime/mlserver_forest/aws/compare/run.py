"""``forest compare``: what the answers of its calls say about the variants."""

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
    records = _records(found, captured[0] if captured else {})
    sides = tuple(side_of(name, known.get(name), records.get(name, [])) for name in found.variants)
    left = captured[0].get("Left", 0) if captured else 0
    return VariantComparison(found, sides, tuple(_notes(found, sides, left)))


def _records(found: ComparedEndpoint, captured: Answer) -> Mapping[str, list[CaptureRecord]]:
    """The records of the period by variant."""
    records: dict[str, list[CaptureRecord]] = {}
    for key, content in captured.get("Files", []):
        variant = variant_in_key(key)
        for one in parse_records(content, variant, key):
            if found.start <= one.time:
                records.setdefault(variant, []).append(one)
    return records


def _notes(found: ComparedEndpoint, sides: tuple[VariantSide, ...], left: int) -> Iterator[str]:
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
