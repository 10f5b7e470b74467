"""A captured answer -> the answer to each row: a label or a number, and probabilities if given."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.evaluation.captured.capture_record import CaptureRecord
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.registry import answer_formats, find

_LABELS = ("predicted_label", "predict", "label")
_NUMBERS = ("score", "predicted_score", "predict")
_PROBABILITIES = ("probabilities", "predict_proba", "raw_scores")


@dataclass(frozen=True)
class AnsweredRow:
    """The answer to one row.

    Attributes:
        answer: a label as text, or a number.
        is_label: whether it is known to be a label; None if it is text of an answer in CSV, where a
            number may be either.
        probabilities: of all classes, or empty if they were not answered.
    """

    answer: str | float
    is_label: bool | None = None
    probabilities: tuple[float, ...] = ()


def answered_rows(record: CaptureRecord) -> list[AnsweredRow]:
    """The answers in a record, one for each row that was asked.

    Raises:
        InvalidData: naming the record, if its answer was not captured or is of another form.
    """
    body = record.answer
    if body is None:
        raise InvalidData(
            f"{record.place}: the answer was not captured; expected a DataCaptureConfig with the "
            "CaptureMode Output"
        )
    read = _reader_of(body.media_type)
    if read is None:
        known = ", ".join(one.media_type for one in answer_formats() if one.captured_as)
        raise InvalidData(
            f"{record.place}: an answer of type {body.media_type or 'unknown'} cannot be compared; "
            f"expected one of {known}, which the caller's Accept chooses"
        )
    try:
        return list(read(body.data.decode()))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        shown = format_value(body.data.decode(errors="replace"))
        raise InvalidData(
            f"{record.place}: the answer {shown} has another form than those of serve; expected a "
            "label, a number or a document of predictions for each row"
        ) from error


def _csv(text: str) -> Iterator[AnsweredRow]:
    for fields in csv.reader(text.splitlines()):
        if fields:
            first, *others = fields
            number = parse_number(first)
            yield AnsweredRow(
                first.strip() if number is None else number,
                probabilities=_csv_probabilities(others),
            )


def _csv_probabilities(fields: Sequence[str]) -> tuple[float, ...]:
    """The first further field that is a list, as of ``outputs=predicted_label,probabilities``."""
    lists = (json.loads(one) for one in fields if one.startswith("["))
    return tuple(map(float, next(lists, ())))


def _json(text: str) -> Iterator[AnsweredRow]:
    document = json.loads(text)
    if isinstance(document, Mapping) and "outputs" in document:
        return _v2(document["outputs"])
    rows = document["predictions"] if isinstance(document, Mapping) else document
    return map(_row, rows if isinstance(rows, list) else [rows])


def _json_lines(text: str) -> Iterator[AnsweredRow]:
    return (_row(json.loads(line)) for line in text.splitlines() if line.strip())


def _v2(outputs: Sequence[Mapping[str, Any]]) -> Iterator[AnsweredRow]:
    """The outputs of the V2 protocol, each with a row after the other."""
    by_name = {one["name"]: one for one in outputs}
    answers = by_name["predict"]
    labels = answers["datatype"] in {"BYTES", "BOOL"} or "predict_proba" in by_name
    probabilities = by_name.get("predict_proba")
    width = probabilities["shape"][-1] if probabilities else 0
    for row, value in enumerate(answers["data"]):
        own = probabilities["data"][row * width : (row + 1) * width] if probabilities else ()
        yield AnsweredRow(_label(value) if labels else float(value), labels, tuple(own))


def _row(value: Any) -> AnsweredRow:
    if isinstance(value, list):
        return _row(value[0])
    if not isinstance(value, Mapping):
        is_text = isinstance(value, str | bool)
        return AnsweredRow(_label(value) if is_text else float(value), True if is_text else None)
    probabilities = next((value[name] for name in _PROBABILITIES if name in value), ())
    label = next((value[name] for name in _LABELS if name in value), None)
    if label is not None:
        return AnsweredRow(_label(label), True, tuple(probabilities))
    number = next(value[name] for name in _NUMBERS if name in value)
    return AnsweredRow(float(number), False)


def _label(value: Any) -> str:
    """A label as text: 1 and 1.0 are the same one."""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def _reader_of(media_type: str) -> Callable[[str], Iterator[AnsweredRow]] | None:
    """What reads answers of a type, if data capture keeps them as text."""
    found = find(media_type)
    if found is None or not found.captured_as:
        return None
    if found.captured_as == "Csv":
        return _csv
    return _json_lines if found.has_lines else _json
