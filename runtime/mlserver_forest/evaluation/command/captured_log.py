"""Answers that SageMaker has captured, and the outcomes that became known later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import InvalidData, InvalidInput, format_value
from mlserver_forest.evaluation.captured.answer_rows import AnsweredRow, answered_rows
from mlserver_forest.evaluation.captured.capture_record import CaptureRecord
from mlserver_forest.evaluation.known_targets import known_targets
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.registry import find
from mlserver_forest.model.row_values import feature_values
from mlserver_forest.schema.schema import Schema

# The columns of captured data beside the features.
VARIANT, TIME, ROW, INFERENCE_ID = "variant", "time", "row", "inference_id"
OWN_COLUMNS = ("event_id", INFERENCE_ID, VARIANT, TIME, ROW)


@dataclass(frozen=True)
class _Row:
    record: CaptureRecord
    number: int
    answer: AnsweredRow


class CapturedLog:
    """The rows of captured requests.

    Attributes:
        prediction: the answers, (n_samples, n_columns); without columns if labels were answered
            without probabilities.
        columns: by name, (n_samples,) Python values of each column that was asked for.
        are_numbers: by name, whether the values of a column are numbers.
        times: (n_samples,) when each row was answered, as text.
        left_out: why answers could not be read, once each.
    """

    def __init__(
        self, records: Sequence[CaptureRecord], schema: Schema, names: Sequence[str]
    ) -> None:
        """Read the answers, and the columns that are asked for.

        Args:
            records: the requests.
            schema: of the model.
            names: the columns to keep: ``OWN_COLUMNS``, and features.

        Raises:
            InvalidData: if there are no answers, or those of another model.
        """
        unknown = [one for one in names if one not in {*OWN_COLUMNS, *schema.feature_names}]
        if unknown:
            known = ", ".join((*OWN_COLUMNS, *schema.feature_names))
            raise InvalidData(
                f"captured data have no column {format_value(unknown[0])}; expected one of {known}"
            )
        self.left_out: list[str] = []
        self._rows = [row for record in records for row in self._read(record)]
        if not self._rows:
            why = f": {self.left_out[0]}" if self.left_out else ""
            raise InvalidData(f"no answers were captured in this time{why}")
        self.prediction = _prediction([row.answer for row in self._rows], schema)
        self.times = [row.record.time.isoformat() for row in self._rows]
        self.columns = {name: self._column(name, schema) for name in names}
        self.are_numbers = {name: self._is_number(name) for name in names}

    def check_key(self, key: Sequence[str]) -> None:
        """Check that columns name one row.

        Args:
            key: the names of the columns, which the log was asked for.

        Raises:
            InvalidData: if they do not, with what to add.
        """
        if INFERENCE_ID in key and not any(self.columns[INFERENCE_ID]):
            raise InvalidData(
                "the captured requests have no inference id, which callers give (forest invoke "
                "--inference-id, or the header X-Amzn-SageMaker-Inference-Id); name other columns "
                "with --key, such as features that are different in each row"
            )
        several = next((one for one in self._rows if one.number > 0), None)
        if several and ROW not in key and {INFERENCE_ID, "event_id"} & set(key):
            raise InvalidData(
                f"{several.record.place}: the request has several rows, and the key "
                f"{','.join(key)} names none of them; add {ROW} to --key, and a column {ROW} to "
                "the file, which counts the rows of a request from 0"
            )

    def _read(self, record: CaptureRecord) -> list[_Row]:
        try:
            answers = answered_rows(record)
        except InvalidData as error:
            self.left_out.append(str(error))
            return []
        return [_Row(record, number, one) for number, one in enumerate(answers)]

    def _column(self, name: str, schema: Schema) -> list[Any]:
        own: dict[str, list[Any]] = {
            "event_id": [row.record.event_id for row in self._rows],
            INFERENCE_ID: [row.record.inference_id for row in self._rows],
            VARIANT: [row.record.variant for row in self._rows],
            TIME: self.times,
            ROW: [row.number for row in self._rows],
        }
        return own[name] if name in own else list(self._features(name, schema))

    def _features(self, name: str, schema: Schema) -> Iterator[Any]:
        """The values of a feature in the questions, None where one is not known."""
        decoder = RequestDecoder(schema)
        for _, group in groupby(self._rows, key=lambda row: id(row.record)):
            rows = list(group)
            x = _question(rows[0].record, decoder)
            if x is None or len(x) != len(rows):
                yield from [None] * len(rows)
            else:
                yield from feature_values(x, schema, name)

    def _is_number(self, name: str) -> bool:
        return all(
            isinstance(value, int | float) for value in self.columns[name] if value is not None
        )


def _question(record: CaptureRecord, decoder: RequestDecoder) -> NDArray[Any] | None:
    """The rows that were asked, or None if they cannot be read."""
    body = record.question
    found = find(body.media_type) if body else None
    if body is None or found is None:
        return None
    try:
        return decoder.decode(found, body.data, body.parameters)
    except InvalidInput:
        return None


def _prediction(answers: Sequence[AnsweredRow], schema: Schema) -> Prediction:
    try:
        known, rows = known_targets([one.answer for one in answers], schema)
    except InvalidInput as error:
        raise InvalidData(f"the captured answers are not those of the model: {error}") from error
    if len(rows) < len(answers):
        raise InvalidData("some captured answers are missing values; expected those of the model")
    if not schema.classes:
        return Prediction(known.reshape(-1, 1), np.zeros(len(known), np.intp))
    width = schema.n_value_columns
    has_all = all(len(one.probabilities) == width for one in answers)
    values = [one.probabilities if has_all else () for one in answers]
    return Prediction(
        np.array(values, np.float64).reshape(len(answers), width if has_all else 0),
        known.astype(np.intp),
    )
