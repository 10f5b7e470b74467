"""A request body -> the matrix that the model reads, by any format's parser."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion
from mlserver_forest.formats.parsing import SERVING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.formats.source import Parse, Source
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
    for parsed in parse(Source("", body), rows.plan, SERVING, parameters):
        rows.append(parsed)
    return rows.matrix.finish()


class _Rows:
    """Parsed rows as the model's matrix."""

    def __init__(self, schema: Schema, n_bytes: int) -> None:
        self.matrix = Matrix(schema)
        self._schema = schema
        self._n_bytes = n_bytes
        self._features: Mapping[int, int] = {}

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the features among the columns, by name if these have names."""
        schema = self._schema
        if found.names is not None and schema.feature_names:
            places = schema.positions(found.names, found.location)
        else:
            places = list(range(found.width))
        if found.width != (schema.n_features or found.width):
            raise InvalidInput(
                f"{found.location} has {found.width} values; the model expects {schema.describe()}"
            )
        check_expansion(1, found.width, schema, self._n_bytes)
        self._schema = schema = schema.with_width(found.width)
        self._features = {place: feature for feature, place in enumerate(places)}
        texts = tuple(
            place
            for place, feature in self._features.items()
            if feature in schema.categories_by_column
        )
        expected = f"the model expects {schema.describe()}"
        return ColumnPlan(found.width, places, texts, np.dtype(np.float64), expected)

    def append(self, rows: ParsedRows) -> None:
        """Check some rows and keep them.

        Raises:
            InvalidInput: naming a value that is not a number, or not a known category.
        """
        for place, texts in rows.texts.items():
            feature = self._features[place]
            rows.x[:, feature] = self._codes(texts.to_pylist(), feature)
        self.matrix.append(rows.x)

    def _codes(self, texts: list[str | None], feature: int) -> NDArray[np.float64]:
        first = len(self.matrix)
        if feature not in self._schema.categories_by_column:
            row, text = next((row, text) for row, text in enumerate(texts) if text is not None)
            place = self._schema.locate(first + row, feature)
            raise InvalidInput(f"{place}: {format_value(text)} is not a number")
        codes = [
            self._schema.category_code(row, feature, text or "")
            for row, text in enumerate(texts, first)
        ]
        return np.array(codes, np.float64)
