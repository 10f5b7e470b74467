"""CatBoost's CTR features as derived columns: statistics of the categories in the training rows.

The formulas are those of ``TStaticCtrProvider::CalcCtrs``
(catboost/libs/model/static_ctr_provider.cpp) and ``TModelCtr::Calc`` (online_ctr.h) of CatBoost
1.2, in float32 as there.
"""

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term
from mlserver_forest.engine.kernels.lookup_kernel import (
    ABOVE,
    ABOVE_OR_MISSING,
    CODE,
    EQUAL,
    WHOLE,
)
from mlserver_forest.importers.catboost.cbm_file import COUNTERS, MEANS
from mlserver_forest.importers.catboost.description import (
    CtrFeature,
    CtrTable,
    ModelDescription,
    Projection,
)
from mlserver_forest.importers.catboost.flat_buffers import damaged
from mlserver_forest.importers.catboost.splits import hash_number, threshold_of


def derived_columns(model: ModelDescription) -> DerivedColumns | None:
    """One column for each CTR feature of a model, in their order; None if it has none.

    Raises:
        UnsupportedEstimator: if a feature has no table, or refers to what does not exist.
    """
    if not model.ctr_features:
        return None
    tables = []
    for base, group in groupby(model.ctr_features, key=lambda feature: feature.base):
        if base not in model.tables:
            raise damaged("it does not have the statistics of one of its CTR features")
        table = model.tables[base]
        if len(np.unique(table.keys)) != len(table.keys):
            raise damaged("a table of a CTR feature has the same category twice")
        values = [_values(feature, table) for feature in group]
        tables.append(LookupTable(_terms(base.projection, model), table.keys, values))
    return DerivedColumns.of([Lookups.of(tables)])


def _terms(projection: Projection, model: ModelDescription) -> list[Term]:
    categorical = {one.index: one.column for one in model.categorical_features}
    numeric = {one.index: one for one in model.float_features}
    try:
        found = [_category(categorical[index], model) for index in projection.categorical]
        for index, border in projection.above:
            feature = numeric[index]
            threshold = threshold_of(np.array(border, np.float32), is_wide=model.is_wide)
            kind = ABOVE_OR_MISSING if feature.missing_right else ABOVE
            found.append(Term(kind, feature.column, float(threshold)))
        for index, value in projection.equal:
            found.append(_equal(categorical[index], hash_number(value), model))
    except KeyError as error:
        raise damaged("a CTR feature of it names a feature that it does not have") from error
    if not found:
        raise damaged("a CTR feature of it names no features")
    return found


def _category(column: int, model: ModelDescription) -> Term:
    hashes = model.hashes.get(column, ())
    return Term(CODE, column, hashes=hashes) if hashes else Term(WHOLE, column)


def _equal(column: int, wanted: float, model: ModelDescription) -> Term:
    """Whether a column holds the category with a hash."""
    if column not in model.hashes:
        return Term(EQUAL, column, wanted)
    *codes, missing = model.hashes[column]
    if wanted == missing:
        return Term(ABOVE_OR_MISSING, column, len(codes) - 1)
    if codes.count(int(wanted)) != 1:
        raise damaged("a split of it is about a category that its training did not have")
    return Term(EQUAL, column, codes.index(int(wanted)))


def _values(feature: CtrFeature, table: CtrTable) -> NDArray[np.float32]:
    """(n_keys + 1,) the feature for each category, and for one that training did not see."""
    sums, counts = _sums_and_counts(feature, table)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = (sums.astype(np.float32) + feature.prior_numerator) / (
            counts.astype(np.float32) + feature.prior_denominator
        )
        found: NDArray[np.float32] = (quotient + feature.shift) * feature.scale
    return found


def _sums_and_counts(feature: CtrFeature, table: CtrTable) -> tuple[NDArray[Any], NDArray[Any]]:
    statistics, kind = table.statistics, feature.base.kind
    statistics = np.concatenate([statistics, np.zeros((1, statistics.shape[1]))])
    if kind in MEANS:
        return statistics[:, 0], statistics[:, 1]
    if kind in COUNTERS:
        return statistics[:, 0], np.full(len(statistics), table.denominator)
    border, n_classes = feature.target_border, statistics.shape[1]
    if not 0 <= border < n_classes:
        raise damaged("a CTR feature of it names a class that it does not have")
    if kind == "Buckets":
        return statistics[:, border], statistics.sum(axis=1)
    first = border + 1 if n_classes > 2 else 1
    return statistics[:, first:].sum(axis=1), statistics.sum(axis=1)
