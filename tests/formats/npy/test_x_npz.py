"""application/x-npz: SciPy's sparse matrices in every layout, and no bomb."""

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.schema.schema import Schema

decode = decoder("application/x-npz")

TWO = Schema(("a", "b"), "regression")
FOUR = Schema(tuple("abcd"), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
LAYOUTS = ["csr", "csc", "coo", "bsr", "dia"]
ROWS = np.array([[0, 1.5, 0, 0], [0, 0, 0, 0], [2, 0, 0, -3], [0, 4, 5, 0]])


def packed(matrix, *, compressed=True):
    file = io.BytesIO()
    scipy.sparse.save_npz(file, matrix, compressed)
    return file.getvalue()


def archive(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def csr(**changed):
    parts = {
        "format": b"csr",
        "shape": np.array([2, 2]),
        "data": np.array([1.0, 2.0]),
        "indices": np.array([0, 1]),
        "indptr": np.array([0, 1, 2]),
    }
    return archive(**{name: part for name, part in (parts | changed).items() if part is not None})


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_every_layout_is_read(kind, layout, compressed):
    body = packed(kind(ROWS).asformat(layout), compressed=compressed)
    decoded = decode(body, FOUR, {})
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, ROWS)
    assert np.array_equal(decode(bytearray(body), OPEN, {}), ROWS)


def test_what_is_left_out_is_what_the_schema_says():
    schema = Schema(tuple("abcd"), "regression", absent_is_missing=True)
    expected = np.where(ROWS == 0, np.nan, ROWS)
    decoded = decode(packed(scipy.sparse.csc_matrix(ROWS)), schema, {})
    assert np.array_equal(decoded, expected, equal_nan=True)


def test_a_zero_that_is_there_is_kept():
    schema = Schema(("a", "b"), "regression", absent_is_missing=True)
    decoded = decode(csr(data=np.array([0.0, 2.0])), schema, {})
    assert np.array_equal(decoded, [[0, np.nan], [np.nan, 2]], equal_nan=True)


def test_one_dense_array_is_read():
    assert np.array_equal(decode(archive(rows=ROWS), FOUR, {}), ROWS)


@given(st.sampled_from(LAYOUTS), st.integers(1, 4), st.integers(0, 9))
def test_entries_in_any_order_and_zeros_among_them_are_what_scipy_reads(layout, n_rows, seed):
    """Some zeros are entries, blocks are of several sizes, and the indices are shuffled."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(4 * n_rows)[: rng.integers(4 * n_rows + 1)]
    values = rng.integers(0, 3, len(places)).astype(float)
    coo = scipy.sparse.coo_array((values, (places // 4, places % 4)), (n_rows, 4))
    matrix = coo.tobsr((n_rows, 2)) if layout == "bsr" else coo.asformat(layout)
    schema = Schema(tuple("abcd"), "regression", absent_is_missing=True)
    present = matrix.tocoo()
    expected = np.full((n_rows, 4), np.nan)
    expected[present.coords] = present.data
    assert np.array_equal(decode(packed(matrix), schema, {}), expected, equal_nan=True)


@given(
    st.sampled_from(LAYOUTS),
    st.lists(st.lists(st.sampled_from([0, 0, 1, 2.5]), min_size=4, max_size=4), min_size=1),
    st.sampled_from([np.int32, np.int64]),
)
def test_every_matrix_is_what_scipy_reads(layout, rows, dtype):
    matrix = scipy.sparse.csr_matrix(np.array(rows, np.float64)).asformat(layout)
    for name in ("row", "col", "indices", "indptr", "offsets"):
        if hasattr(matrix, name):
            setattr(matrix, name, getattr(matrix, name).astype(dtype))
    body = packed(matrix)
    assert np.array_equal(decode(body, FOUR, {}), matrix.toarray())
    entries = matrix.tocsr().tocoo()  # Zeros that a layout keeps are not missing.
    expected = np.full(matrix.shape, np.nan)
    expected[entries.row, entries.col] = entries.data
    schema = Schema(tuple("abcd"), "regression", absent_is_missing=True)
    assert np.array_equal(decode(body, schema, {}), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "does not end as an archive does"),
        (b"PK\x03\x04 no archive", "does not end as an archive does"),
        (csr()[:-1], "does not end as an archive does"),
        (archive(), "the body holds []"),
        (archive(a=ROWS, b=ROWS), "the body holds ['a', 'b']; expected one array"),
        (csr(format=b"lil"), "format 'lil'; expected one of csr, csc, coo, bsr, dia"),
        (csr(indptr=None), "the csr matrix lacks indptr"),
        (csr(shape=np.array([2, 3])), "row 1 has 3 values; the model expects 2 (a, b)"),
        (csr(shape=np.array([2, -2])), "shape [2, -2]"),
        (csr(shape=np.array(2)), "an array of [] lengths"),
        (csr(shape=np.array([2.0, 2.0])), "shape of the csr matrix does not hold integers"),
        (csr(indices=np.array([0, 2])), "the csr matrix is damaged: indices must be < 2"),
        (csr(indices=np.array([-1, 0])), "the csr matrix is damaged: indices must be >= 0"),
        (
            csr(indptr=np.array([0, 2])),
            "damaged: index pointer size 2 should be 3",
        ),
        (
            csr(indptr=np.array([0, 2, 1])),
            "damaged: indptr must be a non-decreasing sequence",
        ),
        (
            csr(indptr=np.array([0, 1, 3])),
            "damaged: Last value of index pointer should be less",
        ),
        (
            csr(data=np.array([1.0])),
            "damaged: indices and data should have the same size",
        ),
        (csr(indptr=np.array([1, 1, 2])), "damaged: index pointer should start with 0"),
        (
            csr(format=b"csc", indices=np.array([0, 2])),
            "csc matrix is damaged: indices must be < 2",
        ),
        (csr(data=np.ones((2, 1))), "the csr matrix is damaged: data should be 1-D"),
        (csr(format=b"bsr"), "the bsr matrix is damaged: data should be 3-D"),
        (csr(format=b"bsr", data=np.ones((2, 3, 1))), "blocks of 3 x 1 do not fit 2 x 2"),
        (csr(format=b"dia", offsets=np.array([0])[:0]), "data should have a row for each"),
        (
            csr(format=b"dia", data=np.ones((2, 2)), offsets=np.array([1, 1])),
            "offsets contains a value twice",
        ),
        (csr(format=b"coo", row=np.array([0]), col=np.array([0])), "have the same size"),
        (csr(format=b"coo", row=np.array([0, 2]), col=np.array([0, 1])), "row must be < 2"),
        (csr(data=np.array([1.0, np.inf])), "row 2, column 2 (b): inf is not a finite FP32"),
        (csr(data=np.array(["1", "2"])), "dtype '<U1'; expected booleans, integers or floats"),
        (csr(indices=np.array([0, 0]), indptr=np.array([0, 2, 2])), "a value occurs twice"),
        (csr(shape=np.array([0, 2]), indptr=np.array([0])), "there is no row"),
    ],
)
def test_a_fault_is_named(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, {})
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"shape": np.array([2**40, 2]), "indptr": np.array([0])},
        {"indices": np.zeros(2**23, np.int8)},
        {"data": np.zeros(2**25)},
    ],
)
def test_a_bomb_is_refused(parts):
    with pytest.raises(PayloadTooLarge):
        decode(csr(**parts), TWO, {})


def test_a_member_that_inflates_to_more_than_it_declares_is_refused():
    body = bytearray(archive(rows=np.zeros((10_000, 2))))
    directory = body.rindex(b"PK\x01\x02")
    body[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(InvalidInput, match="a damaged archive"):
        decode(bytes(body), TWO, {})


def test_a_directory_of_many_members_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as many:
        for number in range(100):
            many.writestr(f"{number}.npy", b"")
    with pytest.raises(PayloadTooLarge, match="100 members"):
        decode(file.getvalue(), TWO, {})


def test_pickled_objects_are_refused():
    body = archive(rows=np.array([[1, 2]]))
    file = io.BytesIO()
    np.savez(file, rows=np.array([[object(), 2]]), allow_pickle=True)
    with pytest.raises(InvalidInput):
        decode(file.getvalue(), TWO, {})
    assert np.array_equal(decode(body, TWO, {}), [[1, 2]])
