"""Large messages are read without a copy of their raw contents, and mean the same."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from mlserver.grpc import dataplane_pb2 as pb

from mlserver_forest.errors import InvalidInput
from mlserver_forest.serving.v2.grpc_request import read_request

LARGE = np.arange(40_000, dtype="<f4").tobytes()
UNKNOWN_NUMBER = b"\x80\x7d\x05"  # Field 2000, a varint.


def message(*raw):
    made = pb.ModelInferRequest(model_name="m", id="1", raw_input_contents=raw)
    for number in range(len(raw)):
        made.inputs.add(name=f"X{number}", datatype="FP32", shape=[1, 4])
    made.outputs.add(name="predict")
    return made


@pytest.mark.parametrize("raw", [(b"abcd",), (LARGE,), (LARGE, b"", LARGE)], ids=len)
@pytest.mark.parametrize("extra", [b"", UNKNOWN_NUMBER], ids=["own fields", "unknown field"])
def test_a_message_is_read_as_protobuf_reads_it(raw, extra):
    right = message(*raw)
    found = read_request(right.SerializeToString() + extra)
    assert (found.model_name, found.id) == ("m", "1")
    assert list(found.inputs) == list(right.inputs)
    assert list(found.outputs) == list(right.outputs)
    assert list(map(bytes, found.raw_input_contents)) == list(raw)


def test_raw_contents_may_stand_anywhere():
    head = pb.ModelInferRequest(model_name="m").SerializeToString()
    contents = pb.ModelInferRequest(raw_input_contents=[LARGE]).SerializeToString()
    found = read_request(contents + head + contents)
    assert found.model_name == "m"
    assert list(map(bytes, found.raw_input_contents)) == [LARGE, LARGE]
    assert all(isinstance(view, memoryview) for view in found.raw_input_contents)


@pytest.mark.parametrize("data", [b"\x3a\xff\xff\xff\x7f", b"\x3a", b"\xff" * 20], ids=repr)
def test_bytes_that_are_not_a_message_are_refused(data):
    data = message(LARGE).SerializeToString() + data
    with pytest.raises(DecodeError):
        pb.ModelInferRequest.FromString(data)
    with pytest.raises(InvalidInput, match="not a ModelInferRequest"):
        read_request(data)
