"""The columns that an estimator is fitted on, and how they come from those of the table.

Most are columns of the table as they are. The others are derived: they are learned from the rows of
one fit, and the model keeps them as derived columns of its forest, so that a row is sent as the
table has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term, keys_of
from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.kernels.date_kernel import DAY, DAYS, HOUR, MONTH, WEEKDAY, YEAR
from mlserver_forest.engine.kernels.lookup_kernel import WHOLE
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.engine.wide_columns import over_wide_columns
from mlserver_forest.training.algorithms.estimators import InputColumn
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.fitting.target_means import TargetMeans, learn_target_means

_BLOCK_ROWS = 1 << 16
_PARTS = {
    YEAR: "year",
    MONTH: "month",
    DAY: "day",
    WEEKDAY: "weekday",
    HOUR: "hour",
    DAYS: "days since the first",
}


@dataclass(frozen=True, eq=False)
class FitColumns:
    """The columns of an estimator.

    Attributes:
        n_features: the number of columns of the table.
        dtype: of the matrix that the estimator takes.
        inputs: what each column is; empty if they are those of the table.
        places: where each is in a row of the table with its derived columns behind it.
        derivations: give the derived columns, all of which are read; empty if there are none.
    """

    n_features: int
    dtype: np.dtype[Any]
    inputs: Sequence[InputColumn] = ()
    places: Sequence[int] = ()
    derivations: Sequence[Derivation] = ()

    def matrix(self, x: NDArray[Any]) -> NDArray[Any]:
        """Rows of the table, (n, n_features), as the estimator takes them."""
        if not self.derivations:
            return x
        derived = DerivedColumns.of(self.derivations)
        found = np.empty((len(x), len(self.places)), self.dtype)
        for start in range(0, len(x), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            found[rows] = derived.append(x[rows])[:, list(self.places)]
        return found

    def rows(self, rows: AnyRows) -> AnyRows:
        """Rows that the estimator is not fitted on."""
        if not self.derivations:
            return rows
        some = rows.sample()
        return Rows(self.matrix(some.x), some.y, some.weight)

    def over_table(self, predictor: Predictor) -> Predictor:
        """The estimator's forest, for rows of the table."""
        if not self.derivations:
            return predictor
        forest = only_forest(predictor)
        return over_wide_columns(forest, self.places, self.n_features, self.derivations)

    def by_feature(self, values: NDArray[Any] | None) -> NDArray[np.float64] | None:
        """The sum of the estimator's values, such as importances, for each column of the table."""
        if values is None or not self.derivations:
            return values
        sources = [one.source for one in self.inputs]
        return np.bincount(sources, np.nan_to_num(values), self.n_features).astype(np.float64)

    def by_part(self, values: NDArray[Any] | None) -> dict[str, dict[str, float]]:
        """By column of the table, the estimator's values for those that are derived from it."""
        found: dict[str, dict[str, float]] = {}
        for one, value in zip(self.inputs, () if values is None else values, strict=False):
            if one.derived_from:
                found.setdefault(one.derived_from, {})[one.name] = float(np.nan_to_num(value))
        return found


def learn_fit_columns(
    table: Table, target: Target, rows: AnyRows, dtype: np.dtype[Any], seed: int
) -> tuple[FitColumns, AnyRows]:
    """Learn the columns of a fit.

    Args:
        table: of the training channel.
        target: what is predicted.
        rows: the rows to learn from.
        dtype: of the matrix that the estimator takes.
        seed: of all random choices.

    Returns:
        The columns, and the rows as the estimator is fitted on them.
    """
    n_features = len(table.names)
    if not table.derived_from:
        return FitColumns(n_features, dtype), rows
    some = rows.sample()
    inputs: list[InputColumn] = []
    derivations: list[Derivation] = []
    own: dict[int, NDArray[np.float32]] = {}
    places: list[int] = []
    n_columns = n_features
    for feature, name in enumerate(table.names):
        if name in table.encoded:
            means = learn_target_means(
                some.x[:, feature], _averaged(some, target), some.weight, seed
            )
            parts, derivation = _means_of(target), _lookup(feature, means)
            own |= dict(enumerate(means.own.T, len(inputs)))
        elif name in table.dates:
            parts, derivation = _date_parts(feature, some.x[:, feature])
        else:
            inputs.append(InputColumn(name, feature))
            places.append(feature)
            continue
        inputs += [InputColumn(f"{name} ({part})", feature, derived_from=name) for part in parts]
        places += range(n_columns, n_columns + len(parts))
        n_columns += len(parts)
        derivations.append(derivation)
    columns = FitColumns(n_features, dtype, inputs, places, derivations)
    x = columns.matrix(some.x)
    for place, values in own.items():
        x[:, place] = values
    return columns, Rows(x, some.y, some.weight)


def _date_parts(feature: int, dates: NDArray[np.float64]) -> tuple[list[str], Derivation]:
    """The parts that are not the same in all rows, and always the days since the first."""
    present = dates[~np.isnan(dates)]
    first = float(present.min()) if len(present) else 0.0
    parts = {title: DatePart(part, 0, first) for part, title in _PARTS.items()}
    values = DerivedColumns.of([DateParts.of([*parts.values()])]).append(present[:, None])[:, 1:]
    kept = {
        title: replace(part, column=feature)
        for (title, part), column in zip(parts.items(), values.T, strict=True)
        if part.part == DAYS or (len(column) and np.ptp(column) > 0)
    }
    return [*kept], DateParts.of([*kept.values()])


def _lookup(feature: int, means: TargetMeans) -> Derivation:
    # The key 0 is that of a missing value too.
    kept = means.codes > 0
    values = means.values[:, np.append(kept, True)]
    table = LookupTable([Term(WHOLE, feature)], keys_of(means.codes[kept]), list(values))
    return Lookups.of([table])


def _averaged(rows: Rows, target: Target) -> NDArray[np.float64]:
    """(n_samples, n) the target; for classes, whether it is each of them, for two the second."""
    if not target.classes:
        return rows.y.astype(np.float64)[:, None]
    classes = [1] if len(target.classes) == 2 else range(len(target.classes))
    return np.column_stack([rows.y == place for place in classes]).astype(np.float64)


def _means_of(target: Target) -> list[str]:
    """What the columns of ``_averaged`` are, for a reader."""
    if not target.classes:
        return ["mean target"]
    classes = target.classes[1:] if len(target.classes) == 2 else target.classes
    return [f"share of {label}" for label in classes]
