"""An ensemble behind a pipeline's preparation: folded into its trees, or done step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import Select
from mlserver_forest.composition.composition import Composition, OneMember
from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.column_step_kernel import TO_FLOAT32
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.scikit_learn.pipelines.folding import fold
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    PreparedColumn,
    PreparedTable,
    Values,
    features_of,
    missing_in,
    raw_table,
)
from mlserver_forest.importers.scikit_learn.pipelines.raw_columns import RawColumn
from mlserver_forest.importers.tree_ensemble import TreeEnsemble


@dataclass(frozen=True, eq=False)
class PreparedRows(OneMember):
    """A tree ensemble that reads what a pipeline makes of raw columns.

    It is not packed: ``folded`` or ``by_steps`` takes its place once the raw columns are known.

    Attributes:
        table: for each column of the ensemble, what it is made of.
        width: the number of raw columns.
    """

    operation = "preparation"
    table: PreparedTable
    width: int

    @property
    def n_features(self) -> int:
        return self.width

    @property
    def decision_width(self) -> int:
        return self.member.decision_width

    @property
    def is_sum(self) -> bool:
        return self.member.is_sum

    @property
    def features(self) -> tuple[PreparedColumn, ...]:
        """All that is made of the raw columns, guards included."""
        return (*self.table.columns, *self.table.guards)

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Refused: the raw columns are not known yet."""
        raise ValueError("the raw columns of a preparation are not known yet")


def prepare(predictor: Predictor, table: PreparedTable, width: int) -> Predictor:
    """Put a preparation before all ensembles of a predictor.

    Args:
        predictor: reads the columns of ``table``.
        table: what they are made of.
        width: the number of raw columns.

    Raises:
        UnsupportedEstimator: if a part of the predictor reads something else, too.
    """
    if isinstance(predictor, Forest):
        predictor = TreeEnsemble.of(predictor)
    if isinstance(predictor, TreeEnsemble):
        if predictor.derived is not None:
            raise UnsupportedEstimator(
                "a CatBoost model with statistics of categories stands in this pipeline, which "
                "cannot be packed; pack the model alone, and send it what the pipeline prepares"
            )
        return PreparedRows((predictor,), _rounded(table, predictor.feature_dtype), width)
    if isinstance(predictor, PreparedRows):
        return replace(predictor, table=predictor.table.after(table), width=width)
    if isinstance(predictor, Select):
        return prepare(predictor.member, table.take(predictor.columns.tolist()), width)
    if not isinstance(predictor, Composition) or _reads_more(predictor):
        raise UnsupportedEstimator(
            "an estimator in this pipeline reads prepared columns beside other numbers, as a "
            "RegressorChain does, which cannot be packed; put the pipeline into it instead"
        )
    return predictor.map_members(lambda member: prepare(member, table, width))


def without_missing(table: PreparedTable) -> PreparedTable:
    """A table whose estimator refuses NaN."""
    return table.map_all(ColumnFunction(lambda values: values, refuses=missing_in, steps=()))


def _rounded(table: PreparedTable, dtype: np.dtype[Any]) -> PreparedTable:
    """A table in the dtype in which trees compare, without infinite float32 numbers."""

    def rounded(values: Values) -> Values:
        return values.astype(np.float64).astype(dtype)

    def refuses(values: Values) -> NDArray[np.bool_]:
        return np.isinf(rounded(values)) & (dtype == np.float32)

    steps = (ColumnStep(TO_FLOAT32),) if dtype == np.float32 else ()
    return table.map_all(ColumnFunction(rounded, refuses=refuses, steps=steps))


def preparations_in(predictor: Predictor) -> Iterator[PreparedRows]:
    """All preparations in a predictor."""
    if isinstance(predictor, PreparedRows):
        yield predictor
    elif isinstance(predictor, Composition):
        for member in predictor.members:
            yield from preparations_in(member)


def with_preparations(predictor: Predictor, width: int, *, takes_missing: bool) -> Predictor:
    """A predictor all of whose ensembles have a preparation, if only to read the raw columns.

    Args:
        predictor: some of whose ensembles have one.
        width: the number of raw columns.
        takes_missing: whether the others accept NaN.
    """
    if isinstance(predictor, PreparedRows):
        return predictor
    if isinstance(predictor, TreeEnsemble | Forest):
        table = raw_table(width)
        return prepare(predictor, table if takes_missing else without_missing(table), width)
    assert isinstance(predictor, Composition), "there are no other predictors"  # noqa: S101
    return predictor.map_members(
        lambda member: with_preparations(member, width, takes_missing=takes_missing)
    )


def folded(predictor: Predictor, columns: Sequence[RawColumn]) -> Predictor:
    """A predictor of raw columns, with all preparations folded into the trees.

    Raises:
        UnsupportedEstimator: if one cannot be folded.
    """
    if isinstance(predictor, PreparedRows):
        assert isinstance(predictor.member, TreeEnsemble), "others are prepared inside"  # noqa: S101
        return fold(predictor.member, predictor.table.columns, columns)
    assert isinstance(predictor, Composition), "all ensembles are prepared"  # noqa: S101
    return predictor.map_members(lambda member: folded(member, columns))


def by_steps(predictor: Predictor, columns: Sequence[RawColumn]) -> Predictor:
    """A predictor of raw columns that prepares each row step by step."""
    if isinstance(predictor, PreparedRows):
        return _Steps((predictor.member,), predictor.table, tuple(columns))
    assert isinstance(predictor, Composition), "all ensembles are prepared"  # noqa: S101
    return predictor.map_members(lambda member: by_steps(member, columns))


@dataclass(frozen=True, eq=False)
class _Steps(OneMember):
    """An ensemble that is asked for the prepared columns of each row."""

    operation = "steps"
    table: PreparedTable
    columns: tuple[RawColumn, ...]

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @property
    def feature_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    @property
    def decision_width(self) -> int:
        return self.member.decision_width

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        return self.member.predict(self._prepared(x), n_threads)

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``."""
        return self.member.decision(self._prepared(x), n_threads)

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``."""
        return np.asarray(self.member.sums(self._prepared(x), n_threads), np.float64)

    def _prepared(self, x: NDArray[Any]) -> NDArray[Any]:
        raw = {column.place: column.raw(x[:, place]) for place, column in enumerate(self.columns)}
        return features_of(self.table.columns, raw).astype(self.member.feature_dtype)


def _reads_more(composition: Composition) -> bool:
    return any((composition.columns_of(member) < 0).any() for member in composition.members)
