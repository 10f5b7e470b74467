"""text/csv: rows of numbers and words in, one label or number per line out.

Fields are separated by commas; lines end with LF or CRLF; fields may be quoted; a
byte order mark is skipped; white space around a field counts for nothing. An empty field,
or another of ``categories.MISSING_TEXTS``, is a missing value. In the column of a feature
of words "1" is a word as any other. With the parameter ``header=present`` the first line
names the columns, in any order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.csv import csv_kernel
from mlserver_forest.formats.csv.csv_blocks import BLOCK_BYTES, CsvBlocks
from mlserver_forest.formats.csv.csv_fields import parse_number, read_records
from mlserver_forest.formats.csv.csv_numbers import PlainNumbers
from mlserver_forest.formats.csv.csv_words import WordColumns
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion
from mlserver_forest.formats.predictions import Block, Predictions
from mlserver_forest.schema.schema import Schema

__all__ = ["decode", "encode", "parse_number"]

# From here on the kernel is faster than Python; measured at 4 and 28 columns.
_MANY_BYTES = 256
_QUOTED = ',"\r\n'
# About 300 KB of probabilities.
_BLOCK_CELLS = 2**14


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read rows.

    Args:
        body: the text, UTF-8.
        schema: the features that the columns stand for, in their order.
        parameters: of the media type; ``header`` (present or absent) and ``label_size``
            (0) are those that count.

    Returns:
        (n_samples, n_features) in the dtype of the schema, positions for words, NaN for
        what is missing.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
    """
    has_header = bool(parameters) and _has_header(parameters)
    is_plain = not (has_header or schema.categories_by_column) and len(body) <= BLOCK_BYTES
    if is_plain and len(body) >= _MANY_BYTES and schema.n_features > 1:
        plain = csv_kernel.parse(body, 0, len(body), schema.n_features, schema.dtype)
        if plain is not None:
            return schema.conform(plain)
    if is_plain and not body.isspace():
        values = PlainNumbers(schema.n_features or _commas(body) + 1).parse(body)
        if values is not None:
            if not schema.feature_names:
                check_expansion(len(values), values.shape[1], schema, len(body))
            return schema.conform(values)
    blocks = CsvBlocks(body, schema)
    if blocks.is_blank():
        raise InvalidInput(f"the body is empty; expected rows of {schema.describe()} values")
    if has_header:
        names = [name.strip() for name in next(blocks.records())]
        return _gather(blocks, schema, _named_values(blocks, schema, names))
    if not schema.feature_names:
        schema = schema.with_width(_width(body, schema))
        blocks = CsvBlocks(body, schema)
    return _gather(blocks, schema, _values(blocks, schema, schema, n_before=0))


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One row per line, each line ended, as AWS's sample answers.

    A lone output that was not asked for by name is written as it is, several numbers of
    a row side by side; outputs chosen by name follow AWS's XGBoost image: in the
    order in which they were chosen, a list as quoted text, ``"[0.1, 0.9]"``.
    """
    cells = _Cells()
    for block in predictions.blocks():
        n_columns = sum(
            column[0].size if column.ndim > 1 else 1 for column in block.columns.values()
        )
        lines = _lines(block, cells)
        while text := "\n".join(islice(lines, _BLOCK_CELLS // n_columns + 1)):
            yield (text + "\n").encode()


class _Cells(dict[str, str]):
    """Labels as cells hold them; a few stand in many rows."""

    def __missing__(self, label: str) -> str:
        cell = self[label] = _cell(label)
        return cell


def _cell(text: str) -> str:
    if text and not any(character in text for character in _QUOTED):
        return text
    return '"' + text.replace('"', '""') + '"'


def _lines(block: Block, cells: _Cells) -> Iterator[str]:
    columns = list(block.columns.values())
    if len(columns) > 1 or block.are_selected:
        return map(
            ",".join, zip(*(_chosen(block, name, cells) for name in block.columns), strict=True)
        )
    if columns[0].ndim == 1:
        return _texts(columns[0], cells)
    return (",".join(_texts(row, cells)) for row in columns[0])


def _chosen(block: Block, name: str, cells: _Cells) -> Iterator[str]:
    """The cells of an output that was chosen by name."""
    sets = block.sets(name)
    if sets is not None:
        return (_cell(str(row)) for row in sets)
    return _texts(block.columns[name], cells)


def _texts(column: NDArray[Any], cells: _Cells) -> Iterator[str]:
    """The cells of a column, numbers as Python writes them."""
    if column.ndim > 1:
        return (_cell(str(row.tolist())) for row in column)
    if column.dtype.kind in "OU":
        return map(cells.__getitem__, column.tolist())
    return map(repr, column.tolist())


def _has_header(parameters: Mapping[str, str]) -> bool:
    label_size = parameters.get("label_size", "0")
    if label_size != "0":
        raise InvalidInput(
            f"label_size is {format_value(label_size)}; rows to be predicted have no label: "
            "send the features alone, and label_size=0 or none"
        )
    header = parameters.get("header", "absent").lower()
    if header not in {"present", "absent"}:
        raise InvalidInput(
            f"header is {format_value(header)}; expected header=present or header=absent"
        )
    return header == "present"


def _commas(body: Body) -> int:
    """Those in the first line."""
    newline = body.find(b"\n")
    return body.count(b",", 0, len(body) if newline < 0 else newline)


def _width(body: Body, schema: Schema) -> int:
    """The columns that the first row of a model without names has."""
    width = len(next(CsvBlocks(body, schema).records())) or 1
    check_expansion(1, width, schema, len(body))
    return width


def _gather(
    blocks: CsvBlocks, schema: Schema, values: Iterator[NDArray[np.float64]]
) -> NDArray[Any]:
    first = next(values, None)
    if first is None:
        raise InvalidInput(f"there is no row; expected rows of {schema.describe()} values")
    if blocks.is_finished:
        return schema.conform(first)
    matrix = Matrix(schema, blocks.expected_rows(len(first)))
    matrix.append(first)
    for block in values:
        matrix.append(block)
    return matrix.finish()


def _named_values(
    blocks: CsvBlocks, schema: Schema, names: Sequence[str]
) -> Iterator[NDArray[np.float64]]:
    """Rows behind a header: checked as they stand in the body, in the order of the model."""
    positions = schema.positions(names, "the header line")
    sent = replace(schema, feature_names=tuple(names))
    n_before = 1
    for values in _values(blocks, schema, sent, n_before):
        yield sent.conform(values, n_before)[:, positions]
        n_before += len(values)


def _values(
    blocks: CsvBlocks, schema: Schema, sent: Schema, n_before: int
) -> Iterator[NDArray[np.float64]]:
    """Numbers, block by block, in the columns' order in the body.

    Args:
        blocks: the rows.
        schema: as the model has it, for error messages.
        sent: the same with the features in the order of the columns.
        n_before: the rows before the first, for error messages.
    """
    numbers, columns = PlainNumbers(sent.n_features), WordColumns(sent)
    while not blocks.is_finished:
        values = blocks.plain()
        if values is None:
            lines = blocks.lines()
            values = None if sent.categories_by_column else numbers.parse(lines)
            if values is None:
                values = columns.parse(lines)
            if values is None:
                values = read_records(blocks.records(), schema, sent, n_before)
            else:
                blocks.skip(lines, len(values))
        n_before += len(values)
        yield values
