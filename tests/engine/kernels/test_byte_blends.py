"""What a processor looks up 32 bytes at a time is what a plain loop finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.compilation import compiled, has_byte_shuffles
from mlserver_forest.engine.kernels import byte_blends
from mlserver_forest.engine.nodes import LANES


@compiled
def _at_once(low, bits, tables, table, is_more, codes, into):
    byte_blends._fill_set(low, bits, tables, table, is_more, codes, into)


@compiled
def _one_by_one(low, bits, tables, table, is_more, codes, into):
    byte_blends._look_up_each(low, bits, tables, table, is_more, codes, into)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_members_of_sets_are_the_same_on_every_processor(seed, is_more):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 16, LANES, np.uint8)
    bits = np.uint8(1) << rng.integers(0, 8, LANES, np.uint8)
    tables = rng.integers(0, 256, 64, np.uint8)
    codes = rng.integers(0, 256, 3 * LANES, np.uint8)
    found = []
    for kernel in (_at_once, _one_by_one):
        written = codes.copy()
        kernel(low, bits, tables, np.uint64(21), np.uint8(is_more), written, np.uint64(LANES))
        found.append(written)
    expected = (codes[LANES : 2 * LANES] if is_more else 0) | (tables[21 + low] & bits)
    for written in found:
        assert np.array_equal(written[LANES : 2 * LANES], expected)
        assert np.array_equal(
            np.delete(written, np.s_[LANES : 2 * LANES]), np.delete(codes, np.s_[LANES : 2 * LANES])
        )


def test_processors_with_avx2_look_up_many_at_once():
    is_plain = byte_blends._fill_set is byte_blends._look_up_each
    assert is_plain != has_byte_shuffles()
