"""Tensors of BYTES as text: strings or bytes, nested or flat, and what is none."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.v2.v2_text import texts_of


@pytest.mark.parametrize(
    ("shape", "data", "expected"),
    [
        ([2], ["red", "é"], ["red", "é"]),
        ([2, 1], ["red", "é"], ["red", "é"]),
        ([2, 1], [["red"], ["é"]], ["red", "é"]),
        ([2, 2], [["a", "b"], ["c", "d"]], ["a", "b", "c", "d"]),
        ([2], [b"red", "é".encode()], ["red", "é"]),
        ([3], ["red", None, b""], ["red", "", ""]),
        ([0, 4], [], []),
        ([2, 1], np.array([["red"], [b"blue"]], object), ["red", "blue"]),
        ([2], np.array(["red", "blue"]), ["red", "blue"]),
        ([2], np.array([b"red", b"blue"]), ["red", "blue"]),
    ],
)
def test_elements_are_read_row_by_row(shape, data, expected):
    assert texts_of("x", shape, data) == expected


@pytest.mark.parametrize(
    ("shape", "data", "fault"),
    [
        ([2], ["a"], "input 'x' declares shape [2] but holds 1 value"),
        ([-1], ["a"], "input 'x' declares BYTES [-1]; at most 1048576 elements are read"),
        ([2**40], ["a"], "at most 1048576 elements are read"),
        ([2], [["a"], ["b", "c"]], "its lists have different lengths"),
        ([2], [["a"], "b"], "its lists have different lengths"),
        ([1], [1], "input 'x' is declared BYTES but holds 1"),
        ([1], [True], "input 'x' is declared BYTES but holds True"),
        ([1], [{"a": "b" * 500}], "input 'x' is declared BYTES but holds {'a': "),
        ([1], np.array([1.5]), "input 'x' is declared BYTES but holds 1.5"),
        ([2], ["a", b"\xff"], "input 'x', element 2 is b'\\xff', which is not UTF-8"),
        ([1], "a", "input 'x' holds 'a'; expected a list of texts"),
        ([1], None, "input 'x' holds None; expected a list of texts"),
    ],
)
def test_a_fault_is_named(shape, data, fault):
    with pytest.raises(InvalidInput) as caught:
        texts_of("x", shape, data)
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 200
