"""Categories that are known by their hashes alone, in a schema, its metadata and all routes."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.formats import registry
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.model.row_matrix import matrix_from
from mlserver_forest.schema.city_hash import hash_text
from mlserver_forest.schema.hashed_categories import HashedCategories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

SCHEMA = Schema(
    ("size", "color"),
    "regression",
    datatype="FP64",
    categories={"color": HashedCategories(("red", "blue"))},
)
RED, FIVE = float(hash_text("red")), float(hash_text("5"))


def decode(media_type, body):
    return RequestDecoder(SCHEMA).decode(registry.find(media_type), body, {})


def test_any_text_is_a_category_in_exactly_its_letters():
    categories = HashedCategories()
    texts = ["red", " red", "Red", "nan", "None", "5", "5.0"]
    codes = [categories.code(text) for text in texts]
    assert len(set(codes)) == len(texts)
    assert categories.codes(texts).tolist() == codes
    assert codes[0] == RED


def test_numbers_in_a_matrix_are_the_categories_of_their_digits():
    x = SCHEMA.conform(np.array([[1.5, 5.0], [2.5, -3.0]]))
    assert x.tolist() == [[1.5, FIVE], [2.5, float(hash_text("-3"))]]


@pytest.mark.parametrize("value", [1.5, np.nan, np.inf, 1e17])
def test_a_number_that_is_not_whole_is_refused(value):
    with pytest.raises(InvalidInput, match=r"column 2 \(color\).*a whole number"):
        SCHEMA.conform(np.array([[1.0, value]]))


@pytest.mark.parametrize(
    "rows",
    [
        [[1.5, "red"], [2.5, 5]],
        {"color": ["red", "5"], "size": [1.5, 2.5]},
    ],
)
def test_rows_of_python_hold_texts_and_integers(rows):
    assert matrix_from(rows, SCHEMA).tolist() == [[1.5, RED], [2.5, FIVE]]


@pytest.mark.parametrize("value", [None, "", float("nan"), 1.5])
def test_a_missing_category_is_refused_with_what_to_do(value):
    with pytest.raises(InvalidInput, match=r"row 1, column 2 \(color\)"):
        matrix_from([[1.5, value]], SCHEMA)


def test_the_metadata_names_the_hash_and_the_known_words():
    metadata = to_metadata(SCHEMA)
    tensor = metadata["inputs"][1]
    assert tensor["datatype"] == "BYTES"
    assert tensor["parameters"]["known"] == ["red", "blue"]
    assert from_metadata(**metadata) == SCHEMA
    tensor["parameters"]["hash"] = "md5"
    with pytest.raises(InvalidArtifact):
        from_metadata(**metadata)


def test_a_code_has_the_name_that_the_file_knows():
    assert SCHEMA.categories["color"].name_of(RED) == "red"
    assert SCHEMA.categories["color"].name_of(FIVE) is None
