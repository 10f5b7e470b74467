"""Transformers whose columns are made of several: PCA, products, norms and iterative imputation.

``mixing_transformers.py`` says what they compute; here is what their records say, and what they
refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.kernels.column_step_kernel import FILL, MISSING_IF
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import module_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.mixing_transformers import (
    iterative_imputer,
    normalizer,
    polynomial_features,
    principal_components,
)
from mlserver_forest.importers.scikit_learn.pipelines.imputers import (
    read_missing_indicator,
    replaced_number,
)
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    MixedColumn,
    Mixture,
    PreparedColumn,
    PreparedTable,
    is_number,
    numeric,
    side_by_side,
)
from mlserver_forest.importers.scikit_learn.release import LIBRARY, release_of

_MOST_DEPTH = 16
# A component with a smaller share of the variance may hold nothing but rounding errors, which are
# not larger than this, relative to the largest standard deviation.
_LEAST_SHARE, _ROUNDING = 1e-12, 1e-13
# Estimators that add up columns with coefficients, and an intercept.
_LINEAR = (
    *("BayesianRidge", "ARDRegression", "LinearRegression", "Ridge", "RidgeCV", "HuberRegressor"),
    *("Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LarsCV", "LassoLars"),
    *("LassoLarsCV", "LassoLarsIC", "LinearSVR", "SGDRegressor"),
)
_Make = Callable[[Sequence[int]], Derivation]


def read_principal_components(record: Record, table: PreparedTable) -> PreparedTable:
    """PCA and IncrementalPCA: a dense column for each component."""
    components = _matrix(record, "components_", table)
    make = partial(
        principal_components,
        components=components,
        mean=record.get("mean_"),
        variances=record.array("explained_variance_", 1) if record.get("whiten") else None,
        centers_first=release_of(record).number < (1, 5),
    )
    return _mixed(record, table, make, len(components), rounding=_rounding(record))


def read_truncated_svd(record: Record, table: PreparedTable) -> PreparedTable:
    """A dense column for each component, without a mean."""
    components = _matrix(record, "components_", table)
    make = partial(
        principal_components,
        components=components,
        mean=None,
        variances=None,
        centers_first=False,
    )
    return _mixed(record, table, make, len(components))


def read_polynomial_features(record: Record, table: PreparedTable) -> PreparedTable:
    """Products of columns, which are sparse if the columns are."""
    most = record.get("_max_degree", record.get("degree"))
    degrees = int(record.get("_min_degree", 0)), int(most)
    make = partial(
        polynomial_features,
        degrees=degrees,
        interaction_only=bool(record.require("interaction_only")),
        include_bias=bool(record.require("include_bias")),
        from_last=not table.is_sparse and release_of(record).number >= (0, 22),
    )
    n_products = make(range(len(table.columns))).n_columns
    if n_products != record.get("n_output_features_", n_products):
        raise UnsupportedEstimator(
            f"a {record.name} has {record.get('n_output_features_')} products, but the "
            f"{len(table.columns)} columns that come to it make {n_products}; the file is damaged"
        )
    return _mixed(record, table, make, n_products, is_sparse=table.is_sparse)


def read_normalizer(record: Record, table: PreparedTable) -> PreparedTable:
    """Rows of the norm 1, which are sparse if they were."""
    release, norm = release_of(record), str(record.require("norm"))
    if norm == "max" and release.number < (0, 23):
        raise UnsupportedEstimator(
            f"a Normalizer with norm='max' of scikit-learn {release.text} does not divide by the "
            "greatest absolute value, which cannot be packed; fit it with 0.23 or later"
        )
    is_tiny = table.is_sparse or release.number < (0, 24)
    make = partial(normalizer, norm=norm, divides_by_tiny=is_tiny)
    return _mixed(record, table, make, len(table.columns), is_sparse=table.is_sparse)


def read_iterative_imputer(record: Record, table: PreparedTable) -> PreparedTable:
    """Columns whose missing values are computed from each other by linear models."""
    table.require_dense(record.name)
    initial = record_of(record.require("initial_imputer_"))
    fills = np.asarray(initial.require("statistics_"), np.float64)
    table.require_width(record.name, len(fills))
    is_empty = np.asarray(record.get("_is_empty_feature", np.isnan(fills)), bool)
    keeps_empty = bool(record.get("keep_empty_features"))
    kept = np.flatnonzero(keeps_empty | ~is_empty)
    marked = _with_gaps(record, table).take(kept.tolist())
    steps = [
        step
        for step in (
            _linear_step(one, len(kept)) for one in record.get("imputation_sequence_") or []
        )
        if not is_empty[kept][step[0]]
    ]
    if steps and record.get("sample_posterior"):
        raise UnsupportedEstimator(
            "an IterativeImputer draws from the posterior (sample_posterior=True), so that its "
            "answers are random, which cannot be packed; fit it with sample_posterior=False"
        )
    if steps:
        make = partial(
            iterative_imputer,
            statistics=fills[kept],
            sequence=steps,
            bounds=(
                _limits(record, "min_value", -np.inf, len(kept)),
                _limits(record, "max_value", np.inf, len(kept)),
            ),
        )
        filled = _mixed(record, marked, make, len(kept), takes_missing=True)
    else:
        filled = marked.map([_fill(float(fill)) for fill in fills[kept]])
    if not record.get("add_indicator"):
        return filled
    indicators = read_missing_indicator(record_of(record.require("indicator_")), table)
    return side_by_side([filled, indicators], is_sparse=False)


def _mixed(
    record: Record,
    table: PreparedTable,
    make: _Make,
    n_columns: int,
    *,
    is_sparse: bool = False,
    takes_missing: bool = False,
    rounding: NDArray[np.float64] | None = None,
) -> PreparedTable:
    """The columns of a mixture of all columns of a table."""
    if max(map(_depth, table.columns), default=0) >= _MOST_DEPTH:
        raise UnsupportedEstimator(
            f"more than {_MOST_DEPTH} transformers that mix columns follow each other in this "
            "pipeline, which cannot be packed; use fewer"
        )
    checked = table.map_all(
        numeric(lambda x: x, refuses_missing=not takes_missing, steps=(), says=record.name)
    )
    mixture = Mixture(checked.columns, make, n_columns, record.name, rounding)
    columns = [PreparedColumn(MixedColumn(mixture, place)) for place in range(n_columns)]
    return PreparedTable(tuple(columns), is_sparse, table.guards)


def _rounding(record: Record) -> NDArray[np.float64]:
    """For each principal component of almost no variance, how large its rounding errors are."""
    variances = np.asarray(record.array("explained_variance_", 1), np.float64)
    most = variances.max(initial=0)
    errors = np.where(variances < _LEAST_SHARE * most, _ROUNDING * np.sqrt(most), 0.0)
    if record.get("whiten"):
        errors /= np.maximum(np.sqrt(np.abs(variances)), np.finfo(np.float64).eps)
    return errors


def _depth(column: PreparedColumn) -> int:
    """How many mixtures stand before a column."""
    return column.source.mixture.depth if isinstance(column.source, MixedColumn) else 0


def _with_gaps(record: Record, table: PreparedTable) -> PreparedTable:
    """A table in which what an imputer replaces is NaN."""
    marker = record.get("missing_values", np.nan)
    if not is_number(marker) or np.isnan(marker):
        return table.map_all(numeric(lambda x: x, steps=()))
    return table.map_all(
        numeric(
            lambda x: np.where(x == marker, np.nan, x),
            refuses_missing=True,
            edges=replaced_number(marker),
            known=[marker],
            steps=(ColumnStep(MISSING_IF, float(marker)),),
        )
    )


def _fill(fill: float) -> ColumnFunction:
    return numeric(
        lambda x: np.where(np.isnan(x), fill, x),
        steps=(ColumnStep(FILL, fill),),
        says=f"imputed by {fill:g}",
    )


def _linear_step(step: Any, n_columns: int) -> tuple[int, NDArray[Any], NDArray[Any], float]:
    """The column, its neighbors, the coefficients and the intercept of a step."""
    parts = step.arguments if isinstance(step, Record) else tuple(step)
    target, neighbors, found = parts
    estimator = record_of(found)
    if module_of(found) != LIBRARY or estimator.name not in _LINEAR:
        raise UnsupportedEstimator(
            f"an IterativeImputer with a {estimator.name} stands in this pipeline, which cannot be "
            "packed; use a linear estimator, such as BayesianRidge, or prepare its columns before "
            "the pipeline"
        )
    coefficients = np.asarray(estimator.require("coef_"), np.float64).ravel()
    (intercept,) = np.ravel(np.asarray(estimator.require("intercept_"), np.float64))
    places = np.asarray(neighbors)
    in_range = all(0 <= place < n_columns for place in [int(target), *places.tolist()])
    if not in_range or len(places) != len(coefficients):
        raise UnsupportedEstimator(
            f"a step of an IterativeImputer does not fit its {n_columns} columns; the file is "
            "damaged"
        )
    return int(target), places, coefficients, float(intercept)


def _limits(record: Record, name: str, default: float, n_columns: int) -> NDArray[np.float64]:
    """(n_columns,) the least or the greatest number of each column."""
    found = record.get(f"_{name}", record.get(name))
    limits = np.asarray(default if found is None else found, np.float64)
    return np.array(np.broadcast_to(limits, max(n_columns, limits.size)))


def _matrix(record: Record, name: str, table: PreparedTable) -> NDArray[Any]:
    found = record.array(name, 2)
    table.require_width(record.name, found.shape[1])
    return found


MIXERS: Mapping[str, Callable[[Record, PreparedTable], PreparedTable]] = {
    "PCA": read_principal_components,
    "IncrementalPCA": read_principal_components,
    "TruncatedSVD": read_truncated_svd,
    "PolynomialFeatures": read_polynomial_features,
    "Normalizer": read_normalizer,
    "IterativeImputer": read_iterative_imputer,
}
