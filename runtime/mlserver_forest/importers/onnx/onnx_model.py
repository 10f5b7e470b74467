"""An ONNX tree ensemble -> ``Model``, and ONNX Runtime's answers for it.

The rules are those of ONNX Runtime 1.32 (``tree_ensemble_aggregator.h``, ``ml_common.h``), which
the specification leaves open in places. It adds in float32 (float64 if the input is), tree by tree,
and the base values at last; so does the forest.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import Answers, model_of
from mlserver_forest.importers.onnx.branches import trees_of
from mlserver_forest.importers.onnx.ensemble import CLASS_NAMES, Ensemble, has_covers, read
from mlserver_forest.importers.onnx.node_arrays import MEMBER, MOST_VALUES
from mlserver_forest.importers.onnx.onnx_file import version_of
from mlserver_forest.importers.onnx.scores import divisor_of, of_one_score, postprocessor_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.tree_ensemble import TreeEnsemble, walked
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema

__all__ = ["CLASS_NAMES", "answers", "restore", "to_model", "version_of", "walk"]

_NO_CLASSES = np.empty(0, np.intp)


def to_model(record: Record) -> Model:
    """Read a model from its record.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    ensemble = read(record)
    columns = ensemble.graph.columns
    kind = "classification" if ensemble.classes else "regression"
    found = _tree_ensemble(ensemble)
    forest = found.pack()  # With the base values as the last leaves.
    if not has_covers(ensemble.trees):
        forest = replace(forest, covers=np.empty(0, np.float32))
    return model_of(forest, columns.names, kind, ensemble.classes)  # type: ignore[arg-type]


def walk(record: Record, x: NDArray[Any], schema: Schema) -> Answers:
    """Answers without ONNX Runtime: the trees are walked in NumPy."""
    return walked(_tree_ensemble(read(record)), x, schema)


def restore(record: Record) -> Any:
    """A session of ONNX Runtime, with the inputs it takes; None if it cannot be asked.

    It is not installed, or does not know the model's operators, or the model takes integers, which
    the rows of the proof are not. Nor is it asked whether numbers are members of a set: version
    1.32 cuts their fractions off, against the specification.
    """
    ensemble = read(record)
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


def _tree_ensemble(ensemble: Ensemble) -> TreeEnsemble:
    ensemble = of_one_score(ensemble)
    trees, cuts = trees_of(ensemble.trees, ensemble.graph.columns)
    divisor = divisor_of(ensemble)
    postprocessor, n_sums, share = postprocessor_of(ensemble)
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
