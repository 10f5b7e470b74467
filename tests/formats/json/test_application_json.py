"""application/json: one table of cases for every shape, in one piece and in blocks."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.request_bodies import decode_document
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats import registry
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.json import application_json, json_document
from mlserver_forest.formats.json.json_source import JsonSource, Sizes
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

TWO = Schema(("a", "b"), "regression", datatype="FP64")
FOUR = Schema(("a", "b", "c", "d"), "regression")
ONE = Schema(("a",), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")
# Every array that is not empty is a large one, and has a block for each element or two.
TINY = JsonSource(sizes=Sizes(whole=0, small_array=2, block=8, longest=10**6))


def decode_in_blocks(document, schema):
    body = json.dumps(document, separators=(",", ":")).encode()
    return decode_document(json_document.loads(body, TINY), schema)


either = pytest.mark.parametrize("decode", [decode_document, decode_in_blocks])


def sparse(keys, values, shape):
    return {"data": {"features": {"keys": keys, "shape": shape, "values": values}}}


def dense(values):
    return {"data": {"features": {"values": values}}}


@either
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([[1, 2.5]], [[1, 2.5]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([1, 2], [[1, 2]]),
        ([[1, None]], [[1, NAN]]),
        ([[None, None]], [[NAN, NAN]]),
        ([[True, 2], [3, False]], [[1, 2], [3, 0]]),
        ([[2**70, -1]], [[2.0**70, -1]]),
        ([[2**53 + 1, 2**64 - 1]], [[2.0**53, 2.0**64]]),
        ({"instances": [[1, 2]]}, [[1, 2]]),
        ({"instances": [1, 2]}, [[1, 2]]),
        ({"instances": [{"features": [1, 2]}, {"features": [3, None]}]}, [[1, 2], [3, NAN]]),
        ({"instances": [dense([1, 2]), dense([3, 4])]}, [[1, 2], [3, 4]]),
        ({"instances": [sparse([1], [0.4], [2]), sparse([], [], [2])]}, [[0, 0.4], [0, 0]]),
        ({"instances": [sparse([0, 1], [1, None], [2]), dense([3, 4])]}, [[1, NAN], [3, 4]]),
        ({"instances": [{"a": 1, "b": 2}, {"b": 3, "a": 4}]}, [[1, 2], [4, 3]]),
        ({"instances": [[1, 2]], "configuration": {}, "params": None}, [[1, 2]]),
        ({"signature_name": "serving_default", "instances": [[1, 2]]}, [[1, 2]]),
        ({"a": 1, "b": 2}, [[1, 2]]),
        ({"features": [1, 2]}, [[1, 2]]),
        (dense([1, 2]), [[1, 2]]),
        (sparse([1], [5], [2]), [[0, 5]]),
        ([{"b": 1, "a": 2}, {"a": None, "b": 4}], [[2, 1], [NAN, 4]]),
        ({"dataframe_records": [{"b": 1, "a": 2}]}, [[2, 1]]),
        ({"columns": ["b", "a"], "index": [0, 1], "data": [[1, 2], [3, None]]}, [[2, 1], [NAN, 3]]),
        ({"columns": [0, 1], "index": [0], "data": [[1, 2]]}, [[1, 2]]),
        ({"columns": None, "data": [[1, 2]]}, [[1, 2]]),
        ({"dataframe_split": {"data": [[1, 2], [3, 4]], "columns": ["b", "a"]}}, [[2, 1], [4, 3]]),
        ({"dataframe_split": {"data": [[1, 2]]}}, [[1, 2]]),
    ],
)
def test_rows_are_read(decode, document, expected):
    decoded = decode(document, TWO)
    assert decoded.dtype == np.float64
    assert decoded.flags.c_contiguous
    assert np.array_equal(decoded, expected, equal_nan=True)


@either
@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "there is no row; expected rows of 2 (a, b) values"),
        ({"instances": []}, "there is no row"),
        ({"columns": ["a", "b"], "data": []}, "there is no row"),
        ({"rows": [[1, 2]]}, "an object with ['rows']; expected [[...], ...]"),
        ({}, "an object with []; expected [[...], ...]"),
        ({"instances": {"a": 1}}, "\"instances\" is {'a': 1}; expected [[...], ...]"),
        (
            {"instances": [[1, 2]], "id": 7},
            "the body has ['id'], which are not read; expected configuration, instances",
        ),
        ("text", "the body is 'text'; expected"),
        (None, "the body is None; expected"),
        ([[1, 2], [3]], "row 2 has 1 value; the model expects 2 (a, b)"),
        ([[1, 2, 3]], "row 1 has 3 values"),
        ([1, 2, 3], "row 1 has 3 values"),
        ([[1, "2"]], "row 1, column 2 (b): '2' is not a number"),
        ([["1", "2"]], "row 1, column 1 (a): '1' is not a number"),
        ([[1, [2]]], "row 1, column 2 (b): [2] is not a number"),
        ([[[1, 2]]], "row 1 has 1 value"),
        ([[1, 2], 3], "row 2 is 3; expected a list of values"),
        ([[1, 2], [3, 4], [5, 6], [7, "x"]], "row 4, column 2 (b): 'x' is not a number"),
        ([[1, {}]], "row 1, column 2 (b): {} is not a number"),
        ({"a": 1}, "row 1 has missing 'b'"),
        ({"instances": [{"a": 1}]}, "row 1 has missing 'b'"),
        ({"instances": [{"a": 1, "b": 2, "c": 3}]}, "row 1 has unknown 'c'"),
        ({"instances": [{"a": 1, "B": 2}]}, "row 1 has missing 'b' and unknown 'B'"),
        ({"instances": [{"a": 1, "b": "2"}]}, "row 1, column 2 (b): '2' is not a number"),
        ({"instances": [{"a": 1, "b": 2}, [1, 2]]}, "row 2 is [1, 2]; the first row is an object"),
        ({"instances": [{"features": 1}]}, "row 1 has missing 'a', 'b' and unknown 'features'"),
        ({"instances": [[1, 2], {"a": 1, "b": 2}]}, "row 2 is {'a': 1, 'b': 2}"),
        ({"instances": [{"data": 1}]}, "row 1 has missing 'a', 'b' and unknown 'data'"),
        ({"instances": [{"data": [1]}]}, 'row 1 has "data": [1]; expected {"features": {"values"'),
        ({"instances": [{"data": {"features": {}}}]}, "row 1 has \"data\": {'features': {}}"),
        ({"instances": [dense(3)]}, "row 1 is 3; expected a list of values"),
        ([sparse([2], [1], [2])], "row 1 has key 2; expected 0 to 1"),
        ([sparse([-1, 0], [1, 2], [2])], "row 1 has key -1; expected 0 to 1"),
        ([sparse([1, 0], [1, 2], [2])], "row 1 has key 0 after 1; expected ascending keys"),
        ([sparse([1, 1], [1, 2], [2])], "row 1 has key 1 after 1; expected ascending keys"),
        ([sparse([True], [1], [2])], "row 1 has key True; expected an integer"),
        ([sparse([0.0], [1], [2])], "row 1 has key 0.0; expected an integer"),
        ([sparse([0], ["1"], [2])], "row 1, column 1 (a): '1' is not a number"),
        ([sparse([0], [], [2])], "row 1 has keys [0] and values []; expected two lists"),
        ([sparse(0, 1, [2])], "row 1 has keys 0 and values 1; expected two lists"),
        ([sparse([0], [1], [3])], "row 1 has 3 values; the model expects 2 (a, b)"),
        ([sparse([0], [1], None)], "row 1 has shape None; expected [n], the number of columns"),
        ([sparse([0], [1], [1, 2])], "row 1 has shape [1, 2]; expected [n]"),
        ({"dataframe_split": [[1, 2]]}, '"dataframe_split" is [[1, 2]]; expected {"columns"'),
        ({"dataframe_split": {"rows": 1}}, "\"dataframe_split\" is {'rows': 1}; expected"),
        ({"columns": ["a", "c"], "data": [[1, 2]]}, "\"columns\" has missing 'b' and unknown 'c'"),
        ({"columns": ["a", "b", "a"], "data": [[1, 2, 3]]}, "a name that occurs twice"),
        ({"columns": [["a"], "b"], "data": [[1, 2]]}, "\"columns\" is [['a'], 'b']; expected the"),
        ({"columns": [1, 2], "data": [[1, 2]]}, '"columns" is [1, 2]; expected the names'),
        ({"columns": "ab", "data": [[1, 2]]}, "\"columns\" is 'ab'; expected the names"),
        ({"columns": ["b", "a"], "data": [[1]]}, "row 1 has 1 value; the model expects 2 (a, b)"),
        ({"columns": ["b", "a"], "data": [[1, "x"]]}, "row 1, column 2 (a): 'x' is not a number"),
        ({"columns": ["b", "a"], "data": [1, 2]}, "row 1 is 1; expected a list of values"),
        ({"columns": ["b", "a"], "data": [{"a": 1, "b": 2}]}, "row 1 is {'a': 1, 'b': 2}"),
    ],
)
def test_a_fault_is_named_with_its_place(decode, document, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(document, TWO)
    message = str(caught.value)
    # A large array is not shown.
    assert fault in message or (decode is decode_in_blocks and "[an array of" in message)


@pytest.mark.parametrize("envelope", ["features", "data", "columns", "instances"])
def test_a_feature_may_have_the_name_of_an_envelope(envelope):
    schema = Schema((envelope, "b"), "regression")
    for document in (
        {"instances": [{"b": 2, envelope: 1}]},
        [{"b": 2, envelope: 1}],
        {"b": 2, envelope: 1},
        {"columns": ["b", envelope], "data": [[2, 1]]},
        {"instances": [{"features": [1, 2]}]},
        dense([1, 2]),
    ):
        assert np.array_equal(decode_document(document, schema), [[1, 2]])


def test_what_a_sparse_row_leaves_out_is_missing_where_the_schema_says_so():
    schema = Schema(("a", "b"), "regression", absent_is_missing=True)
    decoded = decode_document([sparse([0], [1], [2])], schema)
    assert np.array_equal(decoded, [[1, NAN]], equal_nan=True)


def test_sparse_rows_out_of_proportion_to_the_body_are_refused():
    row = sparse([], [], [100_000])
    assert decode_document([row, row], OPEN).shape == (2, 100_000)
    with pytest.raises(PayloadTooLarge, match="at most 134217728 are allowed"):
        decode_document([row] * 1000, OPEN)
    with pytest.raises(PayloadTooLarge, match="reads at most 100000"):
        decode_document([sparse([], [], [100_001])], OPEN)
    with pytest.raises(PayloadTooLarge, match="a sparse row may have at most 16777216 columns"):
        decode_document([sparse([], [], [10**18])], OPEN)


def test_values_are_rounded_to_the_schema_and_checked():
    decoded = decode_document([[0.1, 16777217, 3, 4]], FOUR)
    assert decoded.dtype == np.float32
    assert decoded.tolist() == np.array([[0.1, 16777217, 3, 4]], np.float32).tolist()
    with pytest.raises(InvalidInput, match=r"row 2, column 3 \(c\): 1e\+39 is not a finite FP32"):
        decode_document([[1, 2, 3, 4], [1, 2, 1e39, 4]], FOUR)


@either
def test_a_model_that_names_no_features_takes_any_width_but_one_width(decode):
    assert decode([[1, 2, 3], [4, 5, 6]], OPEN).shape == (2, 3)
    assert decode({"instances": [dense([1, 2, 3])]}, OPEN).shape == (1, 3)
    with pytest.raises(InvalidInput, match="row 4 has 1 value"):
        decode([[1, 2, 3], [1, 2, 3], [1, 2, 3], [4]], OPEN)
    with pytest.raises(InvalidInput, match="this model has no names; send lists"):
        decode([{"a": 1}], OPEN)
    with pytest.raises(PayloadTooLarge, match="reads at most 100000"):
        decode_document([[0] * 100_001], OPEN)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"{", "the body is not JSON"),
        (b"[[NaN]]", "JSON has no NaN and no Infinity: send null for a missing value"),
        (b"[[-Infinity]]", "send null for a missing value"),
        (b"[[1e999]]", "the body is not JSON: number is infinity"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(body, fault):
    with pytest.raises(InvalidInput, match=fault):
        application_json.load(body)


def test_deep_nesting_is_shown_no_further_than_it_needs():
    document = application_json.load(b"[[1, " + b"[" * 1000 + b"]" * 1000 + b"]]")
    with pytest.raises(InvalidInput, match=r"row 1, column 2 \(b\): \[\[\[\[\.\.\.\]\]\]\] is not"):
        decode_document(document, TWO)


def test_a_large_body_is_read_in_blocks():
    rows = np.arange(80_000.0).reshape(-1, 4) / 8
    body = json.dumps({"instances": rows.tolist()}).encode()
    document = application_json.load(body)
    assert isinstance(document["instances"], json_document.LargeArray)
    assert np.array_equal(decode_document(document, FOUR), rows.astype(np.float32))


def test_a_fault_far_into_a_large_body_has_its_row():
    body = b"[" + b"[1, 2], " * 60_000 + b'[1, "2"]]'
    with pytest.raises(InvalidInput, match=r"row 60001, column 2 \(b\): '2' is not a number"):
        decode_document(application_json.load(body), TWO)


def test_what_is_ignored_in_a_large_body_is_still_json():
    rows = b'"data": [' + b"[1, 2], " * 60_000 + b"[3, 4]]"
    index = b'"index": [' + b"0, " * 60_000
    for end, fault in ((b"0]}", None), (b"0,]}", "trailing comma")):
        document = application_json.load(b'{"columns": null, ' + rows + b"," + index + end)
        if fault is None:
            assert decode_document(document, TWO).shape == (60_001, 2)
        else:
            with pytest.raises(InvalidInput, match=fault):
                decode_document(document, TWO)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
instances = (
    values
    | st.lists(values, max_size=2)
    | st.fixed_dictionaries({}, optional={"a": values, "b": values, "features": values})
    | st.builds(dense, values)
    | st.builds(sparse, values, values, values | st.just([2]))
)
names = st.sampled_from(
    ["instances", "dataframe_records", "dataframe_split", "columns", "index", "data", "a", "b"]
)


@settings(deadline=None)
@given(instances | st.lists(instances) | st.dictionaries(names, instances | st.lists(instances)))
def test_any_document_is_read_or_refused(document):
    for schema in (ONE, TWO, OPEN):
        outcomes = []
        for decode in (decode_document, decode_in_blocks):
            try:
                outcomes.append(decode(document, schema).tolist())
            except (InvalidInput, PayloadTooLarge):
                outcomes.append("refused")
        assert repr(outcomes[0]) == repr(outcomes[1])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {
                "predicted_label": np.array(["x", "y"], object),
                "probabilities": np.array([[0.9, 0.1], [0.2, 0.8]]),
            },
            [
                {"predicted_label": "x", "probabilities": [0.9, 0.1]},
                {"predicted_label": "y", "probabilities": [0.2, 0.8]},
            ],
        ),
        (
            {"predicted_label": np.array([True, False])},
            [{"predicted_label": True}, {"predicted_label": False}],
        ),
        ({"score": np.array([0.5])}, [{"score": 0.5}]),
        ({"score": np.array([[0.5, 2.0]])}, [{"score": [0.5, 2.0]}]),
        (
            {"predicted_label": np.array([-1]), "score_samples": np.array([-0.7])},
            [{"predicted_label": -1, "score_samples": -0.7}],
        ),
    ],
)
def test_answers_are_objects(columns, expected):
    body = b"".join(application_json.encode(Predictions(columns)))
    assert json.loads(body) == {"predictions": expected}


def test_many_answers_come_in_blocks():
    blocks = list(application_json.encode(Predictions({"score": np.arange(40_000.0)})))
    assert len(blocks) == 4
    assert json.loads(b"".join(blocks)) == {
        "predictions": [{"score": float(n)} for n in range(40_000)]
    }


@pytest.mark.parametrize("n_rows", [3, 60_000])
@pytest.mark.parametrize(
    "envelope",
    [
        lambda rows: rows,
        lambda rows: {"instances": rows},
        lambda rows: {"dataframe_split": {"columns": ["a"], "data": rows}},
    ],
)
def test_for_a_model_of_one_feature_a_list_of_values_is_a_list_of_rows(envelope, n_rows):
    """As MLflow, TensorFlow Serving and V2 read it; for another model it is one row."""
    values = list(range(n_rows))
    flat, rows = (json.dumps(envelope(x)).encode() for x in (values, [[v] for v in values]))
    found, decoder = registry.find("application/json"), RequestDecoder(ONE)
    assert np.array_equal(decoder.decode(found, flat, {}), np.array(values, "f4")[:, None])
    assert np.array_equal(decoder.decode(found, rows, {}), decoder.decode(found, flat, {}))
    assert decoder.decode(found, json.dumps(envelope([7])).encode(), {}).tolist() == [[7]]
    mixed = json.dumps(envelope([*values, [1]])).encode()
    with pytest.raises(InvalidInput, match=f"row {n_rows + 1}"):
        decoder.decode(found, mixed, {})
