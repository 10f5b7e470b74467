"""The graph of an ONNX model: its input, the one tree ensemble in it, and what follows.

Converters (skl2onnx, onnxmltools, CatBoost) put casts and scalers before the ensemble, and behind
it what turns scores into the outputs. Any other operator is refused by its name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.onnx.input_columns import InputColumns
from mlserver_forest.importers.onnx.node_arrays import Attributes
from mlserver_forest.importers.onnx.onnx_file import array_of

# TensorProto.DataType -> the dtype that the trees compare in.
_INPUTS: Mapping[int, type] = {1: np.float32, 11: np.float64, 6: np.float32, 7: np.float32}
_INTEGERS = {6, 7}
_CASTS: Mapping[int, type] = {1: np.float32, 11: np.float64}
_MOST_FEATURES = 1 << 20
_MOST_STEPS = 100
# Behind the labels, and behind the scores.
_SHAPING = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "ZipMap"})
_FUNCTIONS = frozenset({"Exp", "Normalizer", "Sigmoid"})


@dataclass(frozen=True, eq=False)
class Graph:
    """A model with one tree ensemble.

    Attributes:
        node: the operator.
        columns: what its input is made of.
        inputs: the names of the graph's inputs, and the number of columns of each.
        has_integers: whether an input holds integers, which are compared as float32.
        functions: what is applied to the scores, in order.
    """

    node: Any
    columns: InputColumns
    inputs: Mapping[str, int]
    has_integers: bool
    functions: tuple[str, ...]


def graph_of(model: Any, n_columns: int) -> Graph:
    """Follow the graph of a model.

    Args:
        model: the parsed message.
        n_columns: the least number of columns that the trees read.

    Raises:
        UnsupportedEstimator: naming an operator or an input that cannot be packed.
    """
    ensembles = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    if len(ensembles) != 1:
        raise UnsupportedEstimator(
            f"the ONNX model holds {len(ensembles)} tree ensembles, whose answers it combines; "
            "pack the file of the library that trained it"
        )
    return _Reader(model.graph, n_columns).read(ensembles[0])


class _Reader:
    """Follows a graph from its ensemble both ways.

    Args:
        graph: the message.
        n_columns: the least number of columns that the trees read.
    """

    def __init__(self, graph: Any, n_columns: int) -> None:
        self._graph = graph
        self._n_columns = n_columns
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {output: node for node in graph.node for output in node.output}
        self._inputs = {one.name: one for one in graph.input if one.name not in self._constants}
        for node in graph.node:
            if node.op_type == "Constant":
                self._constants.update((node.output[0], one.t) for one in node.attribute)
        self._used: list[Any] = []
        self._widths: dict[str, int] = {}

    def read(self, ensemble: Any) -> Graph:
        """The parts of the graph around its ensemble."""
        self._used.append(ensemble)
        columns = self._columns(ensemble.input[0])
        functions = self._follow(ensemble)
        for node in self._graph.node:
            if node.op_type != "Constant" and not any(node is used for used in self._used):
                raise _refused(node)
        types = {one.type.tensor_type.elem_type for one in self._inputs.values()}
        return Graph(ensemble, columns, self._widths, bool(types & _INTEGERS), tuple(functions))

    def _columns(self, name: str) -> InputColumns:
        """The columns of a tensor before the ensemble."""
        if name in self._inputs:
            return self._input(self._inputs[name], self._n_columns)
        node = self._makers.get(name)
        if node is None:
            raise UnsupportedEstimator(f"the ONNX graph has no tensor {format_value(name)}")
        self._used.append(node)
        if len(self._used) > _MOST_STEPS:
            raise UnsupportedEstimator("the ONNX graph has too many operators before its trees")
        if node.op_type == "Concat":
            return self._concatenated(node)
        read = _BEFORE.get(node.op_type)
        found = read(self, node, self._columns(node.input[0])) if read else None
        if found is None:
            raise _refused(node)
        return found

    def _cast(self, node: Any, columns: InputColumns) -> InputColumns | None:
        wanted = _CASTS.get(Attributes(node).integer("to", 0))
        if wanted is None or wanted is columns.dtype_out:
            return columns if wanted else None
        return columns.cast(wanted)

    def _scaler(self, node: Any, columns: InputColumns) -> InputColumns | None:
        attributes = Attributes(node)
        parts = [attributes.numbers(name).astype(np.float32) for name in ("offset", "scale")]
        fits = {part.size for part in parts} <= {1, len(columns.sources)}
        # A scale of 0 makes a missing value of what overflowed before.
        return columns.scaled(*parts) if fits and parts[1].all() else None

    def _extractor(self, node: Any, columns: InputColumns) -> InputColumns | None:
        if node.input[1] not in self._constants:
            return None
        chosen = array_of(self._constants[node.input[1]]).ravel().astype(np.intp)
        fits = chosen.size and 0 <= chosen.min() <= chosen.max() < len(columns.sources)
        return columns.chosen(chosen) if fits else None

    def _reshape(self, node: Any, columns: InputColumns) -> InputColumns | None:
        return columns if self._keeps_shape(node, len(columns.sources)) else None

    def _keeps_shape(self, node: Any, width: int) -> bool:
        if node.input[1] not in self._constants:
            return False
        shape = array_of(self._constants[node.input[1]]).ravel().tolist()
        return shape in ([-1, width], [0, width], [0, -1])

    def _concatenated(self, node: Any) -> InputColumns:
        """Inputs with a column each, as skl2onnx makes them of a data frame."""
        parts = [self._inputs.get(name) for name in node.input]
        if None in parts or Attributes(node).integer("axis", 0) not in {1, -1}:
            raise _refused(node)
        found = [self._input(part, 1) for part in parts]
        if len({part.dtype for part in found}) != 1 or len(self._widths) != len(parts):
            raise _refused(node)
        names = [name for part in found for name in part.names]
        return InputColumns.plain(tuple(names), found[0].dtype)

    def _input(self, value: Any, least: int) -> InputColumns:
        tensor = value.type.tensor_type
        dims = [dim.dim_value for dim in tensor.shape.dim]
        width = dims[-1] if len(dims) == 2 and dims[-1] > 0 else least
        if tensor.elem_type not in _INPUTS or not 0 < width <= _MOST_FEATURES:
            raise UnsupportedEstimator(
                f"the input {format_value(value.name)} of the ONNX model is not a matrix of "
                f"numbers (data type {tensor.elem_type}, {width} columns)"
            )
        self._widths[value.name] = width
        names = [value.name] if width == 1 else [f"{value.name}_{at}" for at in range(width)]
        if len(self._inputs) == 1:
            names = [f"feature_{at}" for at in range(width)]
        return InputColumns.plain(tuple(names), _INPUTS[tensor.elem_type])

    def _follow(self, ensemble: Any) -> list[str]:
        """The functions of the scores behind the ensemble."""
        scores = ensemble.output[-1]
        functions: list[str] = []
        for name, is_score in [(output, output == scores) for output in ensemble.output]:
            self._follow_tensor(name, functions if is_score else None)
        return functions

    def _follow_tensor(self, name: str, functions: list[str] | None) -> None:
        for node in self._graph.node:
            if name not in node.input:
                continue
            self._used.append(node)
            if len(self._used) > _MOST_STEPS or not self._is_shaping(node):
                if functions is None or node.op_type not in _FUNCTIONS:
                    raise _refused(node)
                functions.append(_function(node))
            for output in node.output:
                self._follow_tensor(output, functions)

    def _is_shaping(self, node: Any) -> bool:
        others: Iterable[str] = node.input[1:]
        return node.op_type in _SHAPING and all(other in self._constants for other in others)


# ruff: noqa: SLF001  # The table belongs to the class.
_BEFORE: Mapping[str, Callable[[_Reader, Any, InputColumns], InputColumns | None]] = {
    "ArrayFeatureExtractor": _Reader._extractor,
    "Cast": _Reader._cast,
    "Identity": lambda _, __, columns: columns,
    "Reshape": _Reader._reshape,
    "Scaler": _Reader._scaler,
}


def _function(node: Any) -> str:
    if node.op_type == "Normalizer" and Attributes(node).word("norm", "MAX") != "L1":
        raise _refused(node)
    return str(node.op_type)


def _refused(node: Any) -> UnsupportedEstimator:
    return UnsupportedEstimator(
        f"the ONNX graph has the operator {format_value(node.op_type)} around its trees, which "
        "cannot be packed; export the tree ensemble alone, or pack the file of the library that "
        "trained it"
    )


def columns_read(node: Any) -> NDArray[np.int64]:
    """The columns that the nodes of an ensemble name."""
    return Attributes(node).ints("nodes_featureids")
