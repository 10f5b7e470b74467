"""Messages with too many fields are refused before protobuf makes objects of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlserver.grpc import dataplane_pb2 as pb

from mlserver_forest.errors import PayloadTooLarge
from mlserver_forest.serving.v2.grpc_guard import MOST_FIELDS, check_fields

EMPTY_INPUT, EMPTY_OUTPUT, EMPTY_PARAMETER = b"\x2a\x00", b"\x32\x00", b"\x22\x00"


def tensor(**fields):
    return pb.ModelInferRequest(inputs=[pb.ModelInferRequest.InferInputTensor(**fields)])


@pytest.mark.parametrize(
    "data",
    [
        EMPTY_INPUT * 1_000_000,
        EMPTY_OUTPUT * 1_000_000,
        EMPTY_PARAMETER * 1_000_000,
        tensor(shape=[1] * 1_000_000).SerializeToString(),
        tensor(shape=[-1] * 100_000).SerializeToString(),
        b"\x2a\x80\x80\x08" + b"\x18\x01" * 65_536,  # Each dimension in a field of its own.
        b"\x2a\x80\x80\x08" + EMPTY_PARAMETER * 65_536,
    ],
    ids=["inputs", "outputs", "parameters", "shape", "negative", "unpacked", "of a tensor"],
)
def test_a_message_of_very_many_fields_is_refused(data):
    with pytest.raises(PayloadTooLarge, match=f"more than {MOST_FIELDS} tensors"):
        check_fields(data)


def test_values_are_not_counted():
    message = tensor(name="X", datatype="FP32", shape=[500_000, 4])
    message.inputs[0].contents.fp32_contents.extend([0.5] * 2_000_000)
    check_fields(message.SerializeToString())
    message.inputs[0].ClearField("contents")
    message.raw_input_contents.append(bytes(8_000_000))
    check_fields(message.SerializeToString())


def test_a_tensor_for_each_of_thousands_of_columns_is_taken():
    message = pb.ModelInferRequest(model_name="forest")
    for number in range(5_000):
        message.inputs.add(name=f"column_{number}", datatype="FP64", shape=[10, 1])
        message.inputs[number].contents.fp64_contents.extend([1.0] * 10)
    check_fields(message.SerializeToString())


@given(st.binary(max_size=100))
def test_any_bytes_are_counted_or_left_to_protobuf(start):
    check_fields(start + bytes(2**16))
