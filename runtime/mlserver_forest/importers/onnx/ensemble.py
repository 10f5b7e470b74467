"""The tree ensemble of an ONNX model, with its attributes as values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.onnx.graph import Graph, columns_read, graph_of
from mlserver_forest.importers.onnx.node_arrays import (
    LEAF,
    Attributes,
    NodeArrays,
    read_classic,
    read_ensemble,
)
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.schema.schema import Label

CLASS_NAMES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
# TreeEnsemble numbers what the older operators name.
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_MOST_TARGETS = 100_000
_COVER_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A TreeEnsembleClassifier, TreeEnsembleRegressor or TreeEnsemble.

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


def read(record: Record) -> Ensemble:
    """The ensemble of a record.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
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
    return Ensemble(graph, trees, n_outputs, classes, transform, aggregate, base)


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def has_covers(trees: list[NodeArrays]) -> bool:
    """Whether the hit rates are the weights of training rows, as explanations need them."""
    for tree in trees:
        inner = np.flatnonzero(tree.mode != LEAF)
        sums = tree.covers[tree.true[inner]] + tree.covers[tree.false[inner]]
        if (np.abs(sums - tree.covers[inner]) > _COVER_TOLERANCE * np.abs(sums)).any():
            return False
    return any(len(tree.mode) > 1 for tree in trees)
