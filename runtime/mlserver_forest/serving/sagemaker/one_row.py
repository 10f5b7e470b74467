"""The short path for requests of one row of plain numbers or known categories, the most common.

They need neither the blocks nor the V2 types of long tables: the bytes become one array, and the
prediction becomes bytes. All other bodies (with quotes, names, a second row, or among numbers alone
a missing value) take the ordinary path, which also explains what is wrong with invalid bodies. Both
paths return the same bytes (tests/contract/test_both_ways.py).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import RowWriter
from mlserver_forest.formats.registry import load
from mlserver_forest.formats.source import ReadPlain
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http.media_types import MediaType, format_of
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.plain_row import plain_row
from mlserver_forest.serving.models.runtime import ForestRuntime
from mlserver_forest.serving.pipeline import Inference

# Turns a body into one row, (1, n_features) as the forest reads it; None if it is none.
ReadRow = Callable[[Body], NDArray[Any] | None]

_LONGEST = 1 << 14


class OneRow:
    """Reads and answers one-row bodies of requests with the same headers.

    Args:
        read: returns the row of a body, or None if it is not one plain row.
        write: returns the body of the response.
        headers: the headers of the response.
        model: the model that answers.
        runtime: the model's runtime.
    """

    def __init__(
        self,
        read: ReadRow,
        write: RowWriter,
        headers: Headers,
        model: LoadedModel,
        runtime: ForestRuntime,
    ) -> None:
        self._read = read
        self._write_row = write
        self._headers = headers
        self._model = model
        self._predict = runtime.predict_rows
        self._seconds = runtime.seconds(1, ())

    def inference(self, body: Body) -> Inference | None:
        """Make the inference for a body; None if the body is not one plain row."""
        x = self._read(body) if len(body) <= _LONGEST else None
        if x is None:
            return None
        return Inference(
            self._model, None, 1, self._seconds, partial(self._predict, x), self._write
        )

    def _write(self, prediction: Prediction) -> tuple[Headers, Iterable[bytes]]:
        return self._headers, (self._write_row(prediction),)


def one_row(
    sent: MediaType, answer: str, model: LoadedModel, *, ends_with_newline: bool
) -> OneRow | None:
    """Make the short path for some headers; None if a format or the model does not support it.

    Args:
        sent: the media type of the body.
        answer: the media type of the response.
        model: the model, which answers with its default outputs.
        ends_with_newline: whether the last line ends with a newline.
    """
    schema, runtime = model.schema, model.runtime
    read, writer = format_of(sent.essence).read_row, format_of(answer).row_writer
    if not read or not writer or set(sent.parameters) - {"charset"} or not schema.n_features:
        return None
    if not isinstance(runtime, ForestRuntime):
        return None
    write = load(writer)(schema, ends_with_newline)
    if write is None:
        return None
    headers = ((b"content-type", answer.encode()),)
    if schema.takes_numbers_as_they_are:
        return OneRow(_numbers(load(read), schema), write, headers, model, runtime)
    if sent.parameters or not format_of(sent.essence).plain_reader:
        return None
    read_plain = load(format_of(sent.essence).plain_reader)(schema)
    return OneRow(_values(read_plain, schema), write, headers, model, runtime)


def _numbers(read: Callable[[Body], "list[float] | None"], schema: Schema) -> ReadRow:
    """What reads plain numbers that the schema takes as they are."""

    def matrix(body: Body) -> NDArray[Any] | None:
        values = read(body)
        return None if values is None else plain_row(values, schema)

    return matrix


def _values(read_plain: ReadPlain, schema: Schema) -> ReadRow:
    """What reads numbers and categories, and numbers that mean missing."""

    def matrix(body: Body) -> NDArray[Any] | None:
        values = read_plain(body)
        if values is None or len(values) != 1:
            return None
        try:
            return schema.conform(values, has_codes=True)
        except InvalidInput:  # The ordinary path says the same to everybody.
            return None

    return matrix
