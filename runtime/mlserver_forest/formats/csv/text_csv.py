"""text/csv in a request: rows of numbers and categories as the matrix that a model reads.

With the parameter ``header=present`` the first line names the columns, in any order.
``csv_parser`` says what a field means.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.csv import csv_kernel, csv_row
from mlserver_forest.formats.csv.csv_header import Header
from mlserver_forest.formats.csv.csv_parser import columns_of, parse_blocks
from mlserver_forest.formats.csv.csv_records import records_end
from mlserver_forest.formats.csv.field_values import (
    fill_in,
    parse_number,
    text_at,
)
from mlserver_forest.formats.matrix import MOST_UNNAMED_COLUMNS, Body, check_expansion
from mlserver_forest.formats.parsing import SERVING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.text_blocks import blocks_of_body
from mlserver_forest.schema.schema import Schema

# Blocks of 512 KB to 2 MB were as fast; with 64 KB it took one and a half times as long.
BLOCK_BYTES = 2**20
# The compiled loop takes 5 us to start.
_FEW_BYTES = 256


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read rows.

    Args:
        body: the text, UTF-8.
        schema: the features that the columns stand for, in their order.
        parameters: of the media type; ``header`` (present or absent) and ``label_size``
            (0) are those that count.

    Returns:
        (n_samples, n_features) in the dtype of the schema: positions for categories, NaN for
        missing values.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
        PayloadTooLarge: if a model without feature names gets too many columns.
    """
    if not parameters and schema.feature_names:
        x = _plain_rows(body, schema)
        if x is not None:
            return schema.conform(x)
    if not body or (body[:64].isspace() and body.isspace()):
        raise InvalidInput(f"the body is empty; expected rows of {schema.describe()} values")
    matrices = _matrices(body, schema, _header(parameters) if parameters else "absent")
    first = next(matrices, None)
    if first is None:
        raise InvalidInput(f"there is no row; expected rows of {schema.describe()} values")
    second = next(matrices, None)
    if second is None:
        return first
    # All rows, judged by those of the first block, and a few more.
    n_rows = len(first) * len(body) * 33 // (BLOCK_BYTES * 32)
    rows = RowArray(first.shape[1], first.dtype, n_rows)
    rows.append(first)
    rows.append(second)
    del first, second
    for x in matrices:
        cancellation.check()
        rows.append(x)
    return rows.finish()


def matrix_of_fields(records: Sequence[Sequence[str]], schema: Schema) -> NDArray[Any]:
    """Rows whose fields came apart, each as CSV would hold it.

    Args:
        records: (n_samples, n_features) texts.
        schema: the features.

    Returns:
        As ``decode``.

    Raises:
        InvalidInput: as ``decode``.
    """
    columns = _SentColumns(schema, 0)
    x, texts = columns_of(records, columns.plan(FoundColumns(None, schema.n_features, "")))
    return columns.matrix(ParsedRows(RowLocations("", "row", 1), x, texts))


def _plain_rows(body: Body, schema: Schema) -> NDArray[Any] | None:
    """The shortest way, for a body that is one block at most; None if it is not plain.

    The parser below takes 20 us more, which is as long as it takes to parse a kilobyte.
    """
    n_features, categories = schema.n_features, schema.categories_by_column
    if categories:
        if len(body) >= _FEW_BYTES or n_features == 1:
            return None
        found = [categories.get(feature) for feature in range(n_features)]
        return csv_row.read_values(body, [each.code if each else parse_number for each in found])
    if len(body) < _FEW_BYTES:
        return csv_row.read_rows(body, n_features)
    if len(body) > BLOCK_BYTES:
        return None
    return csv_kernel.parse_numbers(body, n_features, schema.dtype)


def _matrices(body: Body, schema: Schema, header: Header) -> Iterator[NDArray[Any]]:
    """The rows of each block."""
    columns = _SentColumns(schema, len(body))
    most = schema.n_features or MOST_UNNAMED_COLUMNS
    blocks = blocks_of_body(body, records_end, SERVING, most, BLOCK_BYTES)
    n_before, width = (1, 0) if header == "present" else (0, schema.n_features)
    for parser in parse_blocks(blocks, header, columns.plan, SERVING, width=width):
        rows, fault = parser.parse(n_before)
        x = columns.matrix(rows)
        if len(x):
            yield x
        if fault is not None:
            raise fault
        n_before += len(x)


class _SentColumns:
    """The columns of a body as features of the model.

    Args:
        schema: the features.
        body_bytes: the size of the body.
    """

    def __init__(self, schema: Schema, body_bytes: int) -> None:
        self._schema = schema
        self._body_bytes = body_bytes
        self._plan: ColumnPlan | None = None
        self._names: tuple[str, ...] | None = None

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """What is wanted of each column.

        Raises:
            InvalidInput: for names that the model does not have.
            PayloadTooLarge: for more columns than a model without names takes.
        """
        if self._plan is None:
            self._plan = self._new_plan(found)
        return self._plan

    def _new_plan(self, found: FoundColumns) -> ColumnPlan:
        schema = self._schema
        columns: Sequence[int] = range(schema.n_features or found.width)
        if found.names is not None:
            columns = schema.positions(found.names, "the header line")
            self._names = found.names
        elif not schema.feature_names:
            check_expansion(1, found.width, schema, self._body_bytes)
            self._schema = schema = schema.with_width(found.width)
        texts = tuple([columns[feature] for feature in schema.categories_by_column])
        expected = f"the model expects {schema.describe()}"
        return ColumnPlan(len(columns), columns, texts, schema.dtype, expected)

    def matrix(self, rows: ParsedRows) -> NDArray[Any]:
        """Rows as the model reads them.

        Raises:
            InvalidInput: naming row and column of the first value that is refused.
        """
        n_before = rows.locations.first - 1
        if rows.texts:
            self._fill_in_texts(rows, n_before)
        return self._conformed(rows.x, n_before)

    def _conformed(self, x: NDArray[Any], n_before: int) -> NDArray[Any]:
        try:
            return self._schema.conform(x, n_before)
        except InvalidInput:
            if self._plan is not None and self._names is not None:
                order = np.argsort(self._plan.features)  # The first fault as the body has it.
                self._as_sent().conform(x[:, order], n_before)
            raise

    def _as_sent(self) -> Schema:
        """The features in the order of the columns, for error messages."""
        names = self._names
        return self._schema if names is None else replace(self._schema, feature_names=names)

    def _fill_in_texts(self, rows: ParsedRows, n_before: int) -> None:
        """Write the positions of categories into the matrix."""
        plan, categories = self._plan, self._schema.categories_by_column
        features = () if plan is None else plan.features
        refused = []
        for feature, column in enumerate(features):
            if column not in rows.texts:
                continue
            value_of = categories[feature].code if feature in categories else parse_number
            row = fill_in(rows.x[:, feature], rows.texts[column], value_of)
            if row is not None:
                refused.append((row, column))
        if refused:
            row, column = min(refused)
            self._conformed(rows.x[:row], n_before)  # A fault in a row before is named first.
            self._refuse(rows, row, column, n_before)

    def _refuse(self, rows: ParsedRows, row: int, column: int, n_before: int) -> None:
        field, sent = text_at(rows.texts[column], row), self._as_sent()
        if column in sent.categories_by_column:
            sent.category_code(n_before + row, column, field)
        hint = ""
        if {text_at(texts, row).strip() for texts in rows.texts.values()} == set(
            sent.feature_names
        ):
            hint = "; for a header line send Content-Type: text/csv; header=present"
        place = sent.locate(n_before + row, column)
        raise InvalidInput(f"{place}: {format_value(field)} is not a number{hint}")


def _header(parameters: Mapping[str, str]) -> Header:
    label_size = parameters.get("label_size", "0")
    if label_size != "0":
        raise InvalidInput(
            f"label_size is {format_value(label_size)}; rows to be predicted have no label: "
            "send the features alone, and label_size=0 or none"
        )
    header = parameters.get("header", "absent").lower()
    if header == "present":
        return "present"
    if header != "absent":
        raise InvalidInput(
            f"header is {format_value(header)}; expected header=present or header=absent"
        )
    return "absent"
