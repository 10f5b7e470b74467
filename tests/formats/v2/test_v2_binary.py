"""V2 tensors as bytes: sizes must be true, and elements are read and written alike."""

import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.v2 import v2_binary, v2_tensor


@pytest.mark.parametrize("datatype", v2_tensor.DTYPES)
def test_numbers_are_read_as_they_are_written(datatype):
    array = np.array([[0, 1, 1], [1, 0, 1]], v2_tensor.DTYPES[datatype])
    raw = b"".join(v2_binary.from_data(array))
    assert len(raw) == array.nbytes
    read = v2_binary.to_array("x", datatype, [2, 3], raw)
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def test_numbers_are_little_endian_and_in_the_order_of_rows():
    column = np.arange(4, dtype=">i2").reshape(2, 2).T
    assert b"".join(v2_binary.from_array(column)) == struct.pack("<4h", 0, 2, 1, 3)


def test_bf16_is_read_as_fp32():
    values = np.array([1, -2.5, np.nan, 3e38], ml_dtypes.bfloat16)
    read = v2_binary.to_array("x", "BF16", [4], values.tobytes())
    assert read.dtype == np.float32
    assert np.array_equal(read, values.astype(np.float32), equal_nan=True)


def test_an_array_lies_where_the_kernel_can_read_it():
    raw = memoryview(b"_" + struct.pack("<2d", 1.5, 2.5))[1:]
    read = v2_binary.to_array("x", "FP64", [2], raw)
    assert read.flags.aligned
    assert read.tolist() == [1.5, 2.5]


def test_a_large_tensor_is_written_in_blocks():
    array = np.arange(1_000_000.0)
    blocks = list(v2_binary.from_array(array))
    assert len(blocks) == 8
    assert b"".join(blocks) == array.tobytes()


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "fault"),
    [
        ("FP32", [2], bytes(7), "input 'x' declares FP32 [2], which takes 8 bytes, but has 7"),
        ("FP32", [2], bytes(9), "which takes 8 bytes, but has 9 bytes"),
        ("FP32", [2**62, 2**62], bytes(8), "which cannot be, but has 8 bytes"),
        ("FP32", [-1], bytes(4), "which cannot be, but has 4 bytes"),
        ("FP32", [0, 2**62], b"", "input 'x' has an impossible shape"),
        ("BOOL", [3], b"\x01\x02\x00", "declared BOOL but holds the byte 2; expected 0 or 1"),
        ("BYTES", [1], bytes(4), "input 'x' has datatype BYTES, which is text"),
        ("FP8", [1], bytes(1), "input 'x' has datatype 'FP8'; the model reads numbers"),
    ],
)
def test_a_fault_is_named(datatype, shape, raw, fault):
    with pytest.raises(InvalidInput) as caught:
        v2_binary.to_array("x", datatype, shape, raw)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "raw", "fault"),
    [
        ([1], b"\x05\x00\x00\x00ab", "'x', element 1 ends at byte 9 of 6"),
        ([1], b"\x05\x00", "'x', element 1 ends at byte 9 of 2"),
        ([1], b"\xff\xff\xff\xff", "'x', element 1 ends at byte 4294967299 of 4"),
        ([2], b"\x01\x00\x00\x00a", "declares BYTES [2] but its 5 bytes do not hold as many"),
        ([0], b"\x00\x00\x00\x00", "declares BYTES [0] but its 4 bytes do not hold as many"),
        ([2**30], b"", "at most 1048576 elements are read"),
        ([-1], b"", "at most 1048576 elements are read"),
    ],
)
def test_a_fault_in_text_is_named(shape, raw, fault):
    with pytest.raises(InvalidInput) as caught:
        v2_binary.to_elements("x", shape, raw)
    assert fault in str(caught.value)


@given(st.lists(st.binary(max_size=5), max_size=20))
def test_text_is_read_as_it_is_written(elements):
    raw = b"".join(v2_binary.from_data(elements))
    assert v2_binary.to_elements("x", [len(elements)], raw) == elements


def test_labels_are_written_as_utf_8():
    labels = np.array([["ja"], ["né"]], dtype=object)
    assert b"".join(v2_binary.from_data(labels)) == b"\x02\0\0\0ja\x03\0\0\0n\xc3\xa9"


@given(
    st.sampled_from([*v2_tensor.DTYPES, "BF16", "BYTES"]),
    st.lists(st.integers(-2, 2**65), max_size=3),
    st.binary(max_size=40),
)
def test_any_bytes_are_read_or_refused(datatype, shape, raw):
    try:
        array = v2_binary.to_array("x", datatype, shape, raw)
    except InvalidInput:
        pass
    else:
        assert list(array.shape) == shape
    try:
        elements = v2_binary.to_elements("x", shape, raw)
    except InvalidInput:
        return
    assert sum(map(len, elements)) == len(raw) - 4 * len(elements)
