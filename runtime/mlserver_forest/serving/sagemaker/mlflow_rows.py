"""Requests as MLflow's scoring server reads them (mlflow/pyfunc/scoring_server/__init__.py).

The shapes that only it has become those that every request may have: rows or columns under
``inputs``, which elsewhere is V2's, and outputs chosen in ``params``.
"""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.json.json_document import LargeArray, whole
from mlserver_forest.serving.http.media_types import MediaType

_INPUTS, _ROWS, _PARAMETERS, _OUTPUTS = "inputs", "instances", "params", "outputs"
_TENSOR = {"name", "shape", "datatype"}
_CSV = "text/csv"
_ARRAYS = (list, LargeArray)


def with_header(sent: MediaType) -> MediaType:
    """The media type of a body; CSV has a header unless it says otherwise, as MLflow writes it."""
    if sent.essence != _CSV or "header" in sent.parameters:
        return sent
    return MediaType(sent.essence, {**sent.parameters, "header": "present"})


def take_outputs(document: Any) -> tuple[str, ...]:
    """Take the outputs that ``params`` chooses out of a document; empty if it chooses none.

    Raises:
        InvalidInput: if they are not text.
    """
    parameters = document.get(_PARAMETERS) if isinstance(document, dict) else None
    if not isinstance(parameters, dict) or _OUTPUTS not in parameters:
        return ()
    named = parameters.pop(_OUTPUTS)
    if not isinstance(named, str):
        raise InvalidInput(
            f'"{_OUTPUTS}" in "{_PARAMETERS}" is {format_value(named)}; expected names of outputs '
            "with commas between them, such as predicted_label,probabilities"
        )
    return tuple(dict.fromkeys(one.strip().lower() for one in named.split(",") if one.strip()))


def rows_of(document: Any) -> Any:
    """A document whose rows are under ``instances`` or ``dataframe_split``; V2 stays as it is.

    Raises:
        InvalidInput: if columns are not lists, or have different numbers of values.
    """
    if not isinstance(document, dict) or _INPUTS not in document:
        return document
    inputs = document[_INPUTS]
    if isinstance(inputs, _ARRAYS) and _is_tensor(next(iter(inputs), None)):
        return document
    rest = {name: value for name, value in document.items() if name != _INPUTS}
    if isinstance(inputs, dict) and any(isinstance(one, _ARRAYS) for one in inputs.values()):
        return {**rest, "dataframe_split": _split(inputs)}
    return {**rest, _ROWS: [inputs] if isinstance(inputs, dict) else inputs}


def _is_tensor(first: Any) -> bool:
    return isinstance(first, dict) and first.keys() >= _TENSOR


def _split(columns: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: whole(column) for name, column in columns.items()}
    for name, found in values.items():
        if not isinstance(found, list):
            raise InvalidInput(
                f'the column {format_value(name)} in "{_INPUTS}" is {format_value(found)}; '
                "expected a list with a value for each row, as the other columns have"
            )
    lengths = [len(found) for found in values.values()]
    if len(set(lengths)) != 1:
        raise InvalidInput(
            f'the columns in "{_INPUTS}" have {format_value(lengths)} values; expected a list with '
            "a value for each row in every column"
        )
    rows = zip(*values.values(), strict=True)
    return {"columns": list(columns), "data": [list(row) for row in rows]}
