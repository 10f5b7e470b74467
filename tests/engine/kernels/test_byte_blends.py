"""What a processor looks up 32 bytes at a time is what a plain loop finds."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.compilation import compiled
from mlserver_forest.engine.kernels import byte_blends
from mlserver_forest.engine.nodes import LANES
from support import clean_environ


@compiled
def _at_once(low, bits, tables, table, is_more, codes, into):
    byte_blends._fill_set(low, bits, tables, table, is_more, codes, into)


@compiled
def _one_by_one(low, bits, tables, table, is_more, codes, into):
    byte_blends._fill_set_one_by_one(low, bits, tables, table, is_more, codes, into)


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


CHOSEN = """
from numba import njit, types
import mlserver_forest.engine.kernels.blocks  # Its functions are decorated first.
from mlserver_forest.engine.kernels.byte_blends import _fill_set
eight, word = types.Array(types.uint8, 1, "C"), types.uint64
signature = types.void(eight, eight, eight, word, types.uint8, eight, word)
kernel = njit(signature)(lambda a, b, c, d, e, f, g: _fill_set(a, b, c, d, e, f, g))
print("vpshufb" in kernel.inspect_asm(kernel.signatures[0]))
"""


@pytest.mark.parametrize(("name", "is_for_avx2"), [("generic", True), ("x86-64", False)])
def test_code_for_any_processor_is_for_avx2_where_there_is_one(name, is_for_avx2):
    """As the image compiles it: the processor is chosen before Numba's first function."""
    done = subprocess.run(
        [sys.executable, "-c", CHOSEN],
        env={**clean_environ(), "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    has_avx2 = " avx2 " in Path("/proc/cpuinfo").read_text()
    assert done.stdout == f"{is_for_avx2 and has_avx2}\n"
