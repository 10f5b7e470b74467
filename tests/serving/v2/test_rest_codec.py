"""V2 over REST: requests and responses in JSON, with binary tensors after it."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlserver.types import InferenceResponse, Parameters, ResponseOutput, TensorData

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, UnsupportedMediaType
from mlserver_forest.serving.v2.rest_codec import decode_infer, encode_infer

JSON = "application/json"
OCTETS = "application/octet-stream"
ROW = [5.5, 3.0, 5.0, 1.75]
RAW = struct.pack("<4f", *ROW)


def tensor(**changes):
    fields = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": ROW, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def binary(size, **changes):
    return tensor(data=None, parameters={"binary_data_size": size}, **changes)


def decode(document, raw=b"", length=None, content_type=JSON):
    """Decode a document and the binary data after it; the header is right if not given."""
    text = json.dumps(document).encode()
    if raw and length is None:
        length = str(len(text))
    return decode_infer(text + raw, length, content_type)


def only_array(decoded):
    (only,) = decoded[0].inputs
    return only.data.root


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=UTF-8", None])
def test_numbers_in_json_become_an_array(content_type):
    for data in (ROW, [ROW]):
        text = json.dumps({"inputs": [tensor(data=data)]}).encode()
        array = only_array(decode_infer(text, None, content_type))
        assert only_array(decode_infer(b"\xef\xbb\xbf" + text, None, content_type)).all()
        assert array.dtype == np.float32
        assert array.tolist() == [ROW]


def test_headers_in_the_body_and_the_name_that_kserve_repeats_are_left_out():
    request = decode(
        {
            "id": "a",
            "model_name": "m",
            "parameters": {"priority": 1, "headers": {"Evil": "1"}, "_fields_set": 2},
            "inputs": [tensor(parameters={"content_type": "np"})],
            "outputs": [{"name": "predict", "parameters": {"classification": 2}}],
        }
    )[0]
    assert request.model_dump(exclude={"inputs": {0: {"data"}}}) == {
        "id": "a",
        "parameters": {"priority": 1, "_fields_set": 2},
        "inputs": [
            {
                "name": "X",
                "shape": [1, 4],
                "datatype": "FP32",
                "parameters": {"content_type": "np"},
            }
        ],
        "outputs": [{"name": "predict", "parameters": {"classification": 2}}],
    }


def test_nulls_are_what_is_left_out():
    fields = {"id": None, "parameters": None, "outputs": None}
    request = decode({**fields, "inputs": [{**tensor(), "parameters": None}]})[0]
    assert request.model_dump(include=set(fields), exclude_none=False) == fields
    assert request.inputs[0].parameters is None


@pytest.mark.parametrize("content_type", [OCTETS, JSON, None])
def test_bytes_behind_the_json_become_an_array(content_type):
    array = only_array(decode({"inputs": [binary(16)]}, RAW, content_type=content_type))
    assert array.tolist() == [ROW]


def test_tensors_in_json_and_in_bytes_may_stand_side_by_side():
    document = {
        "inputs": [
            binary(3, name="a", datatype="BOOL", shape=[3]),
            tensor(name="b", shape=[4]),
            binary(2, name="c", datatype="FP16", shape=[1]),
            binary(2, name="d", datatype="BF16", shape=[1]),
            binary(6, name="e", datatype="BYTES", shape=[1]),
        ]
    }
    raw = b"\x01\x00\x01" + struct.pack("<e", 0.5) + b"\x80\x3f" + b"\x02\0\0\0ab"
    inputs = decode(document, raw)[0].inputs
    assert [np.asarray(one.data.root).tolist() for one in inputs] == [
        [True, False, True],
        ROW,
        [0.5],
        [1.0],
        [b"ab"],
    ]
    assert [one.datatype for one in inputs] == ["BOOL", "FP32", "FP16", "FP32", "BYTES"]


def test_text_stays_text_for_runtimes_that_read_it():
    given = tensor(datatype="BYTES", shape=[2], data=["a", "b"])
    assert only_array(decode({"inputs": [given]})) == ["a", "b"]


def test_a_large_request_is_read_as_a_small_one_is():
    expected = np.random.default_rng(1).random((20_000, 4))
    document = {
        "inputs": [tensor(shape=[20_000, 4], datatype="FP64", data=expected.ravel().tolist())],
        "outputs": [{"name": f"output {n}", "parameters": {"binary_data": True}} for n in range(9)],
    }
    inference = decode(document)
    assert np.array_equal(only_array(inference), expected)
    assert [output.name for output in inference[0].outputs][8] == "output 8"
    assert inference[1].includes("output 8")


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], 'the body: [] came; expected an object with "inputs"'),
        ({}, "inputs: nothing came; expected a list of tensors"),
        ({"inputs": 1}, "inputs: 1 came; expected a list of tensors"),
        ({"inputs": [1]}, "inputs.0: 1 came; expected a tensor"),
        ({"inputs": [tensor()], "id": 5}, "id: 5 came; expected a string"),
        ({"inputs": [tensor()], "parameters": []}, "parameters: [] came; expected an object"),
        ({"inputs": [tensor(name=3)]}, "inputs.0.name: 3 came; expected a string"),
        ({"inputs": [tensor(name=None)]}, "inputs.0.name: nothing came; expected a string"),
        ({"inputs": [tensor(), tensor(datatype="FP7")]}, "inputs.1.datatype: 'FP7' came; expected"),
        ({"inputs": [tensor(datatype=["FP32"])]}, "inputs.0.datatype: ['FP32'] came; expected one"),
        ({"inputs": [tensor(datatype="BF16")]}, "inputs.0.datatype: 'BF16' came; expected one of"),
        ({"inputs": [tensor(shape=4)]}, "inputs.0.shape: 4 came; expected a list"),
        ({"inputs": [tensor(shape=[1, -4])]}, "inputs.0.shape.1: -4 came; expected a whole number"),
        ({"inputs": [tensor(shape=[True, 4])]}, "inputs.0.shape.0: True came; expected a whole"),
        ({"inputs": [tensor(shape=[1.5])]}, "inputs.0.shape.0: 1.5 came; expected a whole number"),
        ({"inputs": [tensor(data=None)]}, "inputs.0.data: nothing came; expected a list"),
        ({"inputs": [tensor(data="1,2")]}, "inputs.0.data: '1,2' came; expected a list"),
        (
            {"inputs": [tensor(parameters={"content_type": []})]},
            "inputs.0.parameters.content_type: [] came; expected a string",
        ),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": "a"})]},
            "inputs.0.parameters.shared_memory_region: this server shares no memory",
        ),
        ({"inputs": [binary(16)]}, "inputs.0.parameters.binary_data_size: no bytes follow"),
        (
            {"inputs": [tensor()], "output": [{"name": "predict_proba"}]},
            "output: [{'name': 'predict_proba'}] came; expected none but id, inputs, outputs,",
        ),
        (
            {"inputs": [tensor(content_type="base64")]},
            "inputs.0.content_type: 'base64' came; expected none but name, shape, datatype,",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "a", "binary_data": True}]},
            "outputs.0.binary_data: True came; expected none but name, parameters",
        ),
        ({"inputs": [tensor()], "model_version": "9"}, "model_version: '9' came; expected none"),
        ('{"inputs": []}', "the body is a text that holds JSON: it was encoded twice"),
        ([ROW], 'the body: [[5.5, 3.0, 5.0, 1.75]] came; expected an object with "inputs"; rows'),
        ({"inputs": [tensor()], "outputs": {}}, "outputs: {} came; expected a list of outputs"),
        ({"inputs": [tensor()], "outputs": [{}]}, "outputs.0.name: nothing came; expected a"),
        (
            {"inputs": [tensor()], "outputs": [{"name": "a", "parameters": {"binary_data": 1}}]},
            "outputs.0.parameters.binary_data: 1 came; expected true or false",
        ),
        (
            {"inputs": [tensor()], "parameters": {"binary_data_output": "yes"}},
            "parameters.binary_data_output: 'yes' came; expected true or false",
        ),
        (
            {
                "inputs": [tensor()],
                "outputs": [{"name": "a", "parameters": {"shared_memory_region": ""}}],
            },
            "outputs.0.parameters.shared_memory_region: this server shares no memory",
        ),
    ],
)
def test_a_malformed_request_is_refused_with_the_place(document, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(document)
    assert str(caught.value).startswith(f"not a V2 request: {fault}")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (tensor(shape=[2, 4]), "input 'X' declares shape [2, 4] but holds 4 values"),
        (tensor(shape=[1] * 70, data=[5]), "input 'X' has an impossible shape"),
        (tensor(shape=[2**62] * 9_000), "but holds 4 values"),
        (tensor(shape=[2**62] * 60_000), "inputs.0.shape: [an array of"),
        (tensor(data=["a"] * 4), "input 'X' is declared FP32 but holds 'a'"),
        (tensor(datatype="INT64"), "input 'X' is declared INT64 but holds 5.5"),
        (tensor(datatype="BYTES", shape=[3]), "input 'X' declares shape [3] but holds 4 values"),
        (tensor(datatype="BYTES", shape=[2**40]), "at most 1048576 elements are read"),
    ],
)
def test_a_tensor_that_is_not_what_it_declares_is_refused(given, fault):
    with pytest.raises(InvalidInput) as caught:
        decode({"inputs": [given]})
    assert fault in str(caught.value)


@pytest.mark.parametrize("length", ["x", "-5", "0", "1000", "", "5.0", "²", "9" * 5000, " 5"])
def test_a_length_that_lies_is_refused(length):
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length is '"):
        decode({"inputs": [binary(16)]}, RAW, length)


@pytest.mark.parametrize(
    ("given", "raw", "fault"),
    [
        (binary(17), RAW, "binary_data_size: 17 came; expected a number of bytes; 16 are left"),
        (binary(-1), RAW, "binary_data_size: -1 came"),
        (binary("16"), RAW, "binary_data_size: '16' came"),
        (binary(True), RAW, "binary_data_size: True came"),
        (binary(12), RAW, "input 'X' declares FP32 [1, 4], which takes 16 bytes, but has 12"),
        (binary(16), RAW + b"ab", "2 bytes follow the last tensor"),
        (tensor(), RAW, "16 bytes follow the last tensor"),
        ({**binary(16), "data": ROW}, RAW, "binary_data_size: the tensor also has data; send one"),
        (binary(4, datatype="BOOL"), b"\x01\x00\x02\x00", "holds the byte 2; expected 0 or 1"),
        (binary(16, datatype="FP16"), RAW, "declares FP16 [1, 4], which takes 8 bytes, but has"),
        (binary(16, shape=[2**62, 2**62]), RAW, "which cannot be, but has 16 bytes"),
        (binary(16, datatype="BYTES"), RAW, "'X', element 1 ends at byte 1085276164 of 16"),
        (tensor(datatype="BF16"), RAW, "inputs.0: BF16 has no form in JSON; send bytes"),
    ],
)
def test_bytes_that_are_not_what_is_declared_are_refused(given, raw, fault):
    with pytest.raises(InvalidInput) as caught:
        decode({"inputs": [given]}, raw)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "not a V2 request: the body is not JSON"),
        (b"{", "not a V2 request: the body is not JSON"),
        (b'{"inputs": [], "a": [NaN]}', "not a V2 request: the body is not JSON"),
        (b"[" * 300_000, "the body is not JSON"),
        (b'{"inputs":[{"x":[' + b"1," * 200_000 + b"NaN]}]}", "inputs.0: {'x': "),
    ],
)
def test_what_is_no_json_is_refused(body, fault):
    with pytest.raises((InvalidInput, PayloadTooLarge), match=fault):
        decode_infer(body, None, JSON)


def test_an_array_that_nobody_reads_must_be_json_too():
    unread = b'"more":[' + b"1," * 200_000 + b"NaN]"
    good = json.dumps(tensor()).encode()[:-1]
    for body in (
        b'{"inputs":[' + good + b"," + unread + b"}]}",
        b'{"inputs":[' + good + b"}]," + unread + b"}",
    ):
        with pytest.raises(InvalidInput, match="the body is not JSON"):
            decode_infer(body, None, JSON)


@pytest.mark.parametrize(
    ("content_type", "length"),
    [
        ("text/csv", None),
        ("application/x-www-form-urlencoded", None),
        (OCTETS, None),
        ("text/csv", "5"),
        ("application/json; charset=latin-1", None),
    ],
)
def test_another_media_type_is_refused(content_type, length):
    with pytest.raises(UnsupportedMediaType):
        decode_infer(b'{"inputs": []}', length, content_type)


def response_of(*outputs, **fields):
    return InferenceResponse.model_construct(
        model_name="m",
        **{"model_version": None, "id": "7", "parameters": None, **fields},
        outputs=[
            ResponseOutput.model_construct(
                name=name,
                shape=list(np.shape(data)),
                datatype=datatype,
                parameters=Parameters.model_construct(content_type="np"),
                data=TensorData.model_construct(root=data),
            )
            for name, datatype, data in outputs
        ],
    )


def encode_json(response):
    """The blocks of a response that is JSON only."""
    return encode_infer(response, "7")[1]


LABELS = ("predict", "BYTES", np.array([["ja"], ["né"]], dtype=object))
PROBABILITIES = ("predict_proba", "FP64", np.array([[0.25, 0.75], [np.nan, 1.0]]))


def test_an_answer_in_json_has_flat_data():
    response = response_of(LABELS, PROBABILITIES, model_version="v1")
    assert json.loads(b"".join(encode_json(response))) == {
        "model_name": "m",
        "model_version": "v1",
        "id": "7",
        "outputs": [
            {
                "name": "predict",
                "shape": [2, 1],
                "datatype": "BYTES",
                "parameters": {"content_type": "np"},
                "data": ["ja", "né"],
            },
            {
                "name": "predict_proba",
                "shape": [2, 2],
                "datatype": "FP64",
                "parameters": {"content_type": "np"},
                "data": [0.25, 0.75, None, 1.0],
            },
        ],
    }


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        ("BYTES", [b"a", "b"], ["a", "b"]),
        ("INT64", np.array([[1], [-2]]), [1, -2]),
        ("BOOL", np.array([[True], [False]]), [True, False]),
        ("FP64", np.empty((0, 3)), []),
        ("FP64", [1.5, None], [1.5, None]),
        ("FP64", [], []),
        ("FP32", np.array([np.float32(0.5)]), [0.5]),
    ],
)
def test_data_of_every_kind_are_written(datatype, data, expected):
    document = json.loads(b"".join(encode_json(response_of(("a", datatype, data)))))
    assert document["outputs"][0]["data"] == expected


def test_a_large_answer_comes_in_blocks():
    scores = np.random.default_rng(1).random((100_000, 1))
    labels = np.array(["a", "b"], dtype=object)[(scores > 0.5).astype(int)]
    blocks = list(encode_json(response_of(("s", "FP64", scores), ("l", "BYTES", labels))))
    assert max(map(len, blocks)) < 500_000
    first, second = json.loads(b"".join(blocks))["outputs"]
    assert first["data"] == scores.ravel().tolist()
    assert second["data"] == labels.ravel().tolist()


def answer(response, **document):
    _, binary = decode({"inputs": [tensor()], **document})
    headers, blocks = encode_infer(response, "7", binary)
    return dict(headers), b"".join(blocks)


def test_without_a_wish_for_bytes_the_answer_is_json():
    response = response_of(LABELS)
    headers, body = answer(response)
    assert headers == {b"content-type": b"application/json"}
    assert body == b"".join(encode_json(response))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"parameters": {"binary_data_output": True}}, {"predict", "predict_proba"}),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [
                    {"name": "predict", "parameters": {"binary_data": False}},
                    {"name": "predict_proba"},
                ],
            },
            {"predict_proba"},
        ),
        (
            {
                "outputs": [
                    {"name": "predict", "parameters": {"binary_data": True}},
                    {"name": "predict_proba"},
                ]
            },
            {"predict"},
        ),
    ],
)
def test_bytes_are_answered_for_the_outputs_that_want_them(document, expected):
    headers, body = answer(response_of(LABELS, PROBABILITIES), **document)
    assert headers[b"content-type"] == OCTETS.encode()
    end = int(headers[b"inference-header-content-length"])
    outputs = json.loads(body[:end])["outputs"]
    assert {one["name"] for one in outputs if "data" not in one} == expected
    raw = {
        "predict": b"\x02\0\0\0ja\x03\0\0\0n\xc3\xa9",
        "predict_proba": PROBABILITIES[2].tobytes(),
    }
    assert body[end:] == b"".join(raw[one["name"]] for one in outputs if one["name"] in expected)
    for one in outputs:
        assert one["parameters"].get("binary_data_size", 0) == (
            len(raw[one["name"]]) if one["name"] in expected else 0
        )


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
sizes = st.integers(-1, 20) | anything
parameters = anything | st.dictionaries(
    st.sampled_from(
        ["binary_data_size", "binary_data", "binary_data_output", "content_type", "headers", "cls"]
    ),
    sizes,
)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("X") | anything,
        "shape": st.lists(sizes, max_size=3) | anything,
        "datatype": st.sampled_from(["FP32", "INT64", "BOOL", "BYTES", "FP16", "BF16"]) | anything,
        "parameters": parameters,
        "data": st.lists(anything, max_size=4) | anything,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "id": anything,
        "inputs": st.lists(tensors, max_size=3) | anything,
        "outputs": st.lists(
            st.fixed_dictionaries({"name": st.text(), "parameters": parameters}), max_size=2
        )
        | anything,
        "parameters": parameters,
    },
)


@given(documents, st.binary(max_size=30), st.none() | st.text(max_size=3))
def test_any_request_is_read_or_refused(document, raw, length):
    try:
        inference = decode(document, raw, length)
    except (InvalidInput, PayloadTooLarge):
        return
    for one in inference[0].inputs:
        if one.datatype != "BYTES":
            assert list(one.data.root.shape) == one.shape
