"""The short path for requests of one row of plain numbers, the most common kind.

They need neither the blocks nor the V2 types of long tables: the bytes become one array, and the
prediction becomes bytes. All other bodies (with a missing value, a category, quotes, names, or a
second row) take the ordinary path, which also explains what is wrong with invalid bodies. Both
paths return the same bytes (tests/contract/test_both_ways.py).
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import RowWriter
from mlserver_forest.formats.registry import load
from mlserver_forest.serving.http.media_types import MediaType, format_of
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_models import LoadedModel
from mlserver_forest.serving.models.runtime import ForestModel
from mlserver_forest.serving.pipeline import Inference

Reader = Callable[[Body], "list[float] | None"]

_LONGEST = 1 << 14
# A number nearer to the largest float32 or float64 needs a closer look.
_LARGEST = {"FP32": 3.4e38, "FP64": 1.7e308}


class OneRow:
    """Reads and answers one-row bodies of requests with the same headers.

    Args:
        read: returns the numbers of a body, or None if it is not one plain row.
        write: returns the body of the response.
        headers: the headers of the response.
        model: the model that answers.
        runtime: the model's runtime.
    """

    def __init__(
        self,
        read: Reader,
        write: RowWriter,
        headers: Headers,
        model: LoadedModel,
        runtime: ForestModel,
    ) -> None:
        self._read = read
        self._write_row = write
        self._headers = headers
        self._model = model
        self._predict = runtime.predict_rows
        self._seconds = runtime.seconds(1, ())
        self._n_features = model.schema.n_features
        self._dtype = model.schema.dtype
        self._largest = _LARGEST[model.schema.datatype]

    def inference(self, body: Body) -> Inference | None:
        """Make the inference for a body; None if the body is not one plain row."""
        x = self._matrix(body)
        if x is None:
            return None
        return Inference(
            self._model, None, 1, self._seconds, partial(self._predict, x), self._write
        )

    def _matrix(self, body: Body) -> NDArray[Any] | None:
        """The row, (1, n_features) in the schema's dtype."""
        if len(body) > _LONGEST:
            return None
        values = self._read(body)
        if values is None or len(values) != self._n_features or not isfinite(sum(values)):
            return None
        if max(values) > self._largest or min(values) < -self._largest:
            return None
        return np.array((values,), self._dtype)

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
    if not schema.takes_numbers_as_they_are or not isinstance(runtime, ForestModel):
        return None
    write = load(writer)(schema, ends_with_newline)
    if write is None:
        return None
    return OneRow(load(read), write, ((b"content-type", answer.encode()),), model, runtime)
