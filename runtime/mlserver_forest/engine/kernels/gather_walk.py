"""One row in many trees at once: a step of sixteen trees is three gathers from memory.

A step waits for memory, and a processor waits for many addresses of a vector at the same time. The
trees have narrow nodes (``nodes.py``) without sets of categories; ``row_ranks.py`` makes such
nodes of others. Groups of sixteen trees take turns until each tree of theirs has reached a leaf.
Where LLVM would take the addresses apart, scalar code is faster, and is used instead
(``compilation.has_gathers``).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from mlserver_forest.compilation import inner
from mlserver_forest.engine.kernels.llvm_functions import function_of_llvm
from mlserver_forest.engine.nodes import FEATURE_SHIFT

# Trees whose step is one instruction, and trees that are on their way at the same time.
_LANES = 16
TREES_AT_ONCE = 128
_WORD, _FLOAT = ir.IntType(32), ir.FloatType()
_WORDS, _BITS = ir.VectorType(_WORD, _LANES), ir.VectorType(ir.IntType(1), _LANES)
_POINTERS = ir.VectorType(_WORD.as_pointer(), _LANES)


class _Places(ir.Instruction):
    """The addresses of several elements of an array, which llvmlite's builder cannot express."""

    def __init__(self, builder: Any, of: Any, base: Any, indices: Any) -> None:
        super().__init__(builder.block, _POINTERS, "getelementptr", [base, indices])
        self._of = of
        builder._insert(self)  # noqa: SLF001 (there is no public way)

    def descr(self, buf: list[str]) -> None:
        """Append the instruction as text."""
        base, indices = self.operands
        buf.append(
            f"getelementptr {self._of}, {base.type} {base.get_reference()}, "
            f"{indices.type} {indices.get_reference()}\n"
        )


def _gather(builder: Any, of: Any, base: Any, indices: Any) -> Any:
    """The elements of an array at sixteen indices."""
    found = ir.VectorType(of, _LANES)
    places = _Places(
        builder, of, base, builder.sext(indices, ir.VectorType(ir.IntType(64), _LANES))
    )
    name = f"llvm.masked.gather.v{_LANES}{'f32' if of is _FLOAT else 'i32'}.v{_LANES}p0"
    signature = ir.FunctionType(found, [_POINTERS, _WORD, _BITS, found])
    call = function_of_llvm(builder, signature, name)
    everywhere = ir.Constant(_BITS, [1] * _LANES)
    return builder.call(call, [places, _WORD(4), everywhere, ir.Constant(found, ir.Undefined)])


def _step_lanes(typing_context, values, thresholds, words, shift, mask, roots, nodes, first):
    """Take a step in the trees from ``first`` on; the result is 0 if all nodes are leaves."""
    signature = types.uint32(values, thresholds, words, shift, mask, roots, nodes, first)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def start_of(which: int) -> Any:
            made = make_array(signature.args[which])  # type: ignore[no-untyped-call]
            return made(context, builder, arguments[which]).data

        def lanes_of(which: int) -> Any:
            place = builder.gep(start_of(which), [arguments[7]])
            return builder.bitcast(place, _WORDS.as_pointer())

        def all_lanes(number: Any) -> Any:
            some = ir.Constant(_WORDS, ir.Undefined)
            one = builder.insert_element(some, number, _WORD(0))
            return builder.shuffle_vector(one, some, ir.Constant(_WORDS, [0] * _LANES))

        node = builder.load(lanes_of(6), align=4)
        at = builder.shl(node, all_lanes(_WORD(1)))
        word = _gather(builder, _WORD, start_of(2), builder.or_(at, all_lanes(_WORD(1))))
        threshold = _gather(builder, _FLOAT, start_of(1), at)
        feature = builder.and_(word, all_lanes(arguments[4]))
        feature = builder.lshr(feature, all_lanes(_WORD(FEATURE_SHIFT)))
        value = _gather(builder, _FLOAT, start_of(0), feature)
        right = builder.zext(builder.fcmp_ordered(">", value, threshold), _WORDS)
        missing = builder.zext(builder.fcmp_unordered("uno", value, value), _WORDS)
        right = builder.or_(right, builder.and_(missing, word))  # MISSING_RIGHT is the lowest bit.
        left = builder.lshr(word, all_lanes(arguments[3]))
        new = builder.add(builder.add(builder.load(lanes_of(5), align=4), left), right)
        builder.store(new, lanes_of(6), align=4)
        any_bit = function_of_llvm(
            builder, ir.FunctionType(_WORD, [_WORDS]), f"llvm.vector.reduce.or.v{_LANES}i32"
        )
        return builder.call(any_bit, [builder.xor(new, node)])

    return signature, generate


_step: Any = intrinsic(_step_lanes)


@inner
def new_room():
    """Room for (8,) groups of trees that are on their way, (128,) nodes and (128,) roots."""
    nodes, starts = np.empty(TREES_AT_ONCE, np.uint32), np.empty(TREES_AT_ONCE, np.uint32)
    return np.empty(TREES_AT_ONCE // _LANES, np.int64), nodes, starts


@inner
def walk_trees(values, forest, roots, first, room):
    """Write the leaves of up to 128 trees, from ``first`` on, to the nodes of ``room``.

    Args:
        values: the row, float32.
        forest: its floats, its words, ``shift`` and the mask of a word's feature.
        roots: (n_trees + 1,) where each tree starts, and the end.
        first: the first tree.
        room: see ``new_room``.
    """
    group, nodes, starts = room
    thresholds, words, shift, feature_mask = forest
    here = min(TREES_AT_ONCE, roots.size - 1 - first)
    n_groups = np.int64((here + _LANES - 1) // _LANES)
    for lane in range(n_groups * _LANES):
        starts[lane] = roots[first + min(lane, here - 1)]
        nodes[lane] = starts[lane]
    for i in range(n_groups):
        group[i] = i * _LANES
    while n_groups > 0:
        n_moved = np.int64(0)
        for i in range(n_groups):
            lanes = group[i]
            moved = _step(values, thresholds, words, shift, feature_mask, starts, nodes, lanes)
            group[n_moved] = lanes
            n_moved += np.int64(moved != 0)
        n_groups = n_moved
