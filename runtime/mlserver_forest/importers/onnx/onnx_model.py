"""An ONNX tree ensemble -> ``Model``, and ONNX Runtime's answers for it.

The rules are those of ONNX Runtime 1.32 (``tree_ensemble_aggregator.h``, ``ml_common.h``), which
the specification leaves open in places. It adds in float32 (float64 if the input is), tree by tree,
and the base values at last; so does the forest.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.fitted_estimator import Answers, model_of
from mlserver_forest.importers.onnx.branches import trees_of
from mlserver_forest.importers.onnx.graph import Graph, columns_read, graph_of
from mlserver_forest.importers.onnx.node_arrays import (
    LEAF,
    MEMBER,
    MOST_VALUES,
    Attributes,
    NodeArrays,
    read_classic,
    read_ensemble,
)
from mlserver_forest.importers.onnx.onnx_file import version_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.tree_ensemble import TreeEnsemble, walked
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Label, Schema

__all__ = ["CLASS_NAMES", "answers", "restore", "to_model", "version_of", "walk"]

CLASS_NAMES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
_NO_CLASSES = np.empty(0, np.intp)
# TreeEnsemble numbers what the older operators name.
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_MOST_TARGETS = 100_000
_SHARE_TOLERANCE = 1e-3
_COVER_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """An operator, read.

    Attributes:
        graph: the graph around it.
        trees: its trees, as they are in the file.
        n_outputs: how many sums it makes.
        classes: the labels; empty for a regression.
        transform: one of ``_TRANSFORMS``.
        aggregate: one of ``_AGGREGATES``.
        base: (n_outputs,) what is added at last; empty if nothing is.
    """

    graph: Graph
    trees: list[NodeArrays]
    n_outputs: int
    classes: tuple[Label, ...]
    transform: str
    aggregate: str
    base: NDArray[np.float64]


def to_model(record: Record) -> Model:
    """Read a model from its record.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    ensemble = _read(record)
    columns = ensemble.graph.columns
    kind = "classification" if ensemble.classes else "regression"
    found = _tree_ensemble(ensemble)
    forest = found.pack()  # With the base values as the last leaves.
    if not _has_covers(ensemble.trees):
        forest = replace(forest, covers=np.empty(0, np.float32))
    return model_of(forest, columns.names, kind, ensemble.classes)  # type: ignore[arg-type]


def walk(record: Record, x: NDArray[Any], schema: Schema) -> Answers:
    """Answers without ONNX Runtime: the trees are walked in NumPy."""
    return walked(_tree_ensemble(_read(record)), x, schema)


def restore(record: Record) -> Any:
    """A session of ONNX Runtime, with the inputs it takes; None if it cannot be asked.

    It is not installed, or does not know the model's operators, or the model takes integers, which
    the rows of the proof are not. Nor is it asked whether numbers are members of a set: version
    1.32 cuts their fractions off, against the specification.
    """
    ensemble = _read(record)
    graph = ensemble.graph
    if graph.has_integers or any((tree.mode == MEMBER).any() for tree in ensemble.trees):
        return None
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # So that the trees are summed in their order.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            record.require("content"), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # noqa: BLE001  # Its exceptions have no common class.
        return None
    return session, graph.inputs


def answers(restored: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask ONNX Runtime; see ``estimator_answers``."""
    session, widths = restored
    starts = np.cumsum([0, *widths.values()]).tolist()
    given = {
        name: np.ascontiguousarray(x[:, start : start + width])
        for (name, width), start in zip(widths.items(), starts[:-1], strict=True)
    }
    outputs = session.run(None, given)
    if schema.kind != "classification":
        return np.asarray(outputs[0]).reshape(len(x), -1), _NO_CLASSES
    labels, scores = sorted(outputs, key=_is_scores)[:2]
    if isinstance(scores, list):  # ZipMap makes a dictionary of each row.
        scores = np.array([[row[label] for label in schema.classes] for row in scores])
    known = {label: position for position, label in enumerate(schema.classes)}
    positions = np.array([known[label] for label in np.asarray(labels).ravel().tolist()], np.intp)
    return scores.reshape(len(x), -1), positions


def _is_scores(output: Any) -> bool:
    return isinstance(output, list) or output.dtype.kind == "f"


def _read(record: Record) -> _Ensemble:
    model = record.require("model")
    node = next(one for one in model.graph.node if one.op_type.startswith("TreeEnsemble"))
    if node.op_type not in CLASS_NAMES or node.domain != "ai.onnx.ml":
        raise UnsupportedEstimator(
            f"the ONNX operator {format_value(node.op_type)} of the domain "
            f"{format_value(node.domain)} is not one of ai.onnx.ml's"
        )
    attributes = Attributes(node)
    graph = graph_of(model, int(columns_read(node).max(initial=0)) + 1)
    if attributes.has_doubles() and graph.columns.dtype_out is np.float32:
        raise UnsupportedEstimator("the ONNX trees hold doubles, and their input floats")
    classes: tuple[Label, ...] = ()
    if node.op_type == "TreeEnsembleClassifier":
        words = attributes.words("classlabels_strings")
        classes = tuple(words or attributes.ints("classlabels_int64s").tolist())
        n_outputs, role = len(classes), "class"
        if n_outputs < 2 or len(set(classes)) != n_outputs:
            raise UnsupportedEstimator(
                f"the ONNX model has the classes {format_value(list(classes[:3]))}; it needs two "
                "or more that differ"
            )
    else:
        n_outputs, role = attributes.integer("n_targets", 1), "target"
        if not 0 < n_outputs <= _MOST_TARGETS:
            raise UnsupportedEstimator(f"the ONNX model predicts {n_outputs} targets")
    if node.op_type == "TreeEnsemble":
        trees = read_ensemble(attributes, n_outputs)
        transform = _named(_TRANSFORMS, attributes.integer("post_transform", 0))
        aggregate = _named(_AGGREGATES, attributes.integer("aggregate_function", 1))
    else:
        trees = read_classic(attributes, role, n_outputs)
        transform = attributes.word("post_transform", "NONE")
        aggregate = attributes.word("aggregate_function", "SUM")
    if not trees:
        raise UnsupportedEstimator("the ONNX model has no trees")
    base = attributes.numbers("base_values")
    return _Ensemble(graph, trees, n_outputs, classes, transform, aggregate, base)


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def _of_one_score(ensemble: _Ensemble) -> _Ensemble:
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


def _tree_ensemble(ensemble: _Ensemble) -> TreeEnsemble:
    ensemble = _of_one_score(ensemble)
    trees, cuts = trees_of(ensemble.trees, ensemble.graph.columns)
    divisor = _divisor(ensemble)
    postprocessor, n_sums, share = _postprocessor(ensemble)
    dtype = ensemble.graph.columns.dtype_out
    if ensemble.base.size:
        if ensemble.base.size != n_sums:
            raise UnsupportedEstimator(
                f"the ONNX model has {ensemble.base.size} base values for {n_sums} sums; what "
                "that means is not defined"
            )
        trees += [
            _leaf(output, base) for output, base in enumerate((ensemble.base * divisor).tolist())
        ]
    return TreeEnsemble(
        _of_one_width(trees, n_sums),
        n_features=len(ensemble.graph.columns.names),
        feature_dtype=np.dtype(ensemble.graph.columns.dtype),
        initial=np.zeros(n_sums, dtype),
        divisor=divisor * share,
        postprocessor=Postprocessor(postprocessor),
        cuts=cuts,
    )


def _leaf(output: int, value: float) -> Tree:
    """A tree of one leaf, for what is added at last."""
    none = np.full(1, -1)
    return Tree(
        left=none,
        right=none,
        feature=np.zeros(1, np.intp),
        threshold=np.zeros(1),
        missing_right=np.zeros(1, bool),
        values=np.full((1, 1), value),
        covers=np.ones(1),
        output=output,
    )


def _of_one_width(trees: list[Tree], n_sums: int) -> list[Tree]:
    """The trees with one value in each leaf if all have one, else with one for each sum."""
    if all(tree.values.shape[1] == 1 for tree in trees):
        return trees
    if sum(len(tree.values) for tree in trees) * n_sums > MOST_VALUES:
        raise UnsupportedEstimator("the leaves of the ONNX trees add to too many outputs")
    found = []
    for tree in trees:
        values = np.zeros((len(tree.values), n_sums))
        values[:, tree.output : tree.output + tree.values.shape[1]] = tree.values
        found.append(replace(tree, values=values, output=0))
    return found


def _divisor(ensemble: _Ensemble) -> float:
    if ensemble.aggregate == "AVERAGE":
        return float(len(ensemble.trees))
    if ensemble.aggregate != "SUM" and len(ensemble.trees) > 1:
        raise UnsupportedEstimator(
            f"the ONNX trees are combined by {format_value(ensemble.aggregate)}, which cannot be "
            "packed; expected SUM or AVERAGE"
        )
    return 1.0


def _postprocessor(ensemble: _Ensemble) -> tuple[str, int, float]:
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


def _binary(ensemble: _Ensemble) -> str:
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


def _require_scores(ensemble: _Ensemble) -> None:
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


def _total_share(ensemble: _Ensemble) -> float:
    """What the probabilities of a row sum to.

    Raises:
        UnsupportedEstimator: if that is not the same for all rows, or not 1.
    """
    ranges = []
    for tree in ensemble.trees:
        sums = tree.values[tree.mode == LEAF].sum(axis=1)
        ranges.append((sums.min(), sums.max(), tree.values.min()))
    low, high, least = np.array(ranges).T
    total = float(high.sum()) / _divisor(ensemble)
    is_normalized = bool(ensemble.graph.functions)
    fits = high.sum() - low.sum() <= _SHARE_TOLERANCE * high.sum() and least.min() >= 0
    if not fits or ensemble.base.any() or not (is_normalized or abs(total - 1) < _SHARE_TOLERANCE):
        raise UnsupportedEstimator(
            "the ONNX model classifies without turning its scores into probabilities, which sum "
            "to 1; pack the file of the library that trained it"
        )
    return total


def _has_covers(trees: list[NodeArrays]) -> bool:
    """Whether the hit rates are the weights of training rows, as explanations need them."""
    for tree in trees:
        inner = np.flatnonzero(tree.mode != LEAF)
        sums = tree.covers[tree.true[inner]] + tree.covers[tree.false[inner]]
        if (np.abs(sums - tree.covers[inner]) > _COVER_TOLERANCE * np.abs(sums)).any():
            return False
    return any(len(tree.mode) > 1 for tree in trees)


def _refused_transform(ensemble: _Ensemble, steps: list[str]) -> UnsupportedEstimator:
    what = "classifier" if ensemble.classes else f"regressor with {ensemble.n_outputs} targets"
    return UnsupportedEstimator(
        f"the scores of this ONNX {what} go through {', '.join(steps)}, which cannot be packed; "
        "pack the file of the library that trained it"
    )
