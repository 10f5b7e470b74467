"""A matrix that grows by its end."""

import numpy as np
import pytest

from mlserver_forest.formats.row_array import RowArray


@pytest.mark.parametrize("n_rows", [0, 1, 4, 100])
def test_rows_are_kept_in_their_order_whatever_number_was_expected(n_rows):
    blocks = [np.arange(start, start + 6).reshape(2, 3) for start in range(0, 60, 6)]
    rows = RowArray(3, np.dtype(np.float32), n_rows)
    for block in blocks:
        rows.append(block)
    assert len(rows) == 20
    x = rows.finish()
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert np.array_equal(x, np.concatenate(blocks))


def test_what_was_appended_may_be_changed_in_place():
    rows = RowArray(2, np.dtype(np.float64))
    rows.append(np.ones((2, 2)))
    rows.append(np.ones((1, 2)))[:, 1] = 5
    assert rows.x.tolist() == [[1, 1], [1, 1], [1, 5]]


def test_there_may_be_no_rows_and_no_columns():
    assert RowArray(3, np.dtype(np.float64)).finish().shape == (0, 3)
    rows = RowArray(0, np.dtype(np.float64))
    rows.append(np.empty((2, 0)))
    assert rows.finish().shape == (2, 0)
