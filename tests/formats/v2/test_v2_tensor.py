"""V2 tensors: what datatype and shape declare is what is there, or the request is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.json import json_document
from mlserver_forest.formats.json.json_source import JsonSource, Sizes
from mlserver_forest.formats.v2 import v2_tensor

NAN = float("nan")
# Every array of more than a few bytes is large, and comes some numbers at a time.
SMALL = JsonSource(sizes=Sizes(whole=1, small_array=8, block=16, longest=64))


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected"),
    [
        ("FP32", [1, 2], [1, 2.5], [[1, 2.5]]),
        ("FP32", [1, 2], [[1, 2.5]], [[1, 2.5]]),
        ("FP64", [2, 1], [[1], [None]], [[1], [NAN]]),
        ("FP64", [2], [None, None], [NAN, NAN]),
        ("INT64", [2], [1, -2], [1, -2]),
        ("UINT64", [1], [2**64 - 1], [2**64 - 1]),
        ("UINT64", [3], [5, 0, 2**63 + 1], [5, 0, 2**63 + 1]),
        ("BOOL", [2], [True, False], [True, False]),
        ("FP32", [0, 2], [], np.empty((0, 2))),
        ("FP16", [1], [0.5], [0.5]),
        ("FP32", [2], np.array([1, 2], np.int64), [1, 2]),
    ],
)
def test_a_tensor_is_read(datatype, shape, data, expected):
    array = v2_tensor.to_array("x", datatype, shape, data)
    assert array.dtype == v2_tensor.DTYPES[datatype]
    assert np.array_equal(array, np.array(expected, array.dtype), equal_nan=datatype[0] == "F")


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "fault"),
    [
        ("FP32", [1, 3], [1, 2], "input 'x' declares shape [1, 3] but holds 2 values"),
        ("FP32", [-1, -2], [1, 2], "declares shape [-1, -2]"),
        ("FP32", [2**62, 4], [1], "declares shape"),
        (
            "BYTES",
            [1],
            ["a"],
            "'x' has datatype BYTES, which is text; the model reads numbers: BOOL",
        ),
        ("FP99", [1], [1], "input 'x' has datatype 'FP99'; the model reads numbers: BOOL"),
        ("FP32", [1], ["1.5"], "input 'x' is declared FP32 but holds '1.5'"),
        ("FP32", [2], [1, "a"], "declared FP32 but holds"),
        ("INT64", [1], [1.5], "input 'x' is declared INT64 but holds 1.5"),
        ("INT64", [1], [None], "declared INT64 but holds None"),
        ("UINT8", [1], [256], "input 'x' holds 256, which does not fit UINT8"),
        ("UINT8", [1], [-1], "holds -1, which does not fit UINT8"),
        ("INT64", [1], [2**63], "which does not fit INT64"),
        ("FP32", [2], [1, 1e39], "input 'x' holds 1e+39, which does not fit FP32"),
        ("FP32", [1] * 70, [1], "input 'x' has an impossible shape"),
        ("FP32", [0, 2**62], [], "input 'x' has an impossible shape"),
        ("FP32", [0, 2**70], [], "input 'x' has an impossible shape"),
        ("FP32", [2**62, 2**62, 2**62], [1], "but holds 1 value"),
        ("FP32", [2], [[1], [2, 3]], "input 'x' is not a tensor: its lists have different lengths"),
        ("FP32", [2], [[1], 2], "input 'x' is not a tensor: its lists have different lengths"),
        ("FP64", [1], [10**400], "which does not fit FP64"),
        ("FP16", [2], [None, 1e6], "holds 1000000.0, which does not fit FP16"),
        ("FP32", [1], "1", "declared FP32 but holds '1'"),
        ("INT64", [1], b"1", "declared INT64 but holds b'1'"),
        ("FP32", [1], [{"a": 1}], "declared FP32 but holds {'a': 1}"),
        ("BOOL", [1], [2], "declared BOOL but holds 2"),
        ("INT64", [1], [True], "declared INT64 but holds True"),
    ],
)
def test_a_fault_is_named(datatype, shape, data, fault):
    with pytest.raises(InvalidInput) as caught:
        v2_tensor.to_array("x", datatype, shape, data)
    assert fault in str(caught.value)


@pytest.mark.parametrize("rows", [1, 16_384, 16_385, 50_000])
def test_a_long_list_is_read_whole(rows):
    expected = np.random.default_rng(1).random((rows, 3))
    for data in (expected.ravel().tolist(), expected.tolist()):
        array = v2_tensor.to_array("x", "FP64", [rows, 3], data)
        assert np.array_equal(array, expected)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", [0.1 * n for n in range(30)]),
        ("FP64", [[n, None] for n in range(15)]),
        ("UINT64", [2**64 - 1, *range(29)]),
        ("BOOL", [True, False] * 15),
    ],
)
def test_a_large_array_is_read_as_the_same_list_is(datatype, data):
    large = json_document.loads(json.dumps({"data": data}).encode(), SMALL)["data"]
    assert isinstance(large, json_document.LargeArray)
    array = v2_tensor.to_array("x", datatype, [30], large)
    expected = v2_tensor.to_array("x", datatype, [30], data)
    assert np.array_equal(array, expected, equal_nan=datatype[0] == "F")


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([[1, 2]] * 6 + [[3]] * 6, "'x' is not a tensor: its lists have different lengths"),
        ([1] * 20 + [[2]] * 6, r"'x' is declared FP32 but holds \[2\]"),
        ([[1]] * 6 + [2] * 20, "'x' is not a tensor: its lists have different lengths"),
    ],
)
def test_rows_of_two_kinds_are_no_tensor(rows, fault):
    large = json_document.loads(json.dumps({"data": rows}).encode(), SMALL)["data"]
    with pytest.raises(InvalidInput, match=fault):
        v2_tensor.to_array("x", "FP32", [26], large)


def test_a_text_among_numbers_takes_no_memory():
    """NumPy would make a text of 40 MB of each number."""
    with pytest.raises(InvalidInput, match="holds 'aaaa"):
        v2_tensor.to_array("x", "FP32", [10_001], ["a" * 10_000_000, *range(10_000)])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


@given(
    st.sampled_from([*v2_tensor.DTYPES, "BYTES"]),
    st.lists(st.integers(-2, 2**65), max_size=3),
    anything,
)
def test_any_tensor_is_read_or_refused(datatype, shape, data):
    try:
        array = v2_tensor.to_array("x", datatype, shape, data)
    except InvalidInput:
        return
    assert list(array.shape) == shape
