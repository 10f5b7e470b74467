"""HistGradientBoostingClassifier and -Regressor."""

from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.data_frame_categories import categories_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.gradient_boosting import boosting_postprocessor
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import n_features_of
from mlserver_forest.importers.tree_ensemble import TreeEnsemble
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema

_ENCODER = "encoder"
# The kinds of dtypes of categories that are given as numbers.
_NUMBERS = "biuf"
# No category of a table is so called.
_UNKNOWN = "\N{REPLACEMENT CHARACTER} unknown"


def read_hist_gradient_boosting(estimator: Record) -> TreeEnsemble:
    """The trees of all iterations, which add to a baseline."""
    encoding = _encoding_of(estimator)
    iterations = estimator.require("_predictors")
    if not isinstance(iterations, list) or not iterations or not iterations[0]:
        raise UnsupportedEstimator(f"this {estimator.name} has no trees; fit it first")
    if estimator.has("classes_") and len(estimator.array("classes_", 1)) == 1:
        raise UnsupportedEstimator(
            f"this {estimator.name} was fitted on one class, which it always answers; fit it on "
            "two or more"
        )
    n_outputs = len(iterations[0])
    trees = [
        encoding.tree(record_of(predictor), output)
        for iteration in iterations
        for output, predictor in enumerate(iteration)
    ]
    baseline = np.asarray(estimator.require("_baseline_prediction"), np.float64).ravel()
    return TreeEnsemble(
        trees,
        n_features=n_features_of(estimator),
        feature_dtype=np.dtype(np.float64),
        initial=baseline,
        postprocessor=boosting_postprocessor(estimator, n_outputs, "binary_hist_gradient_boosting"),
        cuts=encoding.cuts,
        categories=encoding.categories,
    )


def rows_with_names(estimator: Any, x: NDArray[Any], schema: Schema) -> Any:
    """Rows as an estimator takes them that was fitted on names of categories.

    Args:
        estimator: the estimator itself.
        x: (n_samples, n_features) with the codes of categories; what is not a code is unknown.
        schema: of its model.

    Returns:
        A data frame if it was fitted on one, or an array of objects.
    """
    record = record_of(estimator)
    columns: list[Any] = list(x.T)
    chosen = np.flatnonzero(record.array("is_categorical_", 1)).tolist()
    named = dict(zip(chosen, _encoder_of(record).require("categories_"), strict=True))
    for column, categories in schema.categories_by_column.items():
        codes, names = x[:, column], [*_present(named[column]), _UNKNOWN, None]
        is_known = categories.are_codes(codes)
        places = np.where(is_known, np.nan_to_num(codes, nan=len(names) - 1), len(names) - 2)
        columns[column] = np.array(names, object)[places.astype(np.intp)]
    if record.get("feature_names_in_") is None:
        return np.array(columns, object).T
    import pandas as pd

    return pd.DataFrame(dict(zip(record.get("feature_names_in_"), columns, strict=True)))


def _present(categories: Any) -> list[Any]:
    """Categories without those that mean a missing value, which come last."""
    found = np.asarray(categories).tolist()
    return [one for one in found if not (one is None or (isinstance(one, float) and isnan(one)))]


class _Encoding:
    """How a row is read: its categories, and the order of its features.

    Attributes:
        columns: (n_features,) the column of ``X`` of each feature of the trees.
        cuts: by column, where its categories begin and end.
    """

    def __init__(self, estimator: Record) -> None:
        self.columns: NDArray[np.intp] = np.arange(n_features_of(estimator))
        self.cuts: dict[int, NDArray[np.float64]] = {}
        self.categories: dict[int, Categories] = {}
        # By column, a number in the interval of each category, and its bit in a node's set.
        self._bits: dict[int, tuple[NDArray[np.float64], NDArray[np.intp]]] = {}

    def tree(self, predictor: Record, output: int) -> Tree:
        """Read a tree that adds to a column of the sums."""
        nodes = predictor.array("nodes", 1)
        names = nodes.dtype.names or ()
        leaf = nodes["is_leaf"] != 0
        feature = self.columns[nodes["feature_idx"]]
        # Before 0.22 a missing value was refused, and before 0.24 all features were numbers.
        goes_left = nodes["missing_go_to_left"] if "missing_go_to_left" in names else 0
        missing_right = np.broadcast_to(np.equal(goes_left, 0), len(nodes))
        by_category = nodes["is_categorical"] if "is_categorical" in names else 0
        split_by_category = np.flatnonzero(np.not_equal(by_category, 0) & ~leaf)
        return Tree(
            left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
            right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
            feature=feature,
            threshold=nodes["num_threshold" if "num_threshold" in names else "threshold"],
            missing_right=missing_right,
            values=nodes["value"].reshape(-1, 1),
            covers=nodes["count"],
            output=output,
            categorical={
                int(node): self._goes_right(
                    int(feature[node]),
                    predictor.array("raw_left_cat_bitsets", 2)[nodes["bitset_idx"][node]],
                    missing=bool(missing_right[node]),
                )
                for node in split_by_category
            },
        )

    def learn(self, column: int, categories: NDArray[np.float64], *, are_codes: bool) -> None:
        """Learn the categories of a column.

        Args:
            column: of ``X``.
            categories: the numbers that training found.
            are_codes: whether a number is cut down to an integer, as it was before categories
                were encoded, and is its own bit in a node's set.
        """
        values = categories[~np.isnan(categories)]
        if are_codes:
            starts, ends = np.where(values == 0, np.nextafter(-1.0, 0), values), values + 1
            bits = values.astype(np.intp)
        else:
            starts, ends = values, np.nextafter(values, np.inf)
            bits = np.arange(len(values))
        self._bits[column] = (values, bits)
        self.cuts[column] = np.unique([*starts, *ends, np.inf])

    def learn_names(self, column: int, names: list[Any]) -> None:
        """Learn the names of a column's categories, whose codes are their positions."""
        found = categories_of(column, names)
        if found is not None:
            self.categories[column] = found
        self.learn(column, np.arange(len(names), dtype=np.float64), are_codes=False)

    def _goes_right(
        self, column: int, left: NDArray[np.uint32], *, missing: bool
    ) -> NDArray[np.bool_]:
        """(n_codes,) where each code of a column goes; an unknown category is missing."""
        cuts, (values, bits) = self.cuts[column], self._bits[column]
        goes_right = np.full(len(cuts) + 2, missing)
        goes_left = np.unpackbits(left.astype("<u4").view(np.uint8), bitorder="little")
        goes_right[np.searchsorted(cuts, values, side="right")] = goes_left[bits] == 0
        return goes_right


def _encoding_of(estimator: Record) -> _Encoding:
    encoding = _Encoding(estimator)
    chosen = estimator.get("is_categorical_")
    if chosen is None:
        return encoding
    mask = np.asarray(chosen, bool)
    if release_of(estimator).encodes_categories:
        # Categorical features come first, and the categories that were found are numbered.
        encoding.columns = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
        found = _encoder_of(estimator).require("categories_")
    else:
        thresholds = estimator.record("_bin_mapper").require("bin_thresholds_")
        found = [thresholds[column] for column in np.flatnonzero(mask)]
    for column, categories in zip(np.flatnonzero(mask).tolist(), found, strict=True):
        if np.asarray(categories).dtype.kind not in _NUMBERS:
            encoding.learn_names(column, _present(categories))
            continue
        encoding.learn(
            column,
            np.asarray(categories, np.float64),
            are_codes=not release_of(estimator).encodes_categories,
        )
    return encoding


def _encoder_of(estimator: Record) -> Record:
    """The OrdinalEncoder of the categories."""
    for name, transformer, *_ in record_of(estimator.require("_preprocessor")).require(
        "transformers_"
    ):
        if name == _ENCODER:
            return record_of(transformer)
    raise UnsupportedEstimator(
        f"this {estimator.name} has categories but does not say which; the file is damaged"
    )
