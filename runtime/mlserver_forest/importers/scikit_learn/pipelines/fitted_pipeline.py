"""Pipelines whose last step is an estimator that can be packed."""

import numpy as np

from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.kernels.column_step_kernel import MISSING_IF
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import module_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart, ReadMember
from mlserver_forest.importers.scikit_learn.pipelines.compositions import (
    names_of,
    read_transformer,
)
from mlserver_forest.importers.scikit_learn.pipelines.encoders import codes_of_names
from mlserver_forest.importers.scikit_learn.pipelines.imputers import replaced_number
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    PreparedTable,
    numeric,
    raw_table,
)
from mlserver_forest.importers.scikit_learn.pipelines.prepared_rows import (
    prepare,
    without_missing,
)
from mlserver_forest.importers.scikit_learn.release import LIBRARY


def read_pipeline(pipeline: Record, read: ReadMember) -> EstimatorPart:
    """The last step's answers to what the steps before it make of the raw columns."""
    *transformers, (_, last) = pipeline.require("steps")
    part = read(last)
    if all(one is None or isinstance(one, str) for _, one in transformers):
        return part
    width, names = _raw_columns(pipeline)
    table = raw_table(width)
    for _, transformer in transformers:
        table = read_transformer(transformer, table)
    if len(table.columns) != part.predictor.n_features:
        raise UnsupportedEstimator(
            f"the {part.name} in this pipeline was fitted on {part.predictor.n_features} columns, "
            f"but {len(table.columns)} come to it; the file is damaged"
        )
    table = _as_read(table, part)
    # scikit-learn's own trees take NaN, but not in a sparse matrix.
    if not part.takes_missing or (table.is_sparse and module_of(last) == LIBRARY):
        table = without_missing(table)
    return EstimatorPart(
        part.name,
        prepare(part.predictor, table, width),
        part.classes,
        takes_missing=True,  # The preparation says it of each column.
        has_decision=part.has_decision,
        feature_names=names,
    )


def _as_read(table: PreparedTable, part: EstimatorPart) -> PreparedTable:
    """A table as an estimator's own rules read it: what means missing, and names of categories."""
    if table.is_sparse and part.absent_is_missing:
        table = table.map_all(_missing_if(0.0))
    if part.missing_number is not None:
        table = table.map_all(_missing_if(part.missing_number))
    if not part.categories:
        return table
    columns = list(table.columns)
    for place, categories in part.categories.items():
        columns[place] = columns[place].then(codes_of_names(categories))
    return PreparedTable(tuple(columns), table.is_sparse, table.guards)


def _missing_if(number: float) -> ColumnFunction:
    return numeric(
        lambda x: np.where(x == number, np.nan, x),
        refuses_infinite=False,
        edges=replaced_number(number),
        steps=(ColumnStep(MISSING_IF, float(number)),),
    )


def _raw_columns(pipeline: Record) -> tuple[int, list[str] | None]:
    """How many columns a pipeline reads, and their names."""
    first = record_of(pipeline)
    while first.has("steps") or first.has("transformer_list"):
        found = first.get("steps") or first.require("transformer_list")
        inner = next((one for _, one in found if not (one is None or isinstance(one, str))), None)
        if inner is None:
            break
        first = record_of(inner)
    names = names_of(first)
    for attribute in ("n_features_in_", "_n_features"):
        if first.has(attribute):
            return int(first.get(attribute)), names
    if names is not None:
        return len(names), names
    raise UnsupportedEstimator(
        f"the first step of this pipeline, a {first.name}, does not say how many columns it reads; "
        "fit it with scikit-learn 0.24 or later"
    )
