"""Rows of any form are the same matrix, to the last bit of an unseen category."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mixed_rows
from mlserver_forest.errors import InvalidInput
from mlserver_forest.model.row_matrix import matrix_from
from mlserver_forest.schema.schema import Schema

SCHEMA = Schema(mixed_rows.NAMES, "regression", categories=mixed_rows.CATEGORIES)
NUMBERS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(width=32)
ROW = st.tuples(
    st.none() | st.sampled_from([*mixed_rows.COLORS, "mauve", " red ", "NA"]),
    NUMBERS | st.just("wide"),
    st.none() | st.booleans() | st.sampled_from(["true", "0"]),
    st.none() | st.sampled_from([1, "1", -3, "-3", 10.0, 7]),
)


def outcome(rows):
    try:
        return matrix_from(rows, SCHEMA).view(np.uint32).tolist()
    except InvalidInput as error:
        return str(error)


@given(st.lists(ROW, min_size=1, max_size=5), st.permutations(range(4)))
def test_forms_agree_on_values_and_on_the_first_fault(rows, order):
    names = mixed_rows.NAMES
    columns = {names[place]: [row[place] for row in rows] for place in order}
    frame = pd.DataFrame(columns, dtype=object)
    expected = outcome([list(row) for row in rows])
    records = [{names[place]: row[place] for place in order} for row in rows]
    assert outcome(records) == expected
    assert outcome(columns) == expected
    assert outcome(frame) == expected
    if len(rows) == 1:
        assert outcome(records[0]) == expected
        assert outcome(frame.iloc[0]) == expected


def test_extra_columns_are_refused_unless_they_are_ignored():
    rows = pd.DataFrame(mixed_rows.rows(3), columns=mixed_rows.NAMES).assign(key=1)
    lenient = replace(SCHEMA, ignores_extra=True)
    known = matrix_from(rows, SCHEMA, extra="ignore")
    assert np.array_equal(matrix_from(rows, lenient), known, equal_nan=True)
    for schema, extra in ((SCHEMA, None), (lenient, "error")):
        with pytest.raises(InvalidInput, match="unknown 'key'"):
            matrix_from(rows, schema, extra=extra)
