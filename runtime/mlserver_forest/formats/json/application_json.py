"""application/json: rows in every shape that SageMaker's algorithms, pandas and MLflow take.

Read: a list of rows (see ``json_rows``), bare or as ``{"instances": [...]}``; one row; pandas'
records, bare or as ``dataframe_records``, and its split
``{"columns": [...], "index": [...], "data": [[...]]}``, bare or as ``dataframe_split``; or a row
on each line, as in application/jsonlines. Written: ``{"predictions": [{...}]}``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from mlserver_forest.errors import format_value
from mlserver_forest.formats.json import application_jsonlines, json_document
from mlserver_forest.formats.json.encoded_twice import encoded_twice
from mlserver_forest.formats.json.json_document import LargeArray, whole
from mlserver_forest.formats.json.json_objects import object_texts, value_texts
from mlserver_forest.formats.json.json_rows import JsonRows
from mlserver_forest.formats.json.json_source import BODY, JsonSource, Sizes
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import PredictionBlock, Predictions
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_encoding import BYTE_ORDER_MARK, without_mark

_SHAPES = (
    'expected [[...], ...], {"instances": [[...], ...]}, '
    '{"instances": [{"features": [...]}, ...]}, {"instances": [{"name": value, ...}, ...]}, '
    '{"columns": [...], "data": [[...], ...]}'
)
_OR_V2 = ' or a V2 request with "inputs"'
_LISTS = ("instances", "dataframe_records")
_PANDAS_TABLE = {"schema", "data"}
_HINT = '; of a data frame, send to_json(orient="records") or to_json(orient="split")'
_SPLIT = "dataframe_split"
_TABLES = {*_LISTS, _SPLIT, "columns"}
_ARRAYS = (list, LargeArray)
_CONTAINERS = {list, dict, LargeArray}
# SageMaker's algorithms, TensorFlow Serving and MLflow take options beside the instances. A forest
# has none, so they may only be empty, or say what holds without them.
_OPTIONS: Mapping[str, str] = {
    "configuration": "",
    "parameters": "",
    "params": "",
    "signature_name": "serving_default",
}


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Text that is not one document but a row on each line."""

    text: Body


def parse(
    source: Source,
    plan_columns: PlanColumns,
    policy: ParsePolicy,
    parameters: Mapping[str, str],
    sizes: Sizes | None = None,
) -> Iterator[ParsedRows]:
    """Parse rows; see ``source.Parse``. Lines of a file are never in memory together.

    Args:
        source: the text.
        plan_columns: called with the columns that a document names, or those of its first row.
        policy: the errors to raise.
        parameters: of the media type; none counts.
        sizes: of the blocks, if they are not those of the policy.
    """
    text = JsonSource.of(source, policy, sizes)
    if isinstance(source.content, bytes | bytearray):
        return parse_document(load(source.content, text), plan_columns, text)
    return _parse_stream(source.content, plan_columns, text)


def load(body: Body, source: JsonSource = BODY) -> Any:
    """Parse a document.

    Returns:
        Its value, with ``LargeArray`` in a large document; or ``JsonLines``.

    Raises:
        policy.invalid: with orjson's reason and the location, or if the body is empty.
        policy.too_large: if a row, or the text outside of rows, takes megabytes.
    """
    body = without_mark(body)
    if not body or (len(body) <= source.sizes.whole and body.isspace()):
        raise source.policy.invalid(f"{source.title} is empty; {_shapes(source)}")
    try:
        return json_document.loads(body, source)
    except (source.policy.invalid, source.policy.too_large):
        if _begins_with_row(body, source):
            return JsonLines(body)
        raise


def parse_document(
    document: Any, plan_columns: PlanColumns, source: JsonSource = BODY
) -> Iterator[ParsedRows]:
    """Read the rows of a document.

    Args:
        document: from ``load``.
        plan_columns: called with the columns that the document names, or those of its first row.
        source: of the document.

    Raises:
        policy.invalid: naming row and column, the value and what was expected.
        policy.too_large: if a row takes megabytes.
    """
    if isinstance(document, JsonLines):
        read = application_jsonlines.reader_of(document.text)
        yield from application_jsonlines.parse_lines(read, plan_columns, source)
        return
    found, names = _find(document, source)
    rows, n_rows = JsonRows(plan_columns, source, names), 0
    is_flat = source.has_one_column and _is_flat(found)
    for values in found.blocks() if isinstance(found, LargeArray) else [found]:
        block = [[value] for value in values] if is_flat else values
        if block:
            yield from rows.parse(block, RowLocations(source.name, "row", n_rows + 1))
        n_rows += len(block)
    if isinstance(document, dict):
        json_document.read_rest(document)


def encode(predictions: Predictions) -> Iterator[bytes]:
    """``{"predictions": [...]}`` with one object per row, keyed by output."""
    return encode_as("predictions", predictions, object_texts)


def encode_values(predictions: Predictions) -> Iterator[bytes]:
    """``{"predictions": [...]}`` with the value of the one output of each row."""
    return encode_as("predictions", predictions, value_texts)


def encode_as(
    name: str, predictions: Predictions, texts: Callable[[PredictionBlock], Iterable[bytes]]
) -> Iterator[bytes]:
    """An object whose one member is a list with the text of each row."""
    opening = b'{"%b":[' % name.encode()
    for block in predictions.blocks():
        yield opening + b",".join(texts(block))
        opening = b","
    yield b"]}"


def _parse_stream(
    stream: BinaryIO, plan_columns: PlanColumns, source: JsonSource
) -> Iterator[ParsedRows]:
    first = stream.read(source.sizes.block)
    if not first.strip() or _begins_with_row(first, source):
        blocks = iter([first])
        yield from application_jsonlines.parse_lines(
            lambda size: next(blocks, None) or stream.read(size), plan_columns, source
        )
        return
    yield from parse_document(load(first + stream.read(), source), plan_columns, source)


def _begins_with_row(text: Body, source: JsonSource) -> bool:
    """Whether the first line that is not blank is a whole row."""
    start = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    line: Body = b""
    while not line.strip():
        end = text.find(b"\n", start, start + source.sizes.longest)
        if end < 0:
            return False
        line = text[start:end]
        start = end + 1
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if isinstance(row, dict):
        return not _is_frame(row) and not any(map(row.__contains__, (*_LISTS, _SPLIT)))
    return isinstance(row, list) and not (row and isinstance(row[0], (list, dict)))


def _find(
    document: Any, source: JsonSource
) -> tuple[Sequence[Any] | LargeArray, Sequence[str] | None]:
    """The rows of a document, and their columns if it names them."""
    if not isinstance(document, dict):
        return _rows(document, "", source), None
    _check_writer(document, source)
    if _TABLES.isdisjoint(document) and _is_row(document):
        return [document], None
    for name in _LISTS:
        if type(document.get(name)) in _CONTAINERS:
            if len(document) > 1:
                _check_members(document, {name, *_OPTIONS}, source)
                _check_options(document, source)
            return _rows(document[name], name, source), None
    if type(document.get(_SPLIT)) in _CONTAINERS:
        _check_members(document, {_SPLIT, *_OPTIONS}, source)
        _check_options(document, source)
        return _frame(document[_SPLIT], source)
    if _is_frame(document):
        return _frame(document, source)
    if _is_row(document):
        return [document], None
    raise source.policy.invalid(
        f"{source.title} is an object with {format_value(list(document))}; {_shapes(source)}"
        f"{_hint_of_columns(document)}"
    )


def _check_writer(document: Mapping[str, Any], source: JsonSource) -> None:
    """Refuse what a wrong call of a client's library writes."""
    if document.keys() == _PANDAS_TABLE and isinstance(document["schema"], dict):
        raise source.policy.invalid(
            f'{source.title} is a data frame as to_json(orient="table") writes it{_HINT}'
        )
    for name in (*_LISTS, _SPLIT):
        if fault := encoded_twice(document.get(name), f'"{name}"'):
            raise source.policy.invalid(fault)


def _hint_of_columns(document: Mapping[str, Any]) -> str:
    """The step for what pandas' ``to_json()`` writes by default, and for objects of lists."""
    if {type(value) for value in document.values()} - _CONTAINERS:
        return ""
    return _HINT


def _rows(value: Any, name: str, source: JsonSource) -> Sequence[Any] | LargeArray:
    """A list of rows; of one if the value is a row."""
    if not isinstance(value, _ARRAYS):
        place = f'"{name}"' if name else source.title
        raise source.policy.invalid(
            encoded_twice(value, place) or f"{place} is {format_value(value)}; {_shapes(source)}"
        )
    return [whole(value)] if _is_flat(value) and not source.has_one_column else value


def _is_flat(rows: Sequence[Any] | LargeArray) -> bool:
    """Whether a list holds values, and not rows; an empty one holds rows."""
    return not isinstance(next(iter(rows), []), (list, dict, LargeArray))


def _is_frame(document: Mapping[str, Any]) -> bool:
    return "columns" in document and isinstance(document.get("data"), _ARRAYS)


def _frame(
    frame: Any, source: JsonSource
) -> tuple[Sequence[Any] | LargeArray, Sequence[str] | None]:
    """The rows of a frame as pandas' ``to_json(orient="split")`` writes it."""
    data = frame.get("data") if isinstance(frame, dict) else None
    if not isinstance(data, _ARRAYS):
        raise source.policy.invalid(
            f'"{_SPLIT}" is {format_value(frame)}; '
            'expected {"columns": [...], "data": [[...], ...]}'
        )
    _check_members(frame, {"columns", "index", "data"}, source)
    return data, _names(whole(frame.get("columns")), source)


def _names(columns: Any, source: JsonSource) -> Sequence[str] | None:
    """Column names; None if pandas has only numbered the columns."""
    is_list = isinstance(columns, list)
    if columns is None or (is_list and columns == list(range(len(columns)))):
        return None
    if not is_list or not all(isinstance(name, str) for name in columns):
        raise source.policy.invalid(
            f'"columns" is {format_value(columns)}; expected the names of the columns, or null'
        )
    return list(columns)


def _is_row(document: Mapping[str, Any]) -> bool:
    if not _CONTAINERS.isdisjoint(map(type, document.values())):
        get = document.get
        return type(get("features")) in _CONTAINERS or type(get("data")) in _CONTAINERS
    return bool(document)


def _check_members(document: Mapping[str, Any], known: Collection[str], source: JsonSource) -> None:
    unknown = [name for name in document if name not in known]
    if unknown:
        raise source.policy.invalid(
            f"{source.title} has {format_value(unknown)}, which are not read; "
            f"expected {', '.join(sorted(known))}"
        )


def _check_options(document: Mapping[str, Any], source: JsonSource) -> None:
    for name, default in _OPTIONS.items():
        value = document.get(name)
        if value not in (None, {}, [], "", default):
            raise source.policy.invalid(
                f'"{name}" is {format_value(value)}; the model has no such options, so it would be '
                "ignored: leave it out"
            )


def _shapes(source: JsonSource) -> str:
    """The shapes that are read; only a request, which has no name, may be one of V2."""
    return _SHAPES if source.name else _SHAPES + _OR_V2
