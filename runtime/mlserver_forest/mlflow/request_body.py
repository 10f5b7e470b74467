"""Rows as MLflow's clients have them -> the body of a request."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from mlserver_forest.errors import InvalidInput, format_value

# Integers below are floats without rounding.
_EXACT = 1 << 53


@dataclass(frozen=True)
class InvocationBody:
    """A body and its media type."""

    content: bytes
    media_type: str


def body_of(inputs: Any) -> InvocationBody:
    """Write rows so that no number of theirs is rounded.

    Args:
        inputs: a data frame with named columns, an array (n_samples, n_features), or a document in
            one of MLflow's shapes, such as ``{"dataframe_split": {...}}`` or a list of rows.

    Raises:
        InvalidInput: if it is none of them.
    """
    if hasattr(inputs, "to_parquet"):
        whole = _with_integers(inputs)
        return InvocationBody(whole.to_parquet(None, index=False), "application/x-parquet")
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "biuf":
        file = io.BytesIO()
        np.save(file, inputs, allow_pickle=False)
        return InvocationBody(file.getvalue(), "application/x-npy")
    if isinstance(inputs, np.ndarray):
        inputs = inputs.tolist()
    if not isinstance(inputs, dict | list):
        raise InvalidInput(
            f"the rows are {format_value(inputs)}; expected a data frame, an array, or a document "
            'such as {"dataframe_split": {"columns": [...], "data": [[...]]}}'
        )
    return InvocationBody(
        orjson.dumps(inputs, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"
    )


def _with_integers(frame: Any) -> Any:
    """The frame with integers where a gap has made pandas turn a column of them into floats.

    A category may be an integer, or true or false, which ``pandas.read_json`` reads as 1.0 and 0.0
    in a column with gaps; it may not be a float.
    """
    floats = frame.select_dtypes("float")
    whole = [
        name
        for name, column in floats.items()
        if ((known := column.dropna()) % 1 == 0).all() and (known.abs() < _EXACT).all()
    ]
    return frame.astype(dict.fromkeys(whole, "Int64"))
