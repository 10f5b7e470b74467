"""The V2 response of a runtime that reads tables -> columns, named as a client knows them."""

from collections.abc import Collection, Mapping

import numpy as np
from mlserver.types import InferenceResponse, RequestOutput

from mlserver_forest.errors import InvalidInput, ModelFailed, NotAcceptable, format_value
from mlserver_forest.formats.predictions import Column
from mlserver_forest.schema.output_names import PREDICT, PREDICT_PROBA
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.output_tensors import array_of

# The names of SageMaker's built-in algorithms for the outputs of MLServer's runtimes.
_V2_NAMES = {
    "predicted_label": PREDICT,
    "score": PREDICT,
    "predicted_score": PREDICT,
    "probabilities": PREDICT_PROBA,
}
# What MLServer's runtimes, and its codecs, call a prediction.
_PREDICTIONS = frozenset({PREDICT, "output-1"})


def requested(names: Collection[str]) -> list[RequestOutput]:
    """The outputs of a V2 request, each once, for those that a client has chosen."""
    found = dict.fromkeys(_V2_NAMES.get(name, name) for name in names)
    return [v2_types.request_output(name) for name in found]


def columns_of(response: InferenceResponse, model: str) -> dict[str, Column]:
    """The outputs by their V2 names, each with an entry for each row.

    Args:
        response: the answer.
        model: the name of the model that gave it.

    Raises:
        ModelFailed: if an output's data do not fit its shape or its datatype.
        NotAcceptable: if the outputs are not one table.
    """
    try:
        columns = {output.name: _rows(array_of(output)) for output in response.outputs}
    except (ValueError, TypeError) as error:
        raise ModelFailed(f"the answer of model {model!r} is not a tensor: {error}") from error
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise NotAcceptable(
            f"the model's outputs are not one table: they have {lengths} rows; choose one "
            f"with outputs= , or send the request to /v2/models/{model}/infer"
        )
    return columns


def renamed(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """A prediction alone is called what it is called in the answers of this package's models."""
    if len(columns) != 1 or not _PREDICTIONS.issuperset(columns):
        return columns
    (column,) = columns.values()
    return {"score" if column.dtype.kind == "f" else "predicted_label": column}


def chosen_columns(columns: Mapping[str, Column], names: Collection[str]) -> dict[str, Column]:
    """The columns that a client has chosen, by the names that it used.

    Raises:
        InvalidInput: if the answer has no such output.
    """
    missing = [name for name in names if _V2_NAMES.get(name, name) not in columns]
    if missing:
        raise InvalidInput(
            f"output {format_value(missing[0])} was chosen; the model's answer has "
            f"{', '.join(columns)}"
        )
    return {name: columns[_V2_NAMES.get(name, name)] for name in names}


def _rows(column: Column) -> Column:
    """One value for each row, or several."""
    if isinstance(column, np.ndarray):
        if column.ndim == 0:
            return column.reshape(1)
        if column.ndim == 2 and column.shape[1] == 1:
            return column[:, 0]
    return column
