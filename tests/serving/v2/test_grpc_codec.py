"""V2 over gRPC: messages are read as requests, and responses written as messages, with raw or typed
contents.
"""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.types import InferenceResponse, Parameters, ResponseOutput, TensorData

from mlserver_forest.errors import InvalidInput
from mlserver_forest.serving.v2.grpc_codec import message_from, request_from

ROW = [5.5, 3.0, 5.0, 1.75]
RAW = struct.pack("<4f", *ROW)


def message(raw=None, *, datatype="FP32", shape=(1, 4), **contents):
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype=datatype, shape=shape)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return pb.ModelInferRequest(
        model_name="forest", inputs=[tensor], raw_input_contents=[] if raw is None else [raw]
    )


@pytest.mark.parametrize(
    ("datatype", "content", "expected"),
    [
        ("FP32", RAW, ROW),
        ("FP64", struct.pack("<4d", *ROW), ROW),
        ("FP16", struct.pack("<4e", *ROW), ROW),
        ("BF16", b"".join(struct.pack("<f", value)[2:] for value in ROW), ROW),
        ("INT8", struct.pack("<4b", 5, -3, 5, 1), [5, -3, 5, 1]),
        ("BOOL", b"\x00\x01\x01\x00", [False, True, True, False]),
        ("FP32", {"fp32_contents": ROW}, ROW),
        ("FP64", {"fp64_contents": ROW}, ROW),
        ("INT64", {"int64_contents": [5, -3, 5, 1]}, [5, -3, 5, 1]),
        ("INT8", {"int_contents": [5, -3, 5, 1]}, [5, -3, 5, 1]),
        ("UINT8", {"uint_contents": [5, 3, 5, 255]}, [5, 3, 5, 255]),
        ("UINT64", {"uint64_contents": [5, 3, 5, 2**64 - 1]}, [5, 3, 5, 2**64 - 1]),
        ("BOOL", {"bool_contents": [False, True, True, False]}, [False, True, True, False]),
    ],
)
def test_numbers_of_every_datatype_become_an_array(datatype, content, expected):
    given = (
        message(datatype=datatype, **content)
        if isinstance(content, dict)
        else message(content, datatype=datatype)
    )
    (only,) = request_from(given).inputs
    assert only.data.root.tolist() == [expected]
    assert only.datatype == ("FP32" if datatype == "BF16" else datatype)


def test_long_contents_are_read_whole():
    expected = np.random.default_rng(1).random((50_000, 2))
    given = message(datatype="FP64", shape=(50_000, 2), fp64_contents=expected.ravel())
    assert np.array_equal(request_from(given).inputs[0].data.root, expected)


def test_text_stays_bytes_for_runtimes_that_read_it():
    in_fields = message(datatype="BYTES", shape=(2,), bytes_contents=[b"a", b"bc"])
    raw = message(b"\x01\0\0\0a\x02\0\0\0bc", datatype="BYTES", shape=(2,))
    for sent in (in_fields, raw):
        assert request_from(sent).inputs[0].data.root == [b"a", b"bc"]


def test_names_ids_and_parameters_are_kept():
    given = message(RAW)
    given.id = "7"
    given.parameters["priority"].int64_param = 3
    given.parameters["headers"].string_param = "evil"
    given.inputs[0].parameters["content_type"].string_param = "np"
    given.outputs.add(name="predict").parameters["classification"].int64_param = 2
    assert request_from(given).model_dump(exclude={"inputs": {0: {"data"}}}) == {
        "id": "7",
        "parameters": {"priority": 3},
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


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (message(b"\0"), "'X' declares FP32 [1, 4], which takes 16 bytes, but has 1 bytes"),
        (message(b""), "'X' declares FP32 [1, 4], which takes 16 bytes, but has 0 bytes"),
        (message(RAW, shape=[-1, 4]), "declares FP32 [-1, 4], which cannot be, but has 16 bytes"),
        (message(RAW, shape=[2**31, 2**32]), "which cannot be, but has 16 bytes"),
        (message(RAW, shape=[2**40]), "which takes 4398046511104 bytes, but has 16 bytes"),
        (message(RAW, datatype="FOO"), "'X' has datatype 'FOO'; the model reads numbers: BOOL"),
        (message(RAW, datatype=""), "'X' has datatype ''; the model reads numbers: BOOL"),
        (message(RAW, datatype="BYTES"), "'X', element 1 ends at byte 1085276164 of 16"),
        (message(b"\0\1\2\0", datatype="BOOL"), "'X' is declared BOOL but holds the byte 2"),
        (
            message(RAW, fp32_contents=[1]),
            "'X' has both fp32_contents and raw contents; send only one of",
        ),
        (message(), "'X' declares shape [1, 4] but holds 0 values"),
        (message(fp32_contents=[1]), "'X' declares shape [1, 4] but holds 1 value"),
        (message(fp32_contents=ROW, shape=[-1, 4]), "declares shape [-1, 4] but holds 4 values"),
        (
            message(datatype="FP64", fp32_contents=ROW),
            "'X' is FP64 but has fp32_contents; send its values in fp64_contents, or in raw",
        ),
        (
            message(fp32_contents=ROW, int_contents=[1]),
            "'X' is FP32 but has int_contents, fp32_contents; send its values in fp32_contents",
        ),
        (
            message(datatype="FP16", fp32_contents=ROW),
            "'X' is FP16, which has no field for",
        ),
        (message(datatype="FP8"), "'X' has datatype 'FP8'; expected one of BOOL, UINT8"),
        (
            message(datatype="UINT8", uint_contents=[1, 2, 3, 256]),
            "'X' holds 256, which does not fit UINT8",
        ),
        (
            message(datatype="BYTES", bytes_contents=[b"a"]),
            "'X' declares shape [1, 4] but holds 1 value",
        ),
    ],
)
def test_an_invalid_message_is_refused_with_the_tensor_and_the_reason(given, fault):
    with pytest.raises(InvalidInput) as caught:
        request_from(given)
    assert str(caught.value).startswith("input 'X'")
    assert fault in str(caught.value)


def test_a_parameter_of_a_type_that_is_not_read_is_refused():
    given = message(RAW)
    # tritonclient's priority is a uint64_param, field 5 of Triton's InferParameter.
    given.parameters["priority"].MergeFromString(b"\x28\x02")
    with pytest.raises(InvalidInput, match=r"^parameters\.priority has no value of a type that"):
        request_from(given)


def test_each_input_needs_its_raw_contents():
    given = message(RAW)
    given.raw_input_contents.append(RAW)
    with pytest.raises(InvalidInput, match="has 1 inputs but 2 raw contents; send one each"):
        request_from(given)


LABELS = np.array([["ja"], ["né"]], dtype=object)
PROBABILITIES = np.array([[0.25, 0.75], [np.nan, 1.0]])


def response_of(**outputs):
    return InferenceResponse.model_construct(
        model_name="m",
        model_version="v1",
        id="7",
        parameters=None,
        outputs=[
            ResponseOutput.model_construct(
                name=name,
                shape=list(np.shape(data)),
                datatype=datatype,
                parameters=Parameters.model_construct(content_type="np"),
                data=TensorData.model_construct(root=data),
            )
            for name, (datatype, data) in outputs.items()
        ],
    )


def test_an_answer_in_raw_contents():
    response = response_of(a=("BYTES", LABELS), b=("FP64", PROBABILITIES))
    answer = message_from(response, raw=True)
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "v1", "7")
    assert [(one.name, one.datatype, list(one.shape)) for one in answer.outputs] == [
        ("a", "BYTES", [2, 1]),
        ("b", "FP64", [2, 2]),
    ]
    assert [one.parameters["content_type"].string_param for one in answer.outputs] == ["np", "np"]
    assert list(answer.raw_output_contents) == [
        b"\x02\0\0\0ja\x03\0\0\0n\xc3\xa9",
        PROBABILITIES.tobytes(),
    ]


def test_an_answer_in_the_fields_of_its_datatypes():
    answer = message_from(
        response_of(
            a=("BYTES", LABELS),
            b=("FP64", PROBABILITIES),
            c=("INT64", np.array([[3]])),
            d=("BOOL", np.array([[True]])),
            e=("FP64", [1.5, 2]),
            f=("BYTES", ["a", b"b"]),
            g=("FP64", np.empty((0, 1))),
        ),
        raw=False,
    )
    contents = [one.contents for one in answer.outputs]
    assert list(contents[0].bytes_contents) == [b"ja", "né".encode()]
    assert np.array_equal(contents[1].fp64_contents, PROBABILITIES.ravel(), equal_nan=True)
    assert list(contents[2].int64_contents) == [3]
    assert list(contents[3].bool_contents) == [True]
    assert list(contents[4].fp64_contents) == [1.5, 2]
    assert list(contents[5].bytes_contents) == [b"a", b"b"]
    assert list(contents[6].fp64_contents) == []
    assert not answer.raw_output_contents


def test_halves_have_no_field_and_are_answered_raw():
    answer = message_from(response_of(a=("FP16", np.array([0.5], np.float16))), raw=False)
    assert list(answer.raw_output_contents) == [struct.pack("<e", 0.5)]


@given(
    st.sampled_from(["FP32", "BF16", "INT8", "BOOL", "BYTES", "FP9"]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 4), max_size=3),
    st.none() | st.binary(max_size=20),
    st.dictionaries(
        st.sampled_from(["fp32_contents", "int_contents", "bool_contents"]),
        st.lists(st.integers(0, 1), max_size=4),
    ),
)
def test_any_message_is_read_or_refused(datatype, shape, raw, contents):
    try:
        (only,) = request_from(message(raw, datatype=datatype, shape=shape, **contents)).inputs
    except InvalidInput:
        return
    assert list(np.shape(only.data.root)) == shape or datatype == "BYTES"
