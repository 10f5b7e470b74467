"""Numbers that are spelled in a special way: what they mean, in training and in serving."""

import json
import math

import numpy as np
import pytest

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.number_spelling import NumberSpelling, decorated, spelling_of
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

PERCENT = NumberSpelling(frozenset({"percent"}), frozenset({"-"}))
SCHEMA = Schema(
    ("x", "rate", "kind"),
    "regression",
    datatype="FP64",
    categories={"kind": Categories(("7.5", "red"), missing=frozenset({"?"}))},
    spellings={"rate": PERCENT},
)
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "number", "marks"),
    [
        ("14,559.97", 14559.97, {"thousands"}),
        ("1,234,567", 1234567.0, {"thousands"}),
        ("14'559.97", 14559.97, {"thousands"}),
        ("14 559.97", 14559.97, {"thousands"}),
        ("13.4%", 13.4, {"percent"}),
        ("13.4 %", 13.4, {"percent"}),
        ("$847.43", 847.43, {"currency"}),
        ("-$847.43", -847.43, {"currency"}),
        ("$-847.43", -847.43, {"currency"}),
        ("847 €", 847.0, {"currency"}),
        ("USD 847", 847.0, {"currency"}),
        ("(14.56)", -14.56, {"accounting"}),
        ("($1,014.56)", -1014.56, {"accounting", "currency", "thousands"}),
        ("\u221214.56", -14.56, {"minus"}),
        ("1.60D+00", 1.6, {"fortran"}),
        ("-1.60d\u221202", -0.016, {"fortran", "minus"}),
        ("7.5", 7.5, set()),
        ("12,34,567.5", 1234567.5, {"thousands"}),
        ("1\u00a0234.5", 1234.5, {"thousands"}),
        ("R$ 847.43", 847.43, {"currency"}),
        ("847.43 kr", 847.43, {"currency"}),
        ("847.43 z\u0142", 847.43, {"currency"}),
        ("\u201314.56", -14.56, {"minus"}),
        ("14.56-", -14.56, {"trailing_minus"}),
        ("14,5", 14.5, {"decimal_comma"}),
        ("1.234,5", 1234.5, {"decimal_comma", "thousands"}),
        ("1 234,5", 1234.5, {"decimal_comma", "thousands"}),
        ("1.234.567", 1234567.0, {"decimal_comma", "thousands"}),
        ("(1.234,5 \u20ac)", -1234.5, {"decimal_comma", "thousands", "currency", "accounting"}),
    ],
)
def test_a_number_is_read_with_its_marks(text, number, marks):
    has_decimal_comma = "decimal_comma" in marks
    assert decorated(text, has_decimal_comma=has_decimal_comma) == (number, marks)
    assert NumberSpelling(frozenset(marks)).parse(f" {text} ") == number
    if marks:
        assert NumberSpelling().parse(text) is None


@pytest.mark.parametrize(
    "text", ["", "-", "1,2", "12,34", "1,2345", "(1", "1)", "-(1)", "$1€", "%", "1%%", "a", "1 2"]
)
def test_other_texts_are_not_numbers(text):
    assert decorated(text) is None


def test_commas_begin_decimals_only_where_they_cannot_separate_thousands():
    assert spelling_of(("1,234", "5,678.5")) == NumberSpelling(frozenset({"thousands"}))
    found = spelling_of(("1,234", "5,6", "7"))
    assert found == NumberSpelling(frozenset({"decimal_comma"}))
    assert [found.parse(text) for text in ("1,234", "5,6", "7", "7.5")] == [1.234, 5.6, 7, 7.5]
    assert spelling_of(("1.234", "5,6")) is None  # 1.234 or 1234.


@pytest.mark.parametrize(
    "texts", [("1%", "2"), ("$1", "2"), ("$1", "2 €"), ("1", "red"), ("1,5", "2.5")]
)
def test_a_column_that_does_not_agree_has_no_spelling(texts):
    assert spelling_of(texts) is None


def test_a_schema_keeps_its_spellings():
    metadata = json.loads(json.dumps(to_metadata(SCHEMA)))
    assert from_metadata(metadata["inputs"], metadata["outputs"]) == SCHEMA
    metadata["inputs"][1]["parameters"]["spelling"] = ["roman"]
    with pytest.raises(InvalidArtifact):
        from_metadata(metadata["inputs"], metadata["outputs"])


@pytest.mark.parametrize("rate", ["13.4%", "13.4", " 13.40 % "])
@pytest.mark.parametrize("kind", ["7.5", "7.50", "+7.5"])
@pytest.mark.parametrize("repeats", [1, 3000])
def test_a_row_of_csv_is_read_as_in_training(rate, kind, repeats):
    body = f"1,{rate},{kind}\n" * repeats
    assert decoder("text/csv")(body.encode(), SCHEMA, {}).tolist() == [[1, 13.4, 0]] * repeats


@pytest.mark.parametrize("row", [[1, 13.4, 7.5], [1, "13.4%", "7.50"], [1.0, 13.4, "7.5"]])
def test_a_row_of_json_is_read_as_in_training(row):
    body = json.dumps([row]).encode()
    assert decoder("application/json")(body, SCHEMA, {}).tolist() == [[1, 13.4, 0]]


def test_markers_of_training_are_missing_values():
    x = decoder("text/csv")(b"1,-,?\nNA,#N/A,NaT\n", SCHEMA, {})
    assert np.array_equal(x, [[1, NAN, NAN], [NAN, NAN, NAN]], equal_nan=True)
    assert math.isnan(PERCENT.parse("#DIV/0!"))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (
            "1,$5,red",
            (
                "row 1, column 2 (rate): '$5' is not a number; expected a plain number, or one "
                "spelled like 13.4%, which is 13.4"
            ),
        ),
        ("-,5%,red", "row 1, column 1 (x): '-' is not a number"),
    ],
)
def test_another_spelling_is_refused_with_the_one_that_is_expected(row, fault):
    with pytest.raises(InvalidInput) as caught:
        decoder("text/csv")(row.encode(), SCHEMA, {})
    assert str(caught.value) == fault
