"""Requests -> the table that is logged, with a line for each of their rows.

A row stands there as the model read it: categories and booleans by name, dates as times, numbers as
they were parsed, and null where a value was missing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.schema.categories import UNSEEN_BITS, Categories
from mlserver_forest.schema.output_names import PREDICT
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http.request import CUSTOM_ATTRIBUTES
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.observed_message import ObservedMessage
from mlserver_forest.serving.observed_rows import ObservedRows, joined
from mlserver_forest.serving.request_log.logged_message import distinct, message_columns
from mlserver_forest.serving.tracing.request_id import HEADER, CurrentRequest

# What stands for a category that training did not see, whatever it was.
UNSEEN_NAME = "(unseen)"
_MICROSECONDS = 1e6
_TIME = pa.timestamp("us", "UTC")
_REQUEST_TYPES: Mapping[str, Any] = {
    "request_id": pa.string(),
    "inference_id": pa.string(),
    "custom_attributes": pa.string(),
    "model": pa.string(),
    "version": pa.string(),
    "time": _TIME,
    "route": pa.string(),
    "seconds": pa.float64(),
    "row": pa.int64(),
}


@dataclass(slots=True)  # A frozen one takes a microsecond more to make.
class LoggedRequest:
    """A request that was chosen for the log.

    Attributes:
        model: the model that answered.
        observed: its rows and their predictions, or the message of another library's runtime.
        id: the id of the response, or None if it has none.
        origin: the request's headers and route.
        time: when it was answered, in seconds since 1970.
        seconds: how long the model took.
    """

    model: LoadedModel
    observed: ObservedRows | ObservedMessage
    id: str | None
    origin: CurrentRequest
    time: float
    seconds: float


def column_names(schema: Schema) -> dict[str, str]:
    """The columns of the log that hold a model's features, by the names of the features."""
    taken = {*_REQUEST_TYPES, PREDICT, *schema.score_columns}
    return distinct(schema.feature_names, taken)


def all_columns(schema: Schema) -> frozenset[str]:
    """Every name by which a column of a model's log may be dropped."""
    names = column_names(schema)
    return frozenset({*_REQUEST_TYPES, PREDICT, *schema.score_columns, *names, *names.values()})


def table_of(requests: Sequence[LoggedRequest], dropped: Collection[str]) -> pa.Table:
    """The table of requests that one model answered.

    Args:
        requests: at least one; only one if it is a message, because each has columns of its own.
        dropped: the columns to leave out, by the names of features or of the log's columns.

    Raises:
        ValueError: if a message's data do not fit the shape or the datatype that it names.
    """
    lengths = np.array([request.observed.n_rows for request in requests])
    columns = dict(_request_columns(requests, lengths))
    first = requests[0].observed
    if isinstance(first, ObservedMessage):
        columns.update(message_columns(first, _REQUEST_TYPES))
    else:
        rows = [one.observed for one in requests if isinstance(one.observed, ObservedRows)]
        columns.update(_forest_columns(rows, requests[0].model.schema, dropped))
    return pa.table({name: column for name, column in columns.items() if name not in dropped})


def _forest_columns(
    observed: Sequence[ObservedRows], schema: Schema, dropped: Collection[str]
) -> Mapping[str, Any]:
    parts = [part for one in observed for part in one.parts]
    x, values, positions = (joined(parts[kind::3]) for kind in range(3))
    names = column_names(schema)
    features = {
        names[feature]: _feature_column(x[:, place], schema, place)
        for place, feature in enumerate(schema.feature_names)
        if feature not in dropped and names[feature] not in dropped
    }
    return features | dict(_output_columns(values, positions, schema))


def _request_columns(
    requests: Sequence[LoggedRequest], lengths: NDArray[np.int64]
) -> Iterator[tuple[str, Any]]:
    of_requests = {
        "request_id": [request.id or str(request.origin) for request in requests],
        "inference_id": [_header(request, HEADER) for request in requests],
        "custom_attributes": [_header(request, CUSTOM_ATTRIBUTES) for request in requests],
        "model": [request.model.name for request in requests],
        "version": [request.model.only_version for request in requests],
        "time": [int(request.time * _MICROSECONDS) for request in requests],
        "route": [request.origin.route for request in requests],
        "seconds": [request.seconds for request in requests],
    }
    ends = np.cumsum(lengths)
    owners = np.repeat(np.arange(len(requests)), lengths)
    for name, found in of_requests.items():
        column = pa.array(found, _REQUEST_TYPES[name])
        yield name, column if len(column) == ends[-1] else column.take(pa.array(owners))
    yield "row", pa.array(np.arange(ends[-1]) - np.repeat(ends - lengths, lengths))


def _header(request: LoggedRequest, name: bytes) -> str | None:
    value = request.origin.headers.get(name)
    return None if value is None else value.decode("latin-1")


def _feature_column(values: NDArray[Any], schema: Schema, place: int) -> Any:
    categories = schema.categories_by_column.get(place)
    if categories is not None:
        return _category_column(np.ascontiguousarray(values), categories)
    spelling = schema.spellings_by_column.get(place)
    if spelling is not None and spelling.is_date:
        missing = np.isnan(values)
        seconds = np.where(missing, 0, values).astype(np.float64)
        return pa.array((seconds * _MICROSECONDS).round().astype(np.int64), _TIME, mask=missing)
    return pa.array(values, from_pandas=True)


def _category_column(codes: NDArray[Any], categories: Categories) -> Any:
    """The names of categories; ``#`` and the hash if nothing else is known of one."""
    missing = np.isnan(codes)
    if categories.is_boolean:
        return pa.array(codes == 1, mask=missing)
    kind, bits = UNSEEN_BITS[codes.dtype]
    unseen = codes.view(kind) == bits
    distinct, places = np.unique(np.where(missing, -1, codes), return_inverse=True)
    names = [_name(float(code), categories) for code in distinct]
    places = np.where(unseen, len(names), places)
    known = pa.array(np.array([*names, UNSEEN_NAME], object), pa.string())
    return known.take(pa.array(places, mask=missing & ~unseen))


def _name(code: float, categories: Categories) -> str:
    if code < 0:
        return ""
    found = categories.name_of(code)
    if found is not None:
        return found
    return f"#{code:.0f}" if categories.is_hashed else UNSEEN_NAME


def _output_columns(
    values: NDArray[np.float64], positions: NDArray[np.intp], schema: Schema
) -> Iterator[tuple[str, Any]]:
    if schema.classes:
        yield PREDICT, pa.array(list(schema.classes)).take(pa.array(positions))
    else:
        yield PREDICT, _numbers(values[:, : schema.n_targets])
    for name, columns in schema.score_columns.items():
        yield name, _numbers(values[:, columns])


def _numbers(values: NDArray[np.float64]) -> Any:
    """(n, k) numbers: a column of numbers, or of lists if there are several."""
    n_rows, width = values.shape
    flat = pa.array(np.ascontiguousarray(values).ravel())
    if width == 1:
        return flat
    return pa.ListArray.from_arrays(pa.array(np.arange(n_rows + 1) * width, pa.int32()), flat)
