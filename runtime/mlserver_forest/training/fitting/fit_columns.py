"""The columns that an estimator is fitted on, and how they come from those of the table.

Most are columns of the table as they are. The others are derived: they are learned from the rows of
one fit, and the model keeps them as derived columns of its forest, so that a row is sent as the
table has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term, keys_of
from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.kernels.lookup_kernel import WHOLE
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.engine.wide_columns import over_wide_columns
from mlserver_forest.training.algorithms.estimators import InputColumn
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.fitting.target_means import TargetMeans, learn_target_means

_BLOCK_ROWS = 1 << 16


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
    if not table.encoded:
        return FitColumns(n_features, dtype), rows
    some = rows.sample()
    learned = {
        feature: learn_target_means(some.x[:, feature], _averaged(some, target), some.weight, seed)
        for feature, name in enumerate(table.names)
        if name in table.encoded
    }
    inputs: list[InputColumn] = []
    places: list[int] = []
    next_place = n_features
    for feature, name in enumerate(table.names):
        if feature not in learned:
            inputs.append(InputColumn(name, feature))
            places.append(feature)
            continue
        for what in _means_of(target):
            inputs.append(InputColumn(f"{name} ({what})", feature, is_derived=True))
            places.append(next_place)
            next_place += 1
    lookups = Lookups.of([_lookup(feature, means) for feature, means in learned.items()])
    columns = FitColumns(n_features, dtype, inputs, places, [lookups])
    x = columns.matrix(some.x)
    for feature, means in learned.items():
        own = [i for i, one in enumerate(inputs) if one.is_derived and one.source == feature]
        x[:, own] = means.own
    return columns, Rows(x, some.y, some.weight)


def _lookup(feature: int, means: TargetMeans) -> LookupTable:
    # The key 0 is that of a missing value too.
    kept = means.codes > 0
    values = means.values[:, np.append(kept, True)]
    return LookupTable([Term(WHOLE, feature)], keys_of(means.codes[kept]), list(values))


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
