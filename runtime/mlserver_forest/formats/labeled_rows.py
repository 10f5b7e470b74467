"""Rows whose label is not a column, and which may leave out features: libsvm and RecordIO."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source
from mlserver_forest.schema.schema import Schema

_UNNAMED_FEATURES = 2**16


@dataclass(frozen=True, slots=True)
class Entries:
    """The values of some rows that leave out others.

    Attributes:
        n_rows: the rows, including those without values.
        rows: (n,) the row of each entry, from 0, ascending.
        columns: (n,) the feature of each entry, from 0.
        values: (n,) float64.
    """

    n_rows: int
    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[np.float64]

    def dense(self, start: int, end: int, width: int, absent: float) -> NDArray[np.float64]:
        """Some of the rows with all their values, (end - start, width)."""
        x = np.full((end - start, width), absent)
        if (start, end) == (0, self.n_rows):
            x[self.rows, self.columns] = self.values
        else:
            first, last = np.searchsorted(self.rows, (start, end))
            x[self.rows[first:last] - start, self.columns[first:last]] = self.values[first:last]
        return x


@dataclass(frozen=True, eq=False, slots=True)
class LabeledRows:
    """Some consecutive rows.

    Attributes:
        locations: of the rows.
        labels: (n,) float64, NaN for a row without a label; None if they were not requested.
        values: (n, width) numbers, or the entries of rows that leave out values.
        width: the number of features that the rows have at least.
        counts_indices: whether the columns of the entries are indices as they were written, of
            which the first one is not known.
        weights: (n,) float64; None if no row has one.
    """

    locations: RowLocations
    labels: NDArray[np.float64] | None
    values: NDArray[Any] | Entries
    width: int
    counts_indices: bool = False
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The features, as far as they are known before rows are parsed.

    Attributes:
        names: of the features; empty if they are not known yet.
        most: the number of features that there may be.
        index_base: the index of the first feature in text/libsvm, 0 or 1; None if it is to be
            learned from the indices, which are then returned as they are.
        needs_label: whether each row must have a label.
        subject: for error messages, "the model expects" or "the training data have".
    """

    names: tuple[str, ...]
    most: int
    index_base: int | None
    needs_label: bool
    subject: str

    def expected(self) -> str:
        """The features that a row has to have, for error messages."""
        shown = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
        return f"{self.subject} {len(self.names)} ({shown})"

    def name(self, feature: int) -> str:
        """A feature's name in parentheses, or nothing if it has none."""
        return f" ({self.names[feature]})" if feature < len(self.names) else ""


class ParseLabeled(Protocol):
    """The ``parse`` of a format whose rows have a label that is not a column."""

    def __call__(
        self,
        source: Source,
        plan: FeaturePlan,
        policy: ParsePolicy,
        parameters: Mapping[str, str],
    ) -> Iterator[LabeledRows]:
        """Parse rows.

        Args:
            source: the bytes.
            plan: the features, as far as they are known.
            policy: which errors are raised.
            parameters: of the media type.

        Raises:
            ForestError: the policy's, naming the row, what came and what was expected.
        """
        ...


def request_plan(schema: Schema) -> FeaturePlan:
    """The features of a request to a model; labels are left out."""
    return FeaturePlan(
        schema.feature_names,
        schema.n_features or _UNNAMED_FEATURES,
        schema.index_base,
        needs_label=False,
        subject="the model expects",
    )


def request_rows(rows: Iterable[LabeledRows], schema: Schema) -> Iterator[ParsedRows]:
    """The rows of a request with all their values.

    Args:
        rows: parsed with ``request_plan``.
        schema: the features; ``absent_value`` is the value that a row leaves out.

    Raises:
        InvalidInput: if a row is sparse and nothing says how many features there are.
    """
    for some in rows:
        where, values = some.locations, some.values
        if not isinstance(values, Entries):
            yield ParsedRows(where, values, {})
            continue
        if not schema.feature_names:
            raise InvalidInput(
                f"{where.at(0)} is sparse and does not say how many features there are, and this "
                "model names none; send dense rows, such as text/csv"
            )
        step = rows_per_block(schema.n_features)
        for start in range(0, values.n_rows, step):
            end = min(start + step, values.n_rows)
            x = values.dense(start, end, schema.n_features, schema.absent_value)
            yield ParsedRows(where.part(start, end) if start else where, x, {})
