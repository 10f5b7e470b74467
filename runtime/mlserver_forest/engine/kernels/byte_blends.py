"""Trees of up to 256 leaves without walking them: every split of a tree for 64 rows at once.

``byte_codes.py`` has numbered the thresholds of each column, so that a value becomes one byte, its
code. A split compares the codes of 64 rows with one number and chooses, row by row, between the
leaves that its two subtrees have found, which are bytes too: a comparison and a blend of 64 bytes,
from the leaves up to the root. It is the same number of steps for every row, without a branch and
without waiting for memory.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from mlserver_forest.compilation import compiled, inner
from mlserver_forest.engine.nodes import LANES

# A leaf's number is a byte, and so is a code.
MOST_LEAVES = 256
_LARGEST = 255
# A split that needs ``n`` results of others at a time has at least 2 ** n leaves below it.
_MOST_SLOTS = 9
# The first row of a buffer behind the numbers of the leaves.
_SLOTS = MOST_LEAVES
# Where the root's leaves are at the end, and where there is room for a condition.
_ROOT = np.uint64(_SLOTS * LANES)
_CONDITION = np.uint64((_SLOTS + _MOST_SLOTS) * LANES)
# Sets of at most so many words need no look-up in memory for each row.
_FEW_WORDS = 2
_BUFFER_BYTES = (_SLOTS + _MOST_SLOTS + 1) * LANES


@compiled
def order_splits(left, roots, starts, nodes, operands, leaves):
    """Put the splits of trees in an order in which each comes after those below it.

    Args:
        left: (n_nodes,) int64, the left child's index within its tree; a leaf is its own.
        roots: (n_trees + 1,) int64, where each tree starts, and the end.
        starts: (n_trees + 1,) int64, where each tree's splits start; a tree may have none.
        nodes: (n_splits,) int64, written: each split's node.
        operands: (n_splits, 3) uint16, written: where a buffer has the leaves of the left and of
            the right subtree, and where it gets those of the split.
        leaves: (n_splits + n_trees,) int64, written: the node of each leaf, by its number, from
            ``starts[tree] + tree`` on.
    """
    most = 2 * MOST_LEAVES
    number, need = np.zeros(most, np.int64), np.zeros(most, np.int64)
    stack, slots, is_open = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most)
    for tree in range(roots.size - 1):
        if starts[tree + 1] == starts[tree]:
            continue
        root = roots[tree]
        n_nodes = roots[tree + 1] - root
        n_leaves = 0
        for node in range(n_nodes):
            if left[root + node] == node:
                number[node] = n_leaves
                leaves[starts[tree] + tree + n_leaves] = root + node
                n_leaves += 1
        for node in range(n_nodes - 1, -1, -1):  # Children lie behind their parent.
            child = left[root + node]
            if child == node:
                need[node] = 0
            elif need[child] == need[child + 1]:
                need[node] = need[child] + 1
            else:
                need[node] = max(need[child], need[child + 1])
        at, size = starts[tree], 1
        stack[0], slots[0], is_open[0] = 0, 0, 0
        while size:
            node, slot = stack[size - 1], slots[size - 1]
            child = left[root + node]
            first, second = child, child + 1
            if need[second] > need[first]:
                first, second = second, first
            # Both are done with one result each; only the first one's may have to be kept.
            second_slot = slot + 1 if need[first] else slot
            if is_open[size - 1] == 0:
                is_open[size - 1] = 1
                if need[second]:
                    stack[size], slots[size], is_open[size] = second, second_slot, 0
                    size += 1
                if need[first]:
                    stack[size], slots[size], is_open[size] = first, slot, 0
                    size += 1
                continue
            size -= 1
            for i in range(2):
                one = child + i
                row = _SLOTS + (slot if one == first else second_slot) if need[one] else number[one]
                operands[at, i] = row * LANES
            operands[at, 2] = (_SLOTS + slot) * LANES
            nodes[at] = root + node
            at += 1


@inner
def new_buffer():
    """(n_rows * 64,) bytes: a row for each leaf that is its number, then room for results."""
    buffer = np.zeros(_BUFFER_BYTES, np.uint8)
    for leaf in range(MOST_LEAVES):
        buffer[leaf * LANES : (leaf + 1) * LANES] = leaf
    return buffer


@inner
def fill_codes(x, first, n_rows, book, codes):
    """Write the codes of ``n_rows`` rows of ``x``, from ``first`` on.

    Args:
        x: (n_samples, n_features) floats.
        first: the first row.
        n_rows: at most 64.
        book: see ``byte_codes.py``.
        codes: (n_code_rows * 64,) bytes, written.
    """
    columns, cuts, cut_starts, row_starts, offsets, missing, tables, table_starts = book
    values, found = np.zeros(LANES, x.dtype), np.zeros(LANES, np.int64)
    for at in range(columns.size):
        column, any_missing = np.uint64(columns[at]), False
        own = cuts[cut_starts[at] : cut_starts[at + 1]]
        for lane in range(n_rows):
            value = x[np.uint64(first + lane), column]
            values[lane], found[lane] = value, n_exceeded(value, own)
            any_missing |= value != value
        for row in range(row_starts[at], row_starts[at + 1]):
            here = codes[row * LANES : (row + 1) * LANES]
            if table_starts[at] >= 0:
                table = tables[table_starts[at] + (row - row_starts[at]) * own.size :]
                for lane in range(LANES):
                    here[lane] = table[np.uint64(found[lane])]
            else:
                for lane in range(LANES):
                    here[lane] = min(max(found[lane] - offsets[row], 0), _LARGEST)
            if any_missing:
                for lane in range(LANES):
                    if values[lane] != values[lane]:
                        here[lane] = missing[row]


@inner
def n_exceeded(value, cuts):
    """The number of cuts that are not above a value; their size is a power of two.

    A shift by a variable keeps LLVM from making a branch of each comparison, which would be
    mispredicted half of the time: 9 times as long.
    """
    found, step = np.int64(0), np.int64(0)
    while np.int64(1) << step < cuts.size:
        step += 1
    while step > 0:
        step -= 1
        middle = found + (np.int64(1) << step) - 1
        found += np.int64(cuts[np.uint64(middle)] <= value) << step
    return found


def _blend_lanes(typing_context, codes, place, cut, buffer, left, right, into):
    """``buffer[into] = buffer[right] if codes[place] > cut else buffer[left]``, for 64 bytes."""
    signature = types.void(codes, place, cut, buffer, left, right, into)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from numba.np.arrayobj import make_array  # only to compile

        byte = ir.IntType(8)
        vector = ir.VectorType(byte, LANES)

        def at(which: int, offset: int) -> Any:
            made = make_array(signature.args[which])  # type: ignore[no-untyped-call]
            array = made(context, builder, arguments[which])
            place = builder.gep(array.data, [arguments[offset]])
            return builder.bitcast(place, vector.as_pointer())

        one = builder.trunc(arguments[2], byte)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        some = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(some, one, ir.Constant(ir.IntType(32), 0))
        cuts = builder.shuffle_vector(first, some, lanes)
        is_right = builder.icmp_unsigned(">", builder.load(at(0, 1), align=1), cuts)
        rights, lefts = builder.load(at(3, 5), align=1), builder.load(at(3, 4), align=1)
        builder.store(builder.select(is_right, rights, lefts), at(3, 6), align=1)
        return context.get_dummy_value()

    return signature, generate


_blend: Any = intrinsic(_blend_lanes)


@inner
def find_leaves(codes, first, last, trees, sets, first_leaf, buffer, leaves):
    """Write the leaves that 64 rows reach in a tree.

    Args:
        codes: (n_code_rows * 64,) bytes, see ``fill_codes``.
        first: the tree's first split.
        last: the split after its last one.
        trees: see ``byte_codes.py``.
        sets: see ``category_splits.py``.
        first_leaf: is added to the numbers of the leaves.
        buffer: see ``new_buffer``.
        leaves: (64,) written.
    """
    places, cuts, operands, set_places, set_sizes = trees
    for split in range(first, last):
        left = np.uint64(operands[split, 0])
        right = np.uint64(operands[split, 1])
        into = np.uint64(operands[split, 2])
        place, cut = np.uint64(places[split]), np.uint64(cuts[split])
        if sets is not None and set_places[split] >= 0:
            size = set_sizes[split]
            _fill_condition(codes, place, sets, np.uint64(set_places[split]), size, buffer)
            _blend(buffer, _CONDITION, cut, buffer, left, right, into)
        else:
            _blend(codes, place, cut, buffer, left, right, into)
    for lane in range(LANES):
        leaves[lane] = first_leaf + np.uint64(buffer[_ROOT + np.uint64(lane)])


@inner
def _fill_condition(codes, place, sets, at, size, buffer):
    """Write for 64 rows whether their category is in the set that begins at ``at``: 0 or 1."""
    one, last_bit = np.uint32(1), np.uint32(31)
    low, high = sets[at], sets[at + np.uint64(size > 1)]
    for lane in range(LANES):
        code = np.uint32(codes[place + np.uint64(lane)])
        word = low if code <= last_bit else high
        buffer[_CONDITION + np.uint64(lane)] = np.uint8((word >> (code & last_bit)) & one)
    if size > _FEW_WORDS:
        for lane in range(LANES):
            code = np.uint32(codes[place + np.uint64(lane)])
            word = sets[at + np.uint64(code >> np.uint32(5))]
            buffer[_CONDITION + np.uint64(lane)] = np.uint8((word >> (code & last_bit)) & one)
