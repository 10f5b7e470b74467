"""Names in requests: a header that was not declared, and columns that are not features."""

import json
from dataclasses import replace

import pytest

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

COLORS = Categories(("blue", "red"))
WORDS = Schema(
    ("island", "sex"), "regression", datatype="FP64", categories={"island": COLORS, "sex": COLORS}
)
YEARS = Schema(("2019", "2020"), "regression", datatype="FP64")
MIXED = Schema(("color", "2020"), "regression", datatype="FP64", categories={"color": COLORS})


@pytest.mark.parametrize("repeats", [1, 5, 3000])
@pytest.mark.parametrize(
    ("schema", "header", "row", "values"),
    [
        (WORDS, "island,sex", "red,blue", [1, 0]),
        (WORDS, '"sex", "island"'.replace(", ", ","), "red,blue", [1, 0]),
        (WORDS, "sex,island", "red,blue", [1, 0]),
        (YEARS, "2019,2020", "5,6.5", [5, 6.5]),
        (MIXED, "color,2020", "red,7", [1, 7]),
    ],
)
def test_names_that_could_be_a_row_are_not_answered_as_one(schema, header, row, values, repeats):
    rows = f"{row}\n" * repeats
    read = decoder("text/csv")
    assert read(rows.encode(), schema, {}).tolist() == [values] * repeats
    with pytest.raises(InvalidInput) as caught:
        read(f"{header}\n{rows}".encode(), schema, {})
    assert str(caught.value) == (
        "row 1 holds the names of the model's features; for a header line send Content-Type: "
        "text/csv; header=present"
    )
    assert len(read(f"{header}\n{rows}".encode(), schema, {"header": "present"})) == repeats


def test_a_header_with_more_names_is_pointed_at():
    with pytest.raises(InvalidInput) as caught:
        decoder("text/csv")(b",color,2020\n0,red,7\n", MIXED, {})
    assert str(caught.value) == (
        "row 1 has 3 values; the model expects 2 (color, 2020); the row holds their names: for a "
        "header line send Content-Type: text/csv; header=present"
    )


def test_columns_that_training_left_out_are_skipped():
    known = replace(MIXED, ignored=("id", "day"))
    metadata = to_metadata(known)
    assert from_metadata(metadata["inputs"], metadata["outputs"]) == known
    header = {"header": "present"}
    assert decoder("text/csv")(b"id,2020,color\na-17,7,red\n", known, header).tolist() == [[1, 7]]
    document = json.dumps([{"color": "red", "day": "2024-01-01", "2020": 7}]).encode()
    assert decoder("application/json")(document, known, {}).tolist() == [[1, 7]]
    with pytest.raises(InvalidInput, match="unknown 'name'"):
        decoder("text/csv")(b"id,2020,color,name\na-17,7,red,x\n", known, header)


@pytest.mark.parametrize(
    "header", ["color,2020,", ",color,2020", ",color,2020,", "Unnamed: 0.1,Unnamed: 0,color,2020"]
)
def test_an_index_and_a_separator_at_the_end_are_skipped(header):
    row = header.replace("color", "red").replace("2020", "7")
    body = f"{header}\n{row}\n".encode()
    assert decoder("text/csv")(body, MIXED, {"header": "present"}).tolist() == [[1, 7]]


def test_columns_that_are_not_features_are_skipped_if_the_model_says_so():
    open_ = replace(MIXED, ignores_extra=True)
    metadata = to_metadata(open_)
    assert from_metadata(metadata["inputs"], metadata["outputs"]) == open_
    body = b"id,2020,color\na-17,7,red\n"
    header = {"header": "present"}
    assert decoder("text/csv")(body, open_, header).tolist() == [[1, 7]]
    document = json.dumps([{"color": "red", "id": "a-17", "2020": 7}]).encode()
    assert decoder("application/json")(document, open_, {}).tolist() == [[1, 7]]
    assert decoder("application/jsonlines")(document[1:-1], open_, {}).tolist() == [[1, 7]]
    with pytest.raises(InvalidInput, match="missing '2020'"):
        decoder("text/csv")(b"id,color\na,red\n", open_, header)
    with pytest.raises(InvalidInput, match="unknown 'id'"):
        decoder("text/csv")(body, MIXED, header)
