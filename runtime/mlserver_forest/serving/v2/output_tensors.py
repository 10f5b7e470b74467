"""The V2 outputs of a forest: what of its answers each one holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlserver.types import Parameters, ResponseOutput
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.formats.v2 import v2_tensor
from mlserver_forest.model.answers import Answer, Answers
from mlserver_forest.schema.output_names import (
    CONTRIBUTIONS,
    EXPECTED_VALUE,
    INSIGHT_DATATYPES,
    INTERVAL,
    OUT_OF_RANGE,
    OUT_OF_RANGE_FEATURES,
    PREDICT,
    PREDICTION_SET,
)
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2 import v2_types

_NO_CLASSES = np.empty(0)
# Of the numbers in an answer, which may be many for each that was sent.
_MOST_ANSWER_VALUES = 1 << 27


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output.

    Attributes:
        name: such as ``predict_proba``.
        datatype: a V2 name.
        parameters: for MLServer's codecs.
        shape: of a row's numbers.
        answer: each row's numbers, (n, *shape), or the position of its class, (n,).
        classes: where the output is the class of each row, the labels, (n_classes,).
    """

    name: str
    datatype: str
    parameters: Parameters
    shape: tuple[int, ...]
    answer: Answer
    classes: NDArray[Any]

    def empty(self, n_rows: int) -> NDArray[Any]:
        """Room for what ``answer`` gives for so many rows."""
        if self.classes.size:
            return np.empty(n_rows, np.min_scalar_type(self.classes.size))
        return np.empty((n_rows, *self.shape), v2_tensor.DTYPES[self.datatype])

    def finished(self, raw: NDArray[Any]) -> Column:
        """Numbers (n, *shape), or labels in place of positions: text (n,), others (n, 1)."""
        if not self.classes.size:
            return raw
        if self.classes.dtype.kind == "O":
            return Labels(raw, self.classes)
        return np.asarray(self.classes[raw[:, None]])

    def message(self, array: Column, data: Any) -> ResponseOutput:
        """The V2 output of an array, with its data as the server writes them."""
        shape = [len(array), 1] if isinstance(array, Labels) else list(array.shape)
        return v2_types.response_output(self.name, shape, self.datatype, data, self.parameters)


def output_tensors(schema: Schema) -> dict[str, OutputTensor]:
    """A model's outputs by name."""
    numbers = v2_types.content_type("np")
    scores = {
        name: OutputTensor(name, "FP64", numbers, (_width(columns),), _values(columns), _NO_CLASSES)
        for name, columns in schema.score_columns.items()
    }
    insights = {
        name: OutputTensor(
            name, INSIGHT_DATATYPES[name], numbers, shape, _INSIGHTS[name], _NO_CLASSES
        )
        for name, shape in schema.insights.items()
    }
    return {PREDICT: _predict(schema), **scores, **insights}


def check_size(tensors: Sequence[OutputTensor], n_rows: int) -> None:
    """See that an answer fits into memory.

    Raises:
        InvalidInput: with the rows that may be sent at a time.
    """
    width = sum(math.prod(tensor.shape) for tensor in tensors)
    if n_rows * width > _MOST_ANSWER_VALUES:
        raise InvalidInput(
            f"the outputs {', '.join(tensor.name for tensor in tensors)} have {width} values a "
            f"row, and {n_rows} rows were sent; send at most {_MOST_ANSWER_VALUES // width} rows "
            "at a time"
        )


def _predict(schema: Schema) -> OutputTensor:
    """The class of each row, or the numbers of a regression."""
    dtype = v2_tensor.DTYPES.get(schema.label_datatype, np.dtype(object))
    codec = "str" if schema.label_datatype == v2_tensor.BYTES else "np"
    return OutputTensor(
        PREDICT,
        schema.label_datatype,
        v2_types.content_type(codec),
        (schema.n_targets,),
        _positions if schema.classes else _values(slice(0, schema.n_targets)),
        np.array(schema.classes, dtype),
    )


def _width(columns: slice) -> int:
    width: int = columns.stop - columns.start
    return width


def _values(columns: slice) -> Answer:
    return lambda answers: answers.prediction.values[:, columns]


def _positions(answers: Answers) -> NDArray[Any]:
    return answers.prediction.positions


def _contributions(answers: Answers) -> NDArray[Any]:
    contributions = answers.contributions()
    return contributions[:, :, 0] if contributions.shape[2] == 1 else contributions


def _expected_value(answers: Answers) -> NDArray[Any]:
    expected = answers.forest.expected_value
    return np.tile(expected, (len(answers.x), 1))


def _out_of_range(answers: Answers) -> NDArray[Any]:
    return np.asarray(answers.out_of_range().any(axis=1, keepdims=True))


_INSIGHTS: Mapping[str, Answer] = {
    CONTRIBUTIONS: _contributions,
    EXPECTED_VALUE: _expected_value,
    OUT_OF_RANGE: _out_of_range,
    OUT_OF_RANGE_FEATURES: Answers.out_of_range,
    INTERVAL: Answers.interval,
    PREDICTION_SET: Answers.prediction_set,
}
