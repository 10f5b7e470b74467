"""Which records of two variants are answers to the same question.

A shadow variant answers a copy of each request. Its record has the caller's inference id, if there
is one, and may have the event id of the request; AWS does not document which. If neither is common
to both, requests with the same body are joined.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mlserver_forest.evaluation.captured.capture_record import CaptureRecord

_Key = Callable[[CaptureRecord], str | tuple[str, bytes]]


def _body(record: CaptureRecord) -> str | tuple[str, bytes]:
    question = record.question
    return (question.media_type, question.data) if question else ""


_KEYS: tuple[tuple[str, _Key], ...] = (
    ("inference id", lambda record: record.inference_id),
    ("event id", lambda record: record.event_id),
    ("the same request body", _body),
)


@dataclass(frozen=True)
class RecordJoin:
    """Pairs of records.

    Attributes:
        by: what is common to the records of a pair; empty if there are no pairs.
        pairs: the records of both variants.
    """

    by: str
    pairs: tuple[tuple[CaptureRecord, CaptureRecord], ...]


def join_records(before: Iterable[CaptureRecord], after: Iterable[CaptureRecord]) -> RecordJoin:
    """Join the records of two variants by the first key that any of them have in common.

    Args:
        before: the records of one variant; of several with the same key, the last counts.
        after: those of the other one.
    """
    records = list(before), list(after)
    for name, key in _KEYS:
        pairs = _pairs(records[0], records[1], key)
        if pairs:
            return RecordJoin(name, pairs)
    return RecordJoin("", ())


def _pairs(
    before: Sequence[CaptureRecord], after: Sequence[CaptureRecord], key: _Key
) -> tuple[tuple[CaptureRecord, CaptureRecord], ...]:
    one, two = ({key(record): record for record in records} for records in (before, after))
    return tuple((record, two[name]) for name, record in one.items() if name and name in two)
