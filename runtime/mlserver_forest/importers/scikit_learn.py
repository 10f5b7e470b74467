"""scikit-learn: its tree ensembles -> ``Model``, read from the fitted estimators' own arrays."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from warnings import WarningMessage

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import (
    Answers,
    estimator_answers,
    labels_of,
    model_of,
)
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Label, Schema, TargetKind

# Types that skops 0.16 asks about and that scikit-learn's tree ensembles are made of.
SKOPS_TYPES = (
    r"sklearn\.tree\._tree\.Tree"
    r"|sklearn\.ensemble\._hist_gradient_boosting\.predictor\.TreePredictor"
    r"|sklearn\.utils\.validation\.check_array"
)
HINTS: Mapping[str, str] = dict.fromkeys(
    ("Pipeline", "GridSearchCV", "RandomizedSearchCV", "CalibratedClassifierCV"),
    "pack the fitted tree ensemble inside it, and prepare its features beforehand",
)
# Between the name and the text of the version, a pickle of protocol 4 or 2 has a few opcodes.
_VERSION_IN_PICKLE = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c.|X....)(\d+\.\d+[\w.]*)", re.DOTALL
)


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator of one of the classes in ``FORESTS``.

    Raises:
        UnsupportedEstimator: if it is not fitted, or has something that cannot be packed.
    """
    name = type(estimator).__name__
    if not hasattr(estimator, "n_features_in_"):
        raise UnsupportedEstimator(f"this {name} is not fitted; fit it first")
    kind: TargetKind = "regression"
    classes: tuple[Label, ...] = ()
    forest = FORESTS[name](estimator)
    if name == "IsolationForest":
        kind, classes = "anomaly_detection", (-1, 1)
    elif hasattr(estimator, "classes_"):
        kind, classes = "classification", labels_of(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    return model_of(forest, names, kind, classes, takes_missing=_takes_missing(estimator))


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask the estimator itself; see ``estimator_answers``."""
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1  # So that the trees are summed in their order.
    if schema.kind == "anomaly_detection":
        scores = [estimator.score_samples(x), estimator.decision_function(x)]
        return np.column_stack(scores), (estimator.predict(x) == 1).astype(np.intp)
    return estimator_answers(estimator, x, schema)


def version_in_pickle(content: bytes) -> str | None:
    """The version of scikit-learn that a pickle names, found without loading it."""
    match = _VERSION_IN_PICKLE.search(content)
    return match[1].decode() if match else None


def note(recorded: Sequence[WarningMessage]) -> str:
    """The version that wrote a file, if scikit-learn warned that it is not this one."""
    for warning in recorded:
        written = getattr(warning.message, "original_sklearn_version", None)
        if written:
            return f"it was written with scikit-learn {written}"
    return ""


def _takes_missing(estimator: Any) -> bool:
    """Whether NaN is accepted; since scikit-learn 1.9 with monotonic constraints, too."""
    if type(estimator).__name__.startswith("HistGradientBoosting"):
        return True
    takes: bool = estimator.__sklearn_tags__().input_tags.allow_nan
    if takes and getattr(estimator, "monotonic_cst", None) is not None:
        tree = getattr(estimator, "estimators_", [estimator])[0]
        takes = tree._support_missing_values(np.empty((1, 1)))  # noqa: SLF001  # no public way
    return takes


def _forest(estimator: Any) -> Forest:
    """Random forests and extra trees predict the mean of the leaf values."""
    return _average(estimator, estimator.estimators_)


def _decision_tree(estimator: Any) -> Forest:
    return _average(estimator, [estimator])


def _average(estimator: Any, trees: list[Any]) -> Forest:
    if hasattr(estimator, "classes_") and estimator.n_outputs_ != 1:
        raise UnsupportedEstimator(
            f"this {type(estimator).__name__} classifies {estimator.n_outputs_} targets at once, "
            "which cannot be packed; fit one classifier for each target"
        )
    packed = [_tree(tree.tree_, _leaf_values(tree.tree_)) for tree in trees]
    return pack(
        packed,
        n_features=estimator.n_features_in_,
        feature_dtype=np.float32,
        initial=np.zeros(packed[0].values.shape[1]),
        divisor=len(trees),
    )


def _leaf_values(tree: Any) -> NDArray[np.float64]:
    """(n_nodes, n_outputs) class probabilities, or a number for each target."""
    values: NDArray[np.float64] = tree.value
    return values[:, 0, :] if values.shape[1] == 1 else values[:, :, 0]


def _tree(tree: Any, values: NDArray[np.float64], output: int = 0, features: Any = None) -> Tree:
    """Read a ``sklearn.tree._tree.Tree``.

    Args:
        tree: the tree.
        values: (n_nodes, width) what its leaves add.
        output: the column of the sums that it adds to.
        features: the columns of ``X`` that it was fitted on; None for all.
    """
    feature = np.maximum(tree.feature, 0)  # A leaf's is negative.
    if features is not None:
        feature = np.asarray(features)[feature]
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=feature,
        threshold=tree.threshold,
        missing_right=tree.missing_go_to_left == 0,
        values=values,
        covers=tree.weighted_n_node_samples,
        output=output,
    )


def _gradient_boosting(estimator: Any) -> Forest:
    n_outputs = estimator.estimators_.shape[1]
    trees = [
        _tree(member.tree_, estimator.learning_rate * member.tree_.value[:, 0, :], output)
        for stage in estimator.estimators_
        for output, member in enumerate(stage)
    ]
    return pack(
        trees,
        n_features=estimator.n_features_in_,
        feature_dtype=np.float32,
        initial=_initial(estimator, n_outputs),
        postprocessor=_boosting_postprocessor(
            estimator, n_outputs, "binary_gradient_boosting", _exponential_scale(estimator)
        ),
    )


def _initial(estimator: Any, n_outputs: int) -> NDArray[np.float64]:
    """(n_outputs,) what boosting starts from, which must be the same for all rows."""
    if estimator.init_ == "zero":
        return np.zeros(n_outputs)
    if type(estimator.init_).__name__ not in {"DummyClassifier", "DummyRegressor"}:
        raise UnsupportedEstimator(
            f"this {type(estimator).__name__} starts from init={type(estimator.init_).__name__}, "
            "another model, which cannot be packed; fit it with init=None or init='zero'"
        )
    row = np.zeros((1, estimator.n_features_in_), np.float32)
    initial: NDArray[np.float64] = estimator._raw_predict_init(row)[0]  # noqa: SLF001
    return initial


def _exponential_scale(estimator: Any) -> float:
    """The exponential loss halves the log odds, so its sigmoid is that of twice the sum."""
    return 2.0 if estimator.loss == "exponential" else 1.0


def _boosting_postprocessor(
    estimator: Any, n_outputs: int, binary: str, scale: float = 1.0
) -> Postprocessor:
    if hasattr(estimator, "classes_"):
        return Postprocessor("softmax_of_sums") if n_outputs > 1 else Postprocessor(binary, scale)
    is_log_link = getattr(estimator, "loss", None) in {"poisson", "gamma"}
    return Postprocessor("exponential" if is_log_link else "identity")


def _hist_gradient_boosting(estimator: Any) -> Forest:
    encoding = _Encoding(estimator)
    n_outputs = estimator.n_trees_per_iteration_
    trees = [
        encoding.tree(predictor, output)
        for iteration in estimator._predictors  # noqa: SLF001
        for output, predictor in enumerate(iteration)
    ]
    baseline = np.asarray(estimator._baseline_prediction, np.float64)  # noqa: SLF001
    return pack(
        trees,
        n_features=estimator.n_features_in_,
        feature_dtype=np.float64,
        initial=baseline.ravel(),
        postprocessor=_boosting_postprocessor(
            estimator, n_outputs, "binary_hist_gradient_boosting"
        ),
        cuts=encoding.cuts,
    )


class _Encoding:
    """How HistGradientBoosting reads a row: its categories, and its order of features.

    scikit-learn 1.9 puts categorical features first and numbers the categories that it found;
    a value that it did not find is treated as missing.
    """

    def __init__(self, estimator: Any) -> None:
        n_features = estimator.n_features_in_
        self.columns = np.arange(n_features)
        self.cuts: dict[int, NDArray[np.float64]] = {}
        self._categories: dict[int, NDArray[np.float64]] = {}
        self._name = type(estimator).__name__
        if estimator.is_categorical_ is None:
            return
        mask = np.asarray(estimator.is_categorical_, bool)
        self.columns = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
        encoder = estimator._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
        for feature, categories in zip(np.flatnonzero(mask), encoder.categories_, strict=True):
            self._learn(int(feature), categories)

    def _learn(self, feature: int, categories: NDArray[Any]) -> None:
        if np.asarray(categories).dtype.kind not in "biuf":
            raise UnsupportedEstimator(
                f"this {self._name} has categories that are not numbers in column {feature + 1} "
                f"({categories[0]!r}, ...); fit it on the numbers of an OrdinalEncoder"
            )
        values = np.asarray(categories, np.float64)
        values = values[~np.isnan(values)]
        self._categories[feature] = values
        # Each category is an interval of one number.
        self.cuts[feature] = np.unique([*values, *np.nextafter(values, np.inf), np.inf])

    def tree(self, predictor: Any, output: int) -> Tree:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"] != 0
        feature = self.columns[nodes["feature_idx"]]
        missing_right = nodes["missing_go_to_left"] == 0
        split_by_category = np.flatnonzero((nodes["is_categorical"] != 0) & ~leaf)
        return Tree(
            left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
            right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
            feature=feature,
            threshold=nodes["num_threshold"],
            missing_right=missing_right,
            values=nodes["value"].reshape(-1, 1),
            covers=nodes["count"],
            output=output,
            categorical={
                int(node): self._goes_right(
                    int(feature[node]),
                    predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]],
                    missing=bool(missing_right[node]),
                )
                for node in split_by_category
            },
        )

    def _goes_right(
        self, feature: int, left: NDArray[np.uint32], *, missing: bool
    ) -> NDArray[np.bool_]:
        """(n_codes,) where each code of a feature goes; an unknown category is missing."""
        cuts, categories = self.cuts[feature], self._categories[feature]
        goes_right = np.full(len(cuts) + 2, missing)
        bits = np.unpackbits(left.astype("<u4").view(np.uint8), bitorder="little")
        at = np.searchsorted(cuts, categories, side="right")
        goes_right[at] = bits[: len(categories)] == 0
        return goes_right


def _isolation_forest(estimator: Any) -> Forest:
    from sklearn.ensemble._iforest import _average_path_length

    paths = zip(
        estimator.estimators_,
        estimator.estimators_features_,
        estimator._decision_path_lengths,  # noqa: SLF001
        estimator._average_path_length_per_tree,  # noqa: SLF001
        strict=True,
    )
    trees = [
        _tree(member.tree_, (depth + rest - 1.0).reshape(-1, 1), 0, features)
        for member, features, depth, rest in paths
    ]
    average = _average_path_length([estimator._max_samples])[0]  # noqa: SLF001
    return pack(
        trees,
        n_features=estimator.n_features_in_,
        feature_dtype=np.float32,
        initial=np.zeros(1),
        postprocessor=Postprocessor(
            "isolation", float(len(trees) * average), float(estimator.offset_)
        ),
    )


FORESTS: Mapping[str, Callable[[Any], Forest]] = {
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "DecisionTreeClassifier": _decision_tree,
    "DecisionTreeRegressor": _decision_tree,
    "ExtraTreeClassifier": _decision_tree,
    "ExtraTreeRegressor": _decision_tree,
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _hist_gradient_boosting,
    "HistGradientBoostingRegressor": _hist_gradient_boosting,
    "IsolationForest": _isolation_forest,
}
