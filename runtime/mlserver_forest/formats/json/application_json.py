"""application/json: rows in every shape that SageMaker's algorithms, pandas and MLflow take.

Read: a list of instances (see ``json_rows``), bare or as ``{"instances": [...]}``; one row
``[1, 2]`` or one instance; pandas' records, bare or as ``dataframe_records``, and its split
``{"columns": [...], "index": [...], "data": [[...]]}``, bare or as ``dataframe_split``.
``null`` is a missing value. Written: ``{"predictions": [{...}]}``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.json import json_blocks
from mlserver_forest.formats.json.json_blocks import LargeArray, whole
from mlserver_forest.formats.json.json_objects import object_texts
from mlserver_forest.formats.json.json_rows import JsonRows, is_envelope
from mlserver_forest.formats.json.json_scan import SIZES
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

_SHAPES = (
    'expected [[...], ...], {"instances": [[...], ...]}, '
    '{"instances": [{"features": [...]}, ...]}, {"instances": [{"name": value, ...}, ...]}, '
    '{"columns": [...], "data": [[...], ...]} or a V2 request with "inputs"'
)
_LISTS = ("instances", "dataframe_records")
_SPLIT = "dataframe_split"
# SageMaker's algorithms, TensorFlow Serving and MLflow let these stand beside the instances.
_IGNORED = {"configuration", "signature_name", "parameters", "params"}


def parse(body: Body) -> Any:
    """Parse JSON text; in a large document, each large array is a ``LargeArray``.

    Raises:
        InvalidInput: with the parser's reason and place.
        PayloadTooLarge: if a row, or what is no row, takes megabytes.
    """
    if not body or (len(body) <= SIZES.whole and body.isspace()):
        raise InvalidInput(f"the body is empty; {_SHAPES}")
    return json_blocks.loads(body)


def decode(document: Any, schema: Schema) -> NDArray[Any]:
    """Read rows from a parsed document.

    Returns:
        C-contiguous (n_samples, n_features) in the dtype of the schema, NaN where a value
        is null.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
        PayloadTooLarge: if sparse rows are out of proportion to the body.
    """
    instances, columns = _find(document, schema)
    if isinstance(instances, LargeArray):
        rows = JsonRows(schema, instances.n_bytes, columns)
        for block in instances.blocks():
            rows.append(block)
    else:
        rows = JsonRows(schema, 0, columns)
        if instances:
            rows.append(instances)
    json_blocks.read_rest(document)
    return rows.finish()


def decode_body(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """``decode`` what ``parse`` gives; no parameter of the media type counts."""
    return decode(parse(body), schema)


def encode(predictions: Predictions) -> Iterator[bytes]:
    """``{"predictions": [...]}`` with one object per row, keyed by output."""
    opening = b'{"predictions":['
    for block in predictions.blocks():
        yield opening + b",".join(object_texts(block))
        opening = b","
    yield b"]}"


def _find(document: Any, schema: Schema) -> tuple[Sequence[Any] | LargeArray, list[str] | None]:
    """The instances of a document, and their columns where it names them."""
    if not isinstance(document, dict):
        return _instances(document), None
    for name in _LISTS:
        if is_envelope(document, name, schema):
            _check_beside(document, {name} | _IGNORED)
            return _instances(document[name], name), None
    if is_envelope(document, _SPLIT, schema):
        _check_beside(document, {_SPLIT} | _IGNORED)
        return _split(document[_SPLIT])
    if "columns" in document and isinstance(document.get("data"), list | LargeArray):
        return _split(document)
    if _is_instance(document, schema):
        return [document], None
    raise InvalidInput(f"the body is an object with {format_value(list(document))}; {_SHAPES}")


def _instances(value: Any, name: str = "") -> Sequence[Any] | LargeArray:
    """A list of instances; of one, where it is a row."""
    if not isinstance(value, list | LargeArray):
        place = f'"{name}"' if name else "the body"
        raise InvalidInput(f"{place} is {format_value(value)}; {_SHAPES}")
    is_row = not isinstance(next(iter(value), []), list | dict)
    return [whole(value)] if is_row else value


def _split(frame: Any) -> tuple[Sequence[Any] | LargeArray, list[str] | None]:
    """A frame as pandas' ``to_json(orient="split")`` writes it."""
    data = frame.get("data") if isinstance(frame, dict) else None
    if not isinstance(data, list | LargeArray):
        raise InvalidInput(
            f'"{_SPLIT}" is {format_value(frame)}; '
            'expected {"columns": [...], "data": [[...], ...]}'
        )
    _check_beside(frame, {"columns", "index", "data"})
    return data, _names(whole(frame.get("columns")))


def _names(columns: Any) -> list[str] | None:
    """Column names; none where pandas has counted the columns."""
    is_list = isinstance(columns, list)
    if columns is None or (is_list and columns == list(range(len(columns)))):
        return None
    if not is_list or not all(isinstance(name, str) for name in columns):
        raise InvalidInput(
            f'"columns" is {format_value(columns)}; expected the names of the features, or null'
        )
    return list(columns)


def _is_instance(document: dict[str, Any], schema: Schema) -> bool:
    if is_envelope(document, "features", schema) or is_envelope(document, "data", schema):
        return True
    values = document.values()
    return bool(values) and not any(isinstance(v, list | dict | LargeArray) for v in values)


def _check_beside(document: dict[str, Any], known: Collection[str]) -> None:
    unknown = [name for name in document if name not in known]
    if unknown:
        raise InvalidInput(
            f"the body has {format_value(unknown)}, which this server does not read; "
            f"expected {', '.join(sorted(known))}"
        )
