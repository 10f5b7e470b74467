"""Parts of a channel -> blocks of rows, by any format's parser."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.parsing import TRAINING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.source import Parse, Source
from mlserver_forest.training.data.layout import Columns, Roles, learn
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Known, infinite, of_matrix


def read(
    parse: Parse,
    parts: Iterator[Part],
    known: Known,
    columns: Columns,
    parameters: Mapping[str, str],
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parse: of the channel's format.
        parts: one after the other.
        known: what is known of the columns; what the first part says is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type.

    Raises:
        InvalidData: naming the file and the row, what came and what was expected.
    """
    for part in parts:
        with part.inflated() as stream:
            rows = _Rows(known, columns)
            for parsed in parse(Source(part.name, stream), rows.plan, TRAINING, parameters):
                yield rows.block(parsed)


class _Rows:
    """Parsed rows of one part as blocks of the training table."""

    def __init__(self, known: Known, columns: Columns) -> None:
        self._known = known
        self._columns = columns
        self._roles = Roles(0, None, ())

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the target, the weight and the features among the columns."""
        known = self._known
        if known.is_empty:
            known.layout = learn(found, self._columns)
        self._roles = roles = known.layout.roles_of(found)
        features = [*roles.features]
        texts = [roles.target, *(roles.features[feature] for feature in sorted(known.words))]
        if roles.weight is not None:
            features.append(roles.weight)
        expected = f"the first row has {found.width}"
        return ColumnPlan(found.width, features, tuple(texts), np.dtype(np.float64), expected)

    def block(self, rows: ParsedRows) -> Block:
        """Some rows as a block.

        Raises:
            InvalidData: naming the row of a number that is infinite or too large for the dtype.
        """
        roles, n_features = self._roles, len(self._roles.features)
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.ascontiguousarray(rows.x[:, :n_features], self._known.dtype)
        self._refuse_infinite(x, rows)
        columns = dict(rows.texts)
        if roles.weight is not None and roles.weight not in columns:
            columns[roles.weight] = rows.x[:, n_features]
        return of_matrix(x, columns, roles, rows.locations)

    def _refuse_infinite(self, x: NDArray[Any], rows: ParsedRows) -> None:
        is_infinite = np.isinf(x)
        if is_infinite.any():
            row, feature = (int(places[0]) for places in np.nonzero(is_infinite))
            place, value = rows.locations.at(row), float(rows.x[row, feature])
            raise infinite(place, self._roles.features[feature], value, self._known, feature)
