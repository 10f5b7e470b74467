"""A category that is known by its hash alone means the same on every route, one row or many."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlserver.types import RequestInput

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats import registry
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.model.row_matrix import matrix_from
from mlserver_forest.schema.city_hash import hash_text
from mlserver_forest.schema.hashed_categories import HashedCategories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2.input_tensors import matrix_of

SCHEMA = Schema(
    ("size", "color", "number"),
    "regression",
    datatype="FP64",
    categories={"color": HashedCategories(("red",)), "number": HashedCategories()},
)
# Texts that other columns read as missing, as numbers or as booleans, white space, and quotes.
WORDS = ("red", " red", "red ", "NA", "nan", "None", "a,b", 'q"x', "7.50", "true", "5", "grün")
FRAME = pd.DataFrame(
    {"size": np.arange(12) / 2, "color": WORDS, "number": np.arange(12, dtype=np.int64) - 3}
)
EXPECTED = np.array(
    [[row / 2, hash_text(word), hash_text(str(row - 3))] for row, word in enumerate(WORDS)]
)


def as_csv(frame):
    return frame.to_csv(index=False, header=False).encode()


def as_json(frame):
    return json.dumps({"instances": frame.to_numpy().tolist()}).encode()


def as_objects(frame):
    return json.dumps({"instances": frame.to_dict("records")}).encode()


def as_json_lines(frame):
    return b"\n".join(json.dumps(row).encode() for row in frame.to_dict("records"))


def as_parquet(frame):
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def as_dictionary(frame):
    return as_parquet(frame.astype({"color": "category"}))


def as_arrow(frame):
    table, stream = pa.Table.from_pandas(frame, preserve_index=False), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


ROUTES = [
    ("text/csv", as_csv),
    ("application/json", as_json),
    ("application/json", as_objects),
    ("application/jsonlines", as_json_lines),
    ("application/x-parquet", as_parquet),
    ("application/x-parquet", as_dictionary),
    ("application/vnd.apache.arrow.stream", as_arrow),
]


def decode(media_type, body):
    return RequestDecoder(SCHEMA).decode(registry.find(media_type), body, {})


@pytest.mark.parametrize(("media_type", "write"), ROUTES)
def test_a_word_has_its_hash_alone_in_a_batch_and_in_a_large_one(media_type, write):
    assert decode(media_type, write(FRAME)).tolist() == EXPECTED.tolist()
    many = pd.concat([FRAME] * 500, ignore_index=True)
    assert np.array_equal(decode(media_type, write(many)), np.tile(EXPECTED, (500, 1)))
    for row in range(len(FRAME)):
        alone = decode(media_type, write(FRAME.iloc[row : row + 1]))
        assert alone.tolist() == [EXPECTED[row].tolist()]


@pytest.mark.parametrize("rows", [FRAME, FRAME.to_dict("list"), FRAME.to_numpy().tolist()])
def test_rows_of_python_mean_the_same(rows):
    assert matrix_from(rows, SCHEMA).tolist() == EXPECTED.tolist()


def tensor(name, datatype, data):
    return RequestInput(name=name, shape=[len(data), 1], datatype=datatype, data=list(data))


def test_tensors_of_v2_mean_the_same():
    inputs = [
        tensor("size", "FP64", FRAME["size"].tolist()),
        tensor("color", "BYTES", WORDS),
        tensor("number", "INT64", FRAME["number"].tolist()),
    ]
    assert matrix_of(inputs, SCHEMA).tolist() == EXPECTED.tolist()
    texts = [str(value) for row in FRAME.to_numpy().tolist() for value in row]
    matrix = RequestInput(name="x", shape=[12, 3], datatype="BYTES", data=texts)
    assert matrix_of([matrix], SCHEMA).tolist() == EXPECTED.tolist()
    numbers = RequestInput(name="x", shape=[1, 3], datatype="FP64", data=[0.5, 5, -3])
    expected = [[0.5, hash_text("5"), hash_text("-3")]]
    assert matrix_of([numbers], SCHEMA).tolist() == expected


@pytest.mark.parametrize("datatype", ["INT8", "UINT8", "INT32", "UINT64", "FP32", "FP64"])
def test_whole_numbers_of_any_datatype_are_the_categories_of_their_digits(datatype):
    inputs = [
        tensor("size", "FP64", [0.5, 1.5]),
        tensor("color", datatype, [5, 100]),
        tensor("number", datatype, [0, 7]),
    ]
    expected = [
        [0.5, hash_text("5"), hash_text("0")],
        [1.5, hash_text("100"), hash_text("7")],
    ]
    assert matrix_of(inputs, SCHEMA).tolist() == expected


def test_a_matrix_of_numpy_holds_the_categories_of_digits():
    stream = io.BytesIO()
    np.save(stream, np.array([[0.5, 5, -3]]))
    expected = [[0.5, hash_text("5"), hash_text("-3")]]
    assert decode("application/x-npy", stream.getvalue()).tolist() == expected


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/csv", b"1.5,,3"),
        ("text/csv", b"1.5,,3\n1.5,red,4"),
        ("application/json", b'{"instances": [[1.5, null, 3]]}'),
        ("application/json", b'{"instances": [[1.5, "", 3]]}'),
        ("application/jsonlines", b'{"size": 1.5, "color": null, "number": 3}'),
    ],
)
def test_an_empty_text_is_refused_because_the_model_has_no_rule_for_it(media_type, body):
    with pytest.raises(InvalidInput, match=r"row 1, column 2 \(color\).*send the text that train"):
        decode(media_type, body)
