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
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled, has_byte_shuffles, inner
from mlserver_forest.engine.kernels.llvm_functions import function_of_llvm
from mlserver_forest.engine.nodes import LANES

# A leaf's number is a byte, and so is a code.
MOST_LEAVES = 256
_LARGEST = 255
# A split that needs ``n`` results of others at a time has at least 2 ** n leaves below it.
_MOST_SLOTS = 9
# The first row of a buffer behind the numbers of the leaves.
_SLOTS = MOST_LEAVES
# Where the root's leaves are at the end.
_ROOT = np.uint64(_SLOTS * LANES)
_LANES = np.uint64(LANES)
# The word of a split: a byte for its cut, nine bits for each of three rows, and its row of codes.
_CUT, _ROW = np.uint64(255), np.uint64(511)
_LEFT_BITS, _RIGHT_BITS, _INTO_BITS, _PLACE_BITS = map(np.uint64, (8, 17, 26, 35))
# Sets are kept in tables of so many classes each, which have so many bytes.
CHUNK = 128
CHUNK_BYTES = 16
_BUFFER_BYTES = (_SLOTS + _MOST_SLOTS) * LANES


@compiled
def order_splits(left, roots, starts, nodes, operands, leaves):
    """Put the splits of trees in an order in which each comes after those below it.

    Args:
        left: (n_nodes,) int64, the left child's index within its tree; a leaf is its own.
        roots: (n_trees + 1,) int64, where each tree starts, and the end.
        starts: (n_trees + 1,) int64, where each tree's splits start; a tree may have none.
        nodes: (n_splits,) int64, written: each split's node.
        operands: (n_splits, 3) uint16, written: the rows of a buffer that have the leaves of the
            left and of the right subtree, and the one that gets those of the split.
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
                operands[at, i] = row
            operands[at, 2] = _SLOTS + slot
            nodes[at] = root + node
            at += 1


@inner
def new_buffers(n_blocks):
    """(n_blocks, n_rows * 64) bytes: a row for each leaf that is its number, and the results'."""
    buffers = np.empty((n_blocks, _BUFFER_BYTES), np.uint8)
    for block in range(n_blocks):
        for leaf in range(MOST_LEAVES):
            buffers[block, leaf * LANES : (leaf + 1) * LANES] = leaf
    return buffers


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
    columns, cuts, cut_starts, row_starts, offsets, missing = book[:6]
    classes, class_starts, n_chunks, tables, table_starts = book[6:]
    values, found = np.zeros(LANES, x.dtype), np.zeros(LANES, np.int64)
    for at in range(columns.size):
        column, any_missing = np.uint64(columns[at]), False
        own = cuts[cut_starts[at] : cut_starts[at + 1]]
        for lane in range(n_rows):
            value = x[np.uint64(first + lane), column]
            values[lane] = value
            any_missing |= value != value
        _fill_exceeded(values, own, found)
        rows = (row_starts[at], row_starts[at + 1])
        if class_starts[at] < 0:
            _fill_numbers(found, values, any_missing, rows, offsets, missing, codes)
            continue
        for lane in range(LANES):
            code = found[lane] if values[lane] == values[lane] else own.size
            found[lane] = classes[np.uint64(class_starts[at] + code)]
        if n_chunks[at] > 0:
            _fill_sets(found, n_chunks[at], rows, tables, table_starts, codes)
        else:
            _fill_ranks(found, rows, tables, table_starts, codes)


@inner
def _fill_numbers(found, values, any_missing, rows, offsets, missing, codes):
    """Write the codes of 64 numbers, of which some may be missing, in a column's rows."""
    for row in range(rows[0], rows[1]):
        here = codes[row * LANES : (row + 1) * LANES]
        for lane in range(LANES):
            here[lane] = min(max(found[lane] - offsets[row], 0), _LARGEST)
        if any_missing:
            for lane in range(LANES):
                if values[lane] != values[lane]:
                    here[lane] = missing[row]


@inner
def _fill_ranks(classes, rows, tables, table_starts, codes):
    """Write the codes of 64 classes that have ranks, in a column's rows."""
    for row in range(rows[0], rows[1]):
        table, to = np.uint64(table_starts[row]), np.uint64(row * LANES)
        for lane in range(LANES):
            codes[to + np.uint64(lane)] = tables[table + np.uint64(classes[lane])]


@inner
def _fill_sets(classes, n_chunks, rows, tables, table_starts, codes):
    """Write for 64 classes which of a column's sets they are in: 0 if not in a set, else a bit."""
    low, bits = np.empty(LANES, np.uint8), np.empty(LANES, np.uint8)
    for chunk in range(n_chunks):
        for lane in range(LANES):
            number = classes[lane] - chunk * CHUNK
            low[lane] = number & 15
            bits[lane] = np.uint8(1 << (number >> 4)) if 0 <= number < CHUNK else np.uint8(0)
        for row in range(rows[0], rows[1]):
            table = np.uint64(table_starts[row] + chunk * CHUNK_BYTES)
            _fill_set(low, bits, tables, table, np.uint8(chunk > 0), codes, np.uint64(row * LANES))


def _fill_set_at_once(typing_context, low, bits, tables, table, is_more, codes, into):
    """``codes[into]`` of 64 bytes: see ``_fill_set_one_by_one``."""
    signature = types.void(low, bits, tables, table, is_more, codes, into)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(32)
        half, table_bytes = ir.VectorType(byte, LANES // 2), ir.VectorType(byte, CHUNK_BYTES)
        shuffle = function_of_llvm(
            builder, ir.FunctionType(half, [half, half]), "llvm.x86.avx2.pshuf.b"
        )

        def at(which: int, offset: Any, vector: Any) -> Any:
            made = make_array(signature.args[which])  # type: ignore[no-untyped-call]
            data = made(context, builder, arguments[which]).data
            return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        one = builder.load(at(2, arguments[3], table_bytes), align=1)
        lanes = ir.Constant(ir.VectorType(word, LANES // 2), [*range(CHUNK_BYTES)] * 2)
        twice = builder.shuffle_vector(one, one, lanes)
        keep = builder.sub(byte(0), arguments[4])
        some = builder.insert_element(ir.Constant(half, ir.Undefined), keep, word(0))
        zeros = ir.Constant(ir.VectorType(word, LANES // 2), [0] * (LANES // 2))
        kept = builder.shuffle_vector(some, some, zeros)
        for first in (0, LANES // 2):
            offset = ir.Constant(ir.IntType(64), first)
            found = builder.call(shuffle, [twice, builder.load(at(0, offset, half), align=1)])
            found = builder.and_(found, builder.load(at(1, offset, half), align=1))
            to = at(5, builder.add(arguments[6], offset), half)
            before = builder.and_(builder.load(to, align=1), kept)
            builder.store(builder.or_(before, found), to, align=1)
        return context.get_dummy_value()

    return signature, generate


@inner
def _fill_set_one_by_one(low, bits, tables, table, is_more, codes, into):
    """``codes[into]`` of 64 bytes: what ``tables`` has for ``low``, of which ``bits`` are left.

    Args:
        low: (64,) bytes below 16.
        bits: (64,) bytes.
        tables: see ``byte_codes.py``.
        table: where a table of 16 bytes begins.
        is_more: 1 to keep the bits that are there, else 0.
        codes: bytes, 64 of which are written.
        into: their place.
    """
    for lane in range(LANES):
        to = into + np.uint64(lane)
        found = tables[table + np.uint64(low[lane])] & bits[lane]
        codes[to] = (codes[to] * is_more) | found


_fill_set: Any = intrinsic(_fill_set_at_once) if has_byte_shuffles() else _fill_set_one_by_one


@inner
def _fill_exceeded(values, cuts, found):
    """Write ``n_exceeded`` of 64 values: step by step, so that no value waits for another."""
    step = _n_steps(cuts)
    for lane in range(LANES):
        found[lane] = 0
    while step > 0:
        step -= 1
        half = (np.uint64(1) << np.uint64(step)) - np.uint64(1)
        for lane in range(LANES):
            middle = np.uint64(found[lane]) + half
            found[lane] += np.int64(cuts[middle] <= values[lane]) << step


@inner
def n_exceeded(value, cuts):
    """The number of cuts that are not above a value; their size is a power of two.

    A shift by a variable keeps LLVM from making a branch of each comparison, which would be
    mispredicted half of the time: 9 times as long.
    """
    found, step = np.int64(0), _n_steps(cuts)
    while step > 0:
        step -= 1
        middle = found + (np.int64(1) << step) - 1
        found += np.int64(cuts[np.uint64(middle)] <= value) << step
    return found


@inner
def _n_steps(cuts):
    step = np.int64(0)
    while np.int64(1) << step < cuts.size:
        step += 1
    return step


def _blend_lanes(typing_context, codes, place, cut, buffer, left, right, into):
    """``buffer[into] = buffer[right] if codes[place] > cut else buffer[left]``, for 64 bytes."""
    signature = types.void(codes, place, cut, buffer, left, right, into)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
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
def find_leaves(codes, block, n_blocks, first, last, splits, first_leaf, buffers, leaves):
    """Write the leaves that the rows of one or two blocks reach in a tree.

    Two blocks at a time, and one word for all that a split is, take half of the time of one block
    and five arrays.

    Args:
        codes: (., n_code_rows * 64) bytes, see ``fill_codes``.
        block: the first block.
        n_blocks: 1 or 2.
        first: the tree's first split.
        last: the split after its last one.
        splits: see ``byte_codes.py``.
        first_leaf: is added to the numbers of the leaves.
        buffers: see ``new_buffers``.
        leaves: (2, 64) written.
    """
    one, of_one = codes[block], buffers[0]
    if n_blocks == 2:
        other, of_other = codes[block + 1], buffers[1]
        for split in range(first, last):
            place, cut, left, right, into = _unpacked(splits[split])
            _blend(one, place, cut, of_one, left, right, into)
            _blend(other, place, cut, of_other, left, right, into)
    else:
        for split in range(first, last):
            place, cut, left, right, into = _unpacked(splits[split])
            _blend(one, place, cut, of_one, left, right, into)
    for at in range(n_blocks):
        for lane in range(LANES):
            leaves[at, lane] = first_leaf + np.uint64(buffers[at, _ROOT + np.uint64(lane)])


@inner
def _unpacked(split):
    """Where a split's codes begin, its cut, and where its operands and its result begin."""
    return (
        (split >> _PLACE_BITS) * _LANES,
        split & _CUT,
        (split >> _LEFT_BITS & _ROW) * _LANES,
        (split >> _RIGHT_BITS & _ROW) * _LANES,
        (split >> _INTO_BITS & _ROW) * _LANES,
    )


def pack_splits(
    code_rows: NDArray[np.int64], cuts: NDArray[np.uint8], operands: NDArray[np.uint16]
) -> NDArray[np.uint64]:
    """(n_splits,) one word for each split.

    Args:
        code_rows: (n_splits,) its row of codes, below 2 ** 29.
        cuts: (n_splits,) what a code has to exceed to go right.
        operands: see ``order_splits``.
    """
    words = code_rows.astype(np.uint64) << _PLACE_BITS | cuts.astype(np.uint64)
    for column, bits in enumerate((_LEFT_BITS, _RIGHT_BITS, _INTO_BITS)):
        words |= operands[:, column].astype(np.uint64) << bits
    return words
