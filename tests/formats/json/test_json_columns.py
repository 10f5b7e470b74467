"""Words in JSON and JSON lines: what is one, what is missing, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.request_bodies import decode_in_blocks, decoder
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.category_values import codes_of, text_of
from mlserver_forest.formats.json import application_jsonlines
from mlserver_forest.formats.json.json_source import Sizes
from mlserver_forest.schema.categories import BOOLEAN, MISSING_TEXTS, Categories
from mlserver_forest.schema.schema import Schema

WORDS = ("-3", "1", "18446744073709551615", "blue", "false", "red", "true")
SCHEMA = Schema(
    ("color", "size", "ok"),
    "regression",
    datatype="FP64",
    categories={"color": Categories(WORDS), "ok": BOOLEAN},
)
STRICT = Schema(
    ("color", "size"),
    "regression",
    categories={"color": Categories(WORDS, refuses_unseen=True)},
)
ONE = Schema(("color",), "regression", categories={"color": Categories(WORDS)})
NAN = float("nan")


def decode(document, schema=SCHEMA):
    return decoder("application/json")(json.dumps(document).encode(), schema, {})


def decode_lines(instances, schema=SCHEMA, sizes=None):
    body = "\n".join(map(json.dumps, instances)).encode()
    return decode_in_blocks(application_jsonlines.parse, body, schema, sizes)


VALUES = [
    ("red", 5),
    (" blue ", 3),
    (1, 1),
    (-3, 0),
    ("1", 1),
    (2**64 - 1, 2),
    (True, 6),
    (False, 4),
    (None, NAN),
    ("", NAN),
    ("mauve", NAN),
    ("Red", NAN),
    (2, NAN),
    *((missing, NAN) for missing in sorted(MISSING_TEXTS)),
]


@pytest.mark.parametrize(("value", "code"), VALUES)
def test_a_value_becomes_the_position_of_its_word(value, code):
    expected = [[code, 1.5, 1]]
    row = [value, 1.5, True]
    named = {"ok": True, "color": value, "size": 1.5}
    for document in ([row], row, {"instances": [row]}, [named], named, [{"features": row}]):
        assert np.array_equal(decode(document), expected, equal_nan=True)
    for instances in ([row], [named], [{"data": {"features": {"values": row}}}]):
        assert np.array_equal(decode_lines(instances), expected, equal_nan=True)


def test_many_values_are_read_as_each_alone():
    rows = [[value, 1, False] for value, _ in VALUES] * 500
    expected = [[code, 1, 0] for _, code in VALUES] * 500
    assert np.array_equal(decode(rows), expected, equal_nan=True)
    assert np.array_equal(decode_lines(rows), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((value, 1) for value in (True, 1, "true", "True", "TRUE", "1", " true ")),
        *((value, 0) for value in (False, 0, "false", "False", "FALSE", "0")),
        *((value, NAN) for value in (None, "", "NA")),
    ],
)
def test_a_boolean_has_many_spellings(value, code):
    assert np.array_equal(decode([["red", 1, value]]), [[5, 1, code]], equal_nan=True)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([[1.0], 1, True], "row 1, column 1 (color): [1.0] is not a category; expected a string"),
        ([["red"], 1, True], "row 1, column 1 (color): ['red'] is not a category"),
        ([{}, 1, True], "row 1, column 1 (color): {} is not a category"),
        (["red", "1", True], "row 1, column 2 (size): '1' is not a number"),
        (["red", 1, 0.0], "row 1, column 3 (ok): 0.0 is not a category; expected a string"),
        (["red", 1, "yes"], "row 1, column 3 (ok): 'yes' is not one of this model's categories"),
        (["red", 1, 2], "row 1, column 3 (ok): '2' is not one of this model's categories"),
        (["red", 1], "row 1 has 2 values; the model expects 3 (color, size, ok)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n_before", [0, 3000])
def test_a_fault_is_named_with_its_place(row, fault, n_before):
    rows = [["red", 1, True]] * n_before + [row, ["red", 1, True]]
    fault = fault.replace("row 1", f"row {n_before + 1}")
    for read in (decode, decode_lines):
        with pytest.raises(InvalidInput) as caught:
            read(rows)
        assert fault in str(caught.value)


def test_an_unseen_word_is_refused_where_training_said_so():
    with pytest.raises(InvalidInput) as caught:
        decode([["red", 1], ["m" * 500, 1]], STRICT)
    assert str(caught.value) == (
        f"row 2, column 1 (color): '{'m' * 39}... is not one of this model's categories: "
        "'-3', '1', '18446744073709551615', 'blue', 'false', 'red', 'true'; send one of them, or "
        "an empty field (null in JSON) for a missing value"
    )


def test_columns_may_be_named_in_any_order():
    frame = {"columns": ["ok", "color", "size"], "data": [[True, "red", 1], [0, "blue", 2]]}
    assert decode(frame).tolist() == [[5, 1, 1], [3, 2, 0]]


def test_a_sparse_row_leaves_words_out_as_missing():
    def row(*pairs):
        keys, values = zip(*pairs, strict=True)
        return {"data": {"features": {"keys": keys, "values": values, "shape": [3]}}}

    rows = [row((0, "red"), (1, 2)), row((2, True)), row((0, None), (2, "0"))]
    expected = [[5, 2, NAN], [NAN, 0, 1], [NAN, 0, 0]]
    assert np.array_equal(decode(rows), expected, equal_nan=True)
    with pytest.raises(InvalidInput, match=r"row 1, column 3 \(ok\): 1.5 is not a category"):
        decode([row((2, 1.5))])


@pytest.mark.parametrize("value", [1, 1.0, "1", "1.0", "+1", " 1.00 "])
def test_a_category_that_is_a_number_has_many_spellings(value):
    assert decode([[value, 1, True]])[0, 0] == 1
    assert decode_lines([[value, 1, True]])[0, 0] == 1


def test_a_number_that_is_not_a_category_is_like_any_unseen_word():
    assert np.array_equal(decode([[1.5, 1, True]]), [[NAN, 1, 1]], equal_nan=True)
    with pytest.raises(InvalidInput, match=r"'1.5' is not one of this model's categories"):
        decode([[1.5, 1]], STRICT)


def test_a_model_of_one_feature_reads_bare_words():
    assert np.array_equal(decode_lines(["red", None, 1], ONE), [[5], [NAN], [1]], equal_nan=True)
    assert decode([["red"], [True]], ONE).tolist() == [[5], [6]]


def test_large_documents_are_read_in_blocks():
    rows = [["red", n, n % 2 == 0] for n in range(40_000)]
    expected = [[5, n, 1 - n % 2] for n in range(40_000)]
    assert np.array_equal(decode({"instances": rows}), expected)
    assert np.array_equal(decode_lines(rows, sizes=Sizes(block=1000)), expected)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from([*WORDS, *sorted(MISSING_TEXTS)]),
    st.just([]),
)


@given(st.lists(values, min_size=1, max_size=20))
def test_words_read_together_are_those_read_alone(found):
    for categories in (SCHEMA.categories["color"], STRICT.categories["color"], BOOLEAN):
        alone = [
            None if (text := text_of(value)) is None else categories.code(text) for value in found
        ]
        together = codes_of(found, categories)
        if None in alone:
            assert together is None
        else:
            assert np.array_equal(together, alone, equal_nan=True)
