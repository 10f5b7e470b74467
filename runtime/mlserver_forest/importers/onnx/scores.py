"""How ONNX Runtime turns the sums of trees into answers -> a postprocessor of the engine.

The rules are those of version 1.32 (``tree_ensemble_aggregator.h``, ``ml_common.h``), which the
specification leaves open in places.
"""

from dataclasses import replace

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.onnx.ensemble import Ensemble
from mlserver_forest.importers.onnx.node_arrays import LEAF

_SHARE_TOLERANCE = 1e-3


def of_one_score(ensemble: Ensemble) -> Ensemble:
    """With the second class's score alone, if the first one's is its opposite, as CatBoost writes.

    ONNX Runtime then answers 1 if the second score is above 0, and 0 if not, whatever the labels.
    """
    is_opposite = all(
        tree.values.shape[1] == 2 and np.array_equal(tree.values[:, 0], -tree.values[:, 1])
        for tree in ensemble.trees
    )
    fits = ensemble.classes == (0, 1) and ensemble.transform == "LOGISTIC"
    if not (is_opposite and fits) or ensemble.base.size:
        return ensemble
    trees = [
        replace(tree, values=tree.values[:, 1:], given=tree.given[:, 1:]) for tree in ensemble.trees
    ]
    return replace(ensemble, trees=trees)


def divisor_of(ensemble: Ensemble) -> float:
    """What the sums of the trees are divided by.

    Raises:
        UnsupportedEstimator: if the trees are not added up.
    """
    if ensemble.aggregate == "AVERAGE":
        return float(len(ensemble.trees))
    if ensemble.aggregate != "SUM" and len(ensemble.trees) > 1:
        raise UnsupportedEstimator(
            f"the ONNX trees are combined by {format_value(ensemble.aggregate)}, which cannot be "
            "packed; expected SUM or AVERAGE"
        )
    return 1.0


def postprocessor_of(ensemble: Ensemble) -> tuple[str, int, float]:
    """What turns sums into answers, the number of sums, and what they are divided by besides."""
    functions, transform = list(ensemble.graph.functions), ensemble.transform
    if not ensemble.classes:
        known = {"NONE": "identity", "Exp": "exponential", "Sigmoid": "sigmoid"}
        steps = functions if transform == "NONE" and functions else [transform, *functions]
        if len(steps) == 1 and steps[0] in known:
            return known[steps[0]], ensemble.n_outputs, 1.0
        raise _refused_transform(ensemble, steps)
    is_normalized = functions == ["Normalizer"]
    if functions and not is_normalized:
        raise _refused_transform(ensemble, functions)
    if len(ensemble.classes) == 2:
        return _binary(ensemble), 1, 1.0
    _require_scores(ensemble)
    if transform == "SOFTMAX":
        return "softmax_of_sums", ensemble.n_outputs, 1.0
    if transform == "LOGISTIC" and not is_normalized:
        return "multiclass_ova_of_sums", ensemble.n_outputs, 1.0
    if transform == "NONE":
        total = _total_share(ensemble)
        return "identity", ensemble.n_outputs, total if is_normalized else 1.0
    raise _refused_transform(ensemble, [transform, *functions])


def _binary(ensemble: Ensemble) -> str:
    """The postprocessor of a classifier with one sum, which is the second class's."""
    weights = np.concatenate([tree.values[tree.given] for tree in ensemble.trees])
    if any(tree.output or tree.values.shape[1] > 1 for tree in ensemble.trees):
        raise UnsupportedEstimator(
            "the ONNX model has two classes and a score for the second one, which ONNX Runtime "
            "itself does not turn into labels by comparing them; export it with one score, as "
            "skl2onnx does, or pack the file of the library that trained it"
        )
    is_positive = bool((weights >= 0).all())
    if ensemble.transform == "LOGISTIC" and not is_positive:
        return "binary_hist_gradient_boosting"
    if ensemble.transform == "NONE" and is_positive:
        return "binary_share"
    raise UnsupportedEstimator(
        f"the ONNX model has one score for two classes, {'only' if is_positive else 'not only'} "
        f"positive ones, and post_transform {format_value(ensemble.transform)}: ONNX Runtime's "
        "probabilities and labels do not belong together then; pack the file of the library that "
        "trained it"
    )


def _require_scores(ensemble: Ensemble) -> None:
    """Refuse classes without a score: ONNX Runtime leaves them out when it looks for the largest.

    They cannot win here either if no score is negative, or if some tree scores every class.
    """
    given = np.zeros(ensemble.n_outputs, bool)
    least = 0.0
    for tree in ensemble.trees:
        is_leaf = tree.mode == LEAF
        width = tree.values.shape[1]
        given[tree.output : tree.output + width] |= tree.given[is_leaf].all(axis=0)
        least = min(least, float(tree.values.min()))
    if not (given.all() or ensemble.base.size == ensemble.n_outputs or least >= 0):
        raise UnsupportedEstimator(
            "some classes of the ONNX model have no score in some leaves, so that it depends on "
            "the runtime which class wins; pack the file of the library that trained it"
        )


def _total_share(ensemble: Ensemble) -> float:
    """What the probabilities of a row sum to.

    Raises:
        UnsupportedEstimator: if that is not the same for all rows, or not 1.
    """
    ranges = []
    for tree in ensemble.trees:
        sums = tree.values[tree.mode == LEAF].sum(axis=1)
        ranges.append((sums.min(), sums.max(), tree.values.min()))
    low, high, least = np.array(ranges).T
    total = float(high.sum()) / divisor_of(ensemble)
    is_normalized = bool(ensemble.graph.functions)
    fits = high.sum() - low.sum() <= _SHARE_TOLERANCE * high.sum() and least.min() >= 0
    if not fits or ensemble.base.any() or not (is_normalized or abs(total - 1) < _SHARE_TOLERANCE):
        raise UnsupportedEstimator(
            "the ONNX model classifies without turning its scores into probabilities, which sum "
            "to 1; pack the file of the library that trained it"
        )
    return total


def _refused_transform(ensemble: Ensemble, steps: list[str]) -> UnsupportedEstimator:
    what = "classifier" if ensemble.classes else f"regressor with {ensemble.n_outputs} targets"
    return UnsupportedEstimator(
        f"the scores of this ONNX {what} go through {', '.join(steps)}, which cannot be packed; "
        "pack the file of the library that trained it"
    )
