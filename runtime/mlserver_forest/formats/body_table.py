"""A request body as a table, without a schema that says what its columns hold.

The parsers of training's channels and of requests read it: a column is text if any of its values is
no number, as in training, unless somebody who knows better names it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.matrix import Body, check_expansion
from mlserver_forest.formats.parsing import SERVING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.formats.source import Source
from mlserver_forest.schema.schema import Schema

# A parser that has its bytes already; called with the function that plans the columns.
Rows = Callable[[Callable[[FoundColumns], ColumnPlan]], Iterable[ParsedRows]]
# The names of text columns, given the names that the body has, or their number.
TextColumns = Callable[[FoundColumns], Collection[int]]

_UNKNOWN = Schema((), "unknown", datatype="FP64")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class BodyTable:
    """What a body holds.

    Attributes:
        names: of the columns; None if the body has none.
        are_chosen: whether a person chose the names; if not, columns may be matched by position.
        columns: (n,) each: numbers, booleans, or an array of ``str`` with None where a value is
            missing. Empty if the body is one array.
        array: the whole body, if it holds nothing but numbers: (n, n_columns), or an array of
            any other shape that came as such.
    """

    names: tuple[str, ...] | None
    are_chosen: bool
    columns: Sequence[NDArray[Any]]
    array: NDArray[Any] | None

    def __len__(self) -> int:
        values = self.columns[0] if self.array is None else self.array
        return len(values) if values.ndim else 1

    @property
    def n_bytes(self) -> int:
        """The memory that its values take."""
        if self.array is not None:
            return self.array.nbytes
        return sum(column.nbytes for column in self.columns)

    def as_columns(self) -> Sequence[NDArray[Any]]:
        """The columns, also of an array.

        Raises:
            InvalidInput: if it is an array that has no columns.
        """
        if self.array is None:
            return self.columns
        if self.array.ndim != 2:
            raise InvalidInput(
                f"the body is an array of shape {list(self.array.shape)}; the model reads columns: "
                "expected [n, n_columns]"
            )
        return [self.array[:, column] for column in range(self.array.shape[1])]


def read_table(
    found: Format, body: Body, parameters: Mapping[str, str], texts: TextColumns
) -> BodyTable:
    """Read a body of any format that holds rows.

    Args:
        found: the body's format.
        body: the bytes.
        parameters: of the media type.
        texts: says which columns are text whatever they look like.

    Raises:
        InvalidInput: naming the row, what came and what was expected.
        PayloadTooLarge: if the table is out of proportion to the body.
    """
    if found.read_array:
        array = load(found.read_array)(body)
        if array is not None:
            return BodyTable(None, False, (), array)
    if not found.has_columns:
        x = RequestDecoder(_UNKNOWN).decode(found, body, parameters)
        return BodyTable(None, False, (), x)
    parse, source = load(found.parse), Source("", body)
    if source.is_blank():
        raise InvalidInput("the body is empty; expected at least one row")
    return table_of(lambda plan: parse(source, plan, SERVING, parameters), len(body), texts)


def table_of(rows: Rows, n_bytes: int, texts: TextColumns) -> BodyTable:
    """Read rows of a body.

    Args:
        rows: called again if a column of numbers turns out to hold text, in a later block.
        n_bytes: of the body.
        texts: as in ``read_table``.

    Raises:
        InvalidInput: as ``read_table``.
        PayloadTooLarge: as ``read_table``.
    """
    reader = _Reader(n_bytes, texts)
    while not reader.has_read(rows):
        pass
    return reader.table()


class _Reader:
    def __init__(self, n_bytes: int, texts: TextColumns) -> None:
        self._n_bytes = n_bytes
        self._texts_of = texts
        self._texts: set[int] = set()
        self._found: FoundColumns | None = None
        self._kept: Sequence[int] = ()
        self._blocks: list[ParsedRows] = []

    def has_read(self, rows: Rows) -> bool:
        """Read all rows; False if they are to be read again, because a column holds text."""
        self._blocks, n_rows, known = [], 0, set(self._texts)
        for block in rows(self._plan):
            n_rows += len(block)
            check_expansion(n_rows, len(self._kept), _UNKNOWN, self._n_bytes)
            self._blocks.append(block)
            self._texts |= set(block.texts)
        return len(self._blocks) <= 1 or known >= self._texts - self._planned

    def table(self) -> BodyTable:
        """The table.

        Raises:
            InvalidInput: if there is no row.
        """
        found = self._found
        if found is None or not sum(map(len, self._blocks)):
            raise InvalidInput("there is no row; expected at least one")
        names = found.names and tuple(found.names[column] for column in self._kept)
        x = _joined([block.x for block in self._blocks])
        if not self._texts:
            array = None if names else x
            columns = [x[:, place] for place in range(x.shape[1])] if names else ()
            return BodyTable(names, found.are_chosen, columns, array)
        columns = [
            self._text_column(column) if column in self._texts else x[:, place]
            for place, column in enumerate(self._kept)
        ]
        return BodyTable(names, found.are_chosen, columns, None)

    def _plan(self, found: FoundColumns) -> ColumnPlan:
        self._found = found
        self._kept = [place for place in range(found.width) if place not in found.index_columns]
        if not self._kept:
            raise InvalidInput(f"{found.location} has no values; expected at least one")
        if found.n_rows:
            check_expansion(found.n_rows, found.width, _UNKNOWN, self._n_bytes)
        self._planned = {*self._texts_of(found), *found.texts, *found.booleans}
        return ColumnPlan(
            width=found.width,
            features=self._kept,
            texts=tuple(sorted(self._planned | self._texts)),
            dtype=_UNKNOWN.dtype,
            expected="rows are alike",
            learns=True,
            names=found.names or ("unnamed",) * found.width,
        )

    def _text_column(self, column: int) -> NDArray[Any]:
        texts: list[str | None] = []
        for block in self._blocks:
            texts += _texts(block.texts[column]) if column in block.texts else [None] * len(block)
        known = self._found is not None and column in set(self._texts_of(self._found))
        present = {text for text in texts if text is not None}
        if not known and present and present <= _BOOLEANS.keys() and None not in texts:
            return np.array([_BOOLEANS[text] for text in texts if text is not None])
        return np.array(texts, dtype=object)


def _texts(values: Any) -> list[str | None]:
    """Texts of a block, None for a missing value."""
    found = values if isinstance(values, list) else values.to_pylist()
    return [text or None for text in found]


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
