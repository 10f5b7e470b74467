"""Transformers around others: Pipeline, ColumnTransformer and FeatureUnion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.fitted_estimator import module_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.pipelines.encoders import (
    read_one_hot_encoder,
    read_ordinal_encoder,
    read_target_encoder,
)
from mlserver_forest.importers.scikit_learn.pipelines.imputers import (
    read_missing_indicator,
    read_simple_imputer,
)
from mlserver_forest.importers.scikit_learn.pipelines.mixing import MIXERS
from mlserver_forest.importers.scikit_learn.pipelines.prepared import PreparedTable, side_by_side
from mlserver_forest.importers.scikit_learn.pipelines.scalers import (
    read_binarizer,
    read_function_transformer,
    read_k_bins,
    read_max_abs_scaler,
    read_min_max_scaler,
    read_power_transformer,
    read_quantile_transformer,
    read_robust_scaler,
    read_standard_scaler,
    weighted,
)
from mlserver_forest.importers.scikit_learn.pipelines.selectors import SELECTORS, read_selector
from mlserver_forest.importers.scikit_learn.release import LIBRARY

_DROP = "drop"
_MOST_DEPTH = 16
# For classes that are often met, what to do instead.
_HINTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"),
        "it reads free text; count its words before the pipeline, and send the counts as columns",
    ),
    "SplineTransformer": "its curves are no steps of one column; use KBinsDiscretizer",
    "KNNImputer": "it looks up the nearest rows of the training table; use SimpleImputer, or "
    "IterativeImputer with a linear estimator",
    **dict.fromkeys(
        ("KernelPCA", "SparsePCA", "MiniBatchSparsePCA", "FastICA", "FactorAnalysis", "NMF"),
        "use PCA or TruncatedSVD, or prepare its columns before the pipeline",
    ),
}


def read_transformer(found: Any, table: PreparedTable, depth: int = 0) -> PreparedTable:
    """The columns that a fitted transformer makes of a table.

    Args:
        found: the transformer or its record, or the word "passthrough".
        table: the columns that it reads.
        depth: how many transformers stand around it.

    Raises:
        UnsupportedEstimator: naming a class that cannot be packed.
    """
    if found is None or isinstance(found, str):
        if found == _DROP:
            return table.take([])
        return table
    if depth > _MOST_DEPTH:
        raise UnsupportedEstimator(
            f"more than {_MOST_DEPTH} transformers stand in each other; the file is damaged"
        )
    record = record_of(found)
    is_own = module_of(found) == LIBRARY
    if is_own and record.has("steps"):
        return _pipeline(record, table, depth + 1)
    if not is_own or record.name not in _READERS:
        hint = _HINTS.get(record.name, "prepare its columns before the pipeline")
        raise UnsupportedEstimator(
            f"a {record.name} of {module_of(found)} stands in this pipeline, which cannot be "
            f"packed; {hint}"
        )
    return _READERS[record.name](record, table, depth + 1)


def _pipeline(pipeline: Record, table: PreparedTable, depth: int) -> PreparedTable:
    for _, transformer in pipeline.require("steps"):
        table = read_transformer(transformer, table, depth)
    return table


def _feature_union(union: Record, table: PreparedTable, depth: int) -> PreparedTable:
    weights = union.get("transformer_weights") or {}
    found = []
    for name, transformer in union.require("transformer_list"):
        part = read_transformer(transformer, table, depth)
        found.append(weighted(part, weights[name]) if name in weights else part)
    return side_by_side(found, is_sparse=any(part.is_sparse for part in found))


def _column_transformer(transformer: Record, table: PreparedTable, depth: int) -> PreparedTable:
    weights = transformer.get("transformer_weights") or {}
    found = []
    for name, part, columns in transformer.require("transformers_"):
        places = _places(transformer, name, columns, len(table.columns))
        if not places or (isinstance(part, str) and part == _DROP):
            continue
        taken = PreparedTable(tuple(table.columns[place] for place in places), table.is_sparse)
        made = read_transformer(part, taken, depth)
        found.append(weighted(made, weights[name]) if name in weights else made)
    is_sparse = bool(transformer.require("sparse_output_"))
    joined = side_by_side(found, is_sparse=is_sparse)
    return replace(joined, guards=(*table.guards, *joined.guards))


def _places(transformer: Record, name: str, columns: Any, n_columns: int) -> list[int]:
    """The positions of the columns that a part of a ColumnTransformer reads."""
    known = transformer.get("_transformer_to_input_indices")
    if known is not None and name in known:
        return [int(place) for place in known[name]]
    return places_of(columns, names_of(transformer), n_columns)


def names_of(estimator: Record) -> list[str] | None:
    """The names of the columns that an estimator was fitted on, as any version keeps them."""
    for attribute in ("feature_names_in_", "_df_columns", "_feature_names_in"):
        found = estimator.get(attribute)
        if isinstance(found, np.ndarray):
            return [str(name) for name in found]
        if found is not None:  # An index of pandas.
            return [str(name) for name in _index_values(found)]
    return None


def places_of(columns: Any, names: Sequence[str] | None, n_columns: int) -> list[int]:
    """The positions of columns that are given by name, position, mask or slice."""
    if isinstance(columns, Record) and columns.name == "slice":
        columns = slice(*columns.arguments)
    if isinstance(columns, Record):  # A list of a class of its own.
        columns = columns.get("data", columns.items)
    if isinstance(columns, slice):
        first, last = (
            names.index(end) + is_stop if isinstance(end, str) and names is not None else end
            for end, is_stop in ((columns.start, 0), (columns.stop, 1))
        )
        return list(range(n_columns))[slice(first, last, columns.step)]
    listed = np.atleast_1d(np.asarray(columns, object)).tolist()
    if listed and all(isinstance(one, bool | np.bool_) for one in listed):
        return np.flatnonzero(listed).tolist()
    found = []
    for one in listed:
        if isinstance(one, str):
            if names is None or one not in names:
                raise UnsupportedEstimator(
                    f"a ColumnTransformer reads the column {format_value(one)}, but does not say "
                    "where it stands; fit it with scikit-learn 0.23 or later"
                )
            found.append(names.index(one))
        else:
            found.append(range(n_columns)[int(one)])
    return found


def _index_values(index: Any) -> list[Any]:
    """The values of an index of pandas, or of its record."""
    if not isinstance(index, Record):
        return list(index)
    for argument in index.arguments:
        if isinstance(argument, dict) and isinstance(argument.get("data"), np.ndarray):
            return list(argument["data"])
    raise UnsupportedEstimator("the names of a ColumnTransformer's columns cannot be read")


_Reader = Callable[[Record, PreparedTable, int], PreparedTable]


def _plain(read: Callable[[Record, PreparedTable], PreparedTable]) -> _Reader:
    """The reader of a transformer that holds no others."""
    return lambda record, table, _: read(record, table)


_READERS: Mapping[str, _Reader] = {
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _feature_union,
    "StandardScaler": _plain(read_standard_scaler),
    "RobustScaler": _plain(read_robust_scaler),
    "MaxAbsScaler": _plain(read_max_abs_scaler),
    "MinMaxScaler": _plain(read_min_max_scaler),
    "Binarizer": _plain(read_binarizer),
    "PowerTransformer": _plain(read_power_transformer),
    "QuantileTransformer": _plain(read_quantile_transformer),
    "KBinsDiscretizer": _plain(read_k_bins),
    "FunctionTransformer": _plain(read_function_transformer),
    "OneHotEncoder": _plain(read_one_hot_encoder),
    "OrdinalEncoder": _plain(read_ordinal_encoder),
    "TargetEncoder": _plain(read_target_encoder),
    "SimpleImputer": _plain(read_simple_imputer),
    "MissingIndicator": _plain(read_missing_indicator),
    **dict.fromkeys(SELECTORS, _plain(read_selector)),
    **{name: _plain(read) for name, read in MIXERS.items()},
}
