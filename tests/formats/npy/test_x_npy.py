"""application/x-npy: what numpy.save writes is read, and what is written numpy.load reads."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.npy import x_npy
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

decode = decoder("application/x-npy")

ONE = Schema(("a",), "regression")
TWO = Schema(("a", "b"), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NUMBERS = ["?", "i1", "<i2", ">i4", "<i8", "u1", "<u8", "<f2", ">f4", "<f8", ">f8"]


def saved(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version, allow_pickle=False)
    return file.getvalue()


def with_header(text, values=bytes(16)):
    header = text.encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values


def loaded(predictions):
    return np.load(io.BytesIO(b"".join(x_npy.encode(predictions))), allow_pickle=False)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_every_type_and_order_are_read(dtype, order):
    rows = np.array([[1, 0], [0, 1], [1, 1]]).astype(dtype, order=order)
    decoded = decode(saved(rows), TWO, {})
    assert decoded.dtype == np.float32
    assert decoded.flags.c_contiguous
    assert np.array_equal(decoded, [[1, 0], [0, 1], [1, 1]])


@pytest.mark.parametrize(
    ("array", "schema", "expected"),
    [
        (np.array([1.5, 2]), TWO, [[1.5, 2]]),
        (np.array([1.5, 2]), ONE, [[1.5], [2]]),
        (np.array([[1.5], [2]]), ONE, [[1.5], [2]]),
        (np.array([1.5, 2, 3]), OPEN, [[1.5, 2, 3]]),
        (np.array([[np.nan, 2]]), TWO, [[np.nan, 2]]),
        (np.array([(1, 2.5)], [("b", "i4"), ("a", "f8")]), TWO, [[2.5, 1]]),
        (np.array((1, 2.5), [("a", "?"), ("b", ">f4")]), TWO, [[1, 2.5]]),
        (np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), TWO, [[0, 0], [0, 0]]),
    ],
)
def test_shapes_and_records_are_read(array, schema, expected):
    assert np.array_equal(decode(saved(array), schema, {}), expected, equal_nan=True)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version):
    assert np.array_equal(decode(saved([[1, 2]], version), TWO, {}), [[1, 2]])


def test_a_record_may_have_fields_that_are_not_latin():
    schema = Schema(("é€", "b"), "regression")
    rows = np.array([(1, 2)], [("b", "i4"), ("é€", "f8")])
    assert np.array_equal(decode(saved(rows, (3, 0)), schema, {}), [[2, 1]])


def test_a_record_may_have_a_thousand_fields():
    names = tuple(f"feature_{number:04}" for number in range(1000))
    rows = np.zeros(2, [(name, "f8") for name in names])
    assert decode(saved(rows), Schema(names, "regression"), {}).shape == (2, 1000)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body starts with b''; expected b'\\x93NUMPY'"),
        (b"1,2,3\n", "the body starts with b'1,2,3\\n'"),
        (b"\x93NUMPY\x09\x00  ", "version [9, 0]; expected 1.0, 2.0 or 3.0"),
        (b"\x93NUMPY\x01\x00v", "the body ends within its header"),
        (saved([[1, 2]])[:-1], "declares shape [1, 2] of 8 bytes each but holds 15 bytes"),
        (saved([[1, 2]]) + b"x", "but holds 17 bytes"),
        (
            saved(np.zeros((2, 3))),
            "row 1 has 3 values; the model expects 2 (a, b)",
        ),
        (saved(np.zeros(3)), "row 1 has 3 values"),
        (saved(np.zeros((1, 2, 1))), "shape [1, 2, 1]; the model expects [n, 2]"),
        (saved(1.0), "the array has shape []; the model expects [n, 2]"),
        (saved(np.zeros((0, 2))), "there is no row"),
        (saved([["x", "y"]]), "the body has dtype '<U1'; expected booleans, integers or floats"),
        (saved([[1j, 2]]), "the body has dtype '<c16'"),
        (saved([[np.inf, 2]]), "row 1, column 1 (a): inf is not a finite FP32 number"),
        (
            saved(np.zeros(1, [("a", "f8"), ("c", "f8")])),
            "the array's dtype has missing 'b' and unknown 'c'",
        ),
        (
            with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2)}"),
            "pickled objects, which are never read; send array.astype(float)",
        ),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}"),
            "an impossible shape",
        ),
        (
            with_header(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (0x%s, 2)}" % ("f" * 9000)
            ),
            "an impossible shape",
        ),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000, 2)}"),
            "declares shape [9000000000, 2] of 8 bytes each but holds 16 bytes",
        ),
        (
            with_header(
                f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 70}}}", bytes(8)
            ),
            "an impossible shape",
        ),
        (with_header("{'descr': '<f8'}"), "write it with numpy.save"),
        (with_header("[" * 500), "the header of the body is damaged"),
        (with_header("-" * 9000), "the header of the body is damaged"),
        (with_header(" " * 20_000), "the header of the body has 20000 bytes, which is too long"),
        (with_header("__import__('os')"), "the header of the body is damaged"),
    ],
)
def test_a_fault_is_named(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, {})
    assert fault in str(caught.value)


def test_a_model_that_names_no_features_takes_no_endless_row():
    with pytest.raises(PayloadTooLarge, match="200000 columns"):
        decode(saved(np.zeros((1, 200_000), np.int8)), OPEN, {})


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 9), st.just(2))))
def test_a_row_decodes_the_same_alone_and_in_a_batch(rows):
    def rows_of(values):
        try:
            return decode(saved(values), TWO, {})
        except InvalidInput:
            return None

    alone = [rows_of(row) for row in rows]
    together = rows_of(np.asfortranarray(rows))
    if any(row is None for row in alone):
        assert together is None
    else:
        assert np.array_equal(together, np.concatenate(alone), equal_nan=True)


@pytest.mark.parametrize(
    "column",
    [
        np.array([0.5, 1e-300]),
        np.array([[0.5, 0.25], [1.0, 0.0]]),
        np.array([1, -(2**62)]),
        np.array([True, False]),
        np.arange(10_000),
    ],
)
def test_one_output_is_written_as_it_is(column):
    array = loaded(Predictions({"predict": column}))
    assert array.dtype == column.dtype
    assert np.array_equal(array, column)


def test_labels_are_fixed_width_unicode():
    array = loaded(Predictions({"predict": np.array(["a", "", "versé"], object)}))
    assert array.dtype == np.dtype("<U5")
    assert array.tolist() == ["a", "", "versé"]


def test_several_numbers_stand_side_by_side():
    columns = {"predict": np.array([1, 2]), "predict_proba": np.array([[0.5, 0.25], [1.0, 0.0]])}
    array = loaded(Predictions(columns))
    assert array.dtype == np.float64
    assert array.tolist() == [[1, 0.5, 0.25], [2, 1.0, 0.0]]


def test_text_beside_numbers_is_refused():
    columns = {"predict": np.array(["a"], object), "predict_proba": np.array([[0.5, 0.5]])}
    with pytest.raises(InvalidInput, match="choose one with outputs="):
        x_npy.encode(Predictions(columns))
