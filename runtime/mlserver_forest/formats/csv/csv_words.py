"""Lines of CSV to numbers by Arrow: words to their positions, and numbers beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.csv.csv_blocks import row_limit
from mlserver_forest.formats.csv.csv_columns import distinct, parse_columns
from mlserver_forest.formats.csv.csv_numbers import lacks
from mlserver_forest.formats.matrix import Body
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema

# Arrow starts in 0.2 ms, and in 13 us more for each column; until there csv.reader and float()
# are as fast; measured at 4 and 20 columns.
_FEW_BYTES = 5000
_FEW_COLUMN_BYTES = 360


class WordColumns:
    """A parser of lines, for what ``PlainNumbers`` does not read.

    Args:
        sent: the features in the order of the columns.
    """

    def __init__(self, sent: Schema) -> None:
        self._words = sent.categories_by_column
        self._width = sent.n_features

    def parse(self, lines: Body) -> NDArray[np.float64] | None:
        """Parse whole lines.

        Returns:
            (n_lines, width), positions for words, NaN for what is missing; None where a
            closer look is needed, as for a word that is refused.
        """
        if len(lines) < _FEW_BYTES + _FEW_COLUMN_BYTES * self._width:
            return None
        if lacks(lines, (b"\n",), row_limit(self._width) // 2):
            return None
        columns = parse_columns(lines, self._width, self._words)
        return None if columns is None else self._matrix(columns)

    def _matrix(self, columns: Sequence[Any]) -> NDArray[np.float64] | None:
        matrix = np.empty((len(columns[0]), self._width))
        for place, column in enumerate(columns):
            categories = self._words.get(place)
            values = column if categories is None else _codes(column, categories)
            if values is None:
                return None
            matrix[:, place] = values
        return matrix


def _codes(column: Any, categories: Categories) -> NDArray[np.float64] | None:
    fields, positions = distinct(column)
    codes = categories.codes(fields)
    return None if codes is None else codes[positions]
