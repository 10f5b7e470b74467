"""A request body -> the matrix that the model reads, by any format's parser."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.arrow.arrow_categories import codes_of
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion
from mlserver_forest.formats.parsing import SERVING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.formats.source import Parse, Source
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.schema import Schema

# (body, schema, parameters of the media type) -> X.
Decoder = Callable[[Body, Schema, Mapping[str, str]], NDArray[Any]]


def decoder(found: Format) -> Decoder:
    """What decodes request bodies of a format."""
    return load(found.decode) if found.decode else partial(decode, load(found.parse))


def decode(parse: Parse, body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Parse a body into the model's matrix.

    Args:
        parse: of the body's format.
        body: the bytes.
        schema: the features that the columns stand for.
        parameters: of the media type.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema, the positions of
        categories, NaN where a value is missing.

    Raises:
        InvalidInput: naming the row, what came and what was expected.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    rows = _Rows(schema, len(body))
    source = Source("", body, width=schema.n_features)
    for parsed in parse(source, rows.plan, SERVING, parameters):
        rows.append(parsed)
    return rows.finish()


class _Rows:
    """Parsed rows as the model's matrix."""

    def __init__(self, schema: Schema, n_bytes: int) -> None:
        self._schema = schema
        self._n_bytes = n_bytes
        self._matrix = Matrix(schema)
        self._features: Mapping[int, int] = {}

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the features among the columns, and take memory for the rows.

        Columns are matched by name if they have names. If nobody chose the names, and none of them
        is a feature's, as many columns as there are features are matched by position.

        Raises:
            InvalidInput: naming the columns that are missing or unknown.
            PayloadTooLarge: if the matrix is out of proportion to the body.
        """
        columns = self._columns(found)
        self._schema = schema = self._schema.with_width(len(columns))
        check_expansion(max(found.n_rows, 1), len(columns), schema, self._n_bytes)
        if not len(self._matrix):
            self._matrix = Matrix(schema, found.n_rows)
        self._features = {column: feature for feature, column in enumerate(columns)}
        texts = tuple(columns[feature] for feature in schema.categories_by_column)
        expected = f"the model expects {schema.describe()}"
        return ColumnPlan(found.width, columns, texts, schema.dtype, expected)

    def append(self, rows: ParsedRows) -> None:
        """Check some rows and keep them.

        Raises:
            InvalidInput: naming a value that is not a number, or not a known category.
        """
        for column, texts in rows.texts.items():
            feature = self._features[column]
            if feature in self._schema.categories_by_column:
                codes = codes_of(texts, feature, self._schema, len(self._matrix))
                rows.x[:, feature] = codes
            else:
                self._refuse_texts(texts, feature)
        self._matrix.append(rows.x)

    def finish(self) -> NDArray[Any]:
        """All rows."""
        return self._matrix.finish()

    def _columns(self, found: FoundColumns) -> list[int]:
        """For each feature, its column of the bytes."""
        schema, names = self._schema, found.names
        features = set(schema.feature_names)
        kept = [
            column
            for column in range(found.width)
            if column not in found.index or (names is not None and names[column] in features)
        ]
        if names is not None and schema.feature_names:
            known = [names[column] for column in kept]
            if found.are_chosen or len(kept) != schema.n_features or features & set(known):
                return [kept[place] for place in schema.positions(known, found.location)]
        if not kept or len(kept) != (schema.n_features or len(kept)):
            raise InvalidInput(
                f"{found.location} has {len(kept)} values; the model expects {schema.describe()}"
            )
        return kept

    def _refuse_texts(self, texts: Any, feature: int) -> None:
        """Refuse a text in a column of numbers, unless it stands for a missing value."""
        encoded = texts if types.is_dictionary(texts.type) else texts.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        # A short body may repeat a long text without end, so that each is looked at once.
        wrong = [
            code
            for code, text in enumerate(values)
            if text is not None and not is_missing(text.strip())
        ]
        codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        is_wrong = np.isin(codes, wrong)
        if is_wrong.any():
            row = int(is_wrong.argmax())
            place = self._schema.locate(len(self._matrix) + row, feature)
            raise InvalidInput(
                f"{place}: {format_value(values[codes[row]])} is not a number but text"
            )
