"""Parameters of V2 requests: honored, or refused by their names, over REST and gRPC alike."""

import base64

import pytest
from mlserver.codecs import Base64Codec
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.types import InferenceRequest

from mlserver_forest.errors import InvalidInput
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.date_spelling import DateSpelling
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2 import grpc_codec, request_parser
from mlserver_forest.serving.v2.input_tensors import matrix_of
from mlserver_forest.serving.v2.understood_parameters import check_parameters

SCHEMA = Schema(
    ("plan", "day"),
    "regression",
    datatype="FP64",
    categories={"plan": Categories(("free", "pro", "très cher"))},
    spellings={"day": DateSpelling()},
)


def over_rest(parameters, inputs, outputs):
    return request_parser.request_from(
        {"parameters": parameters, "inputs": inputs, "outputs": outputs}
    )


def over_grpc(parameters, inputs, outputs):
    message = pb.ModelInferRequest()
    _fill(message.parameters, parameters)
    for one in inputs:
        tensor = message.inputs.add(name=one["name"], datatype="BYTES", shape=one["shape"])
        tensor.contents.bytes_contents.extend(text.encode() for text in one["data"])
        _fill(tensor.parameters, one["parameters"])
    for one in outputs:
        _fill(message.outputs.add(name=one["name"]).parameters, one["parameters"])
    return grpc_codec.request_from(message)


def _fill(field, parameters):
    for name, value in parameters.items():
        kind = {bool: "bool_param", int: "int64_param"}.get(type(value), "string_param")
        setattr(field[name], kind, value)


WAYS = pytest.mark.parametrize("parse", [over_rest, over_grpc])


def tensor(name, text, **parameters):
    return {
        "name": name,
        "datatype": "BYTES",
        "shape": [1, 1],
        "data": [text],
        "parameters": parameters,
    }


def request(parse, plan=None, day=None, parameters=(), **output):
    inputs = [plan or tensor("plan", "pro"), day or tensor("day", "1970-01-02")]
    outputs = [{"name": "predict", "parameters": output}]
    return parse(dict(parameters), inputs, outputs)


def rows(message):
    check_parameters(message, SCHEMA)
    return matrix_of(message.inputs, SCHEMA).tolist()


@WAYS
@pytest.mark.parametrize("word", ["pro", "très cher"])
def test_text_in_base64_is_the_text_within(parse, word):
    encoded = base64.b64encode(word.encode()).decode()
    # MLServer's own codec makes the same of it.
    assert Base64Codec.decode_input(
        InferenceRequest(inputs=[tensor("plan", encoded)]).inputs[0]
    ) == [word.encode()]
    given = request(parse, plan=tensor("plan", encoded, content_type="base64"))
    assert rows(given) == [[SCHEMA.categories["plan"].names.index(word), 86400]]


@WAYS
def test_what_is_understood_is_read(parse):
    day = tensor("day", "1970-01-02", content_type="datetime")
    plan = tensor("plan", "pro", content_type="str")
    given = request(parse, plan, day, {"content_type": "pd"}, content_type="np", binary_data=False)
    assert rows(given) == [[1, 86400]]


@WAYS
@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            {"plan": tensor("plan", "pro!", content_type="base64")},
            "input 'plan', element 1 is 'pro!', which is not text in UTF-8 encoded as base64",
        ),
        (
            {"plan": tensor("plan", "/w==", content_type="base64")},
            "input 'plan', element 1 is '/w==', which is not text in UTF-8 encoded as base64",
        ),
        (
            {"plan": tensor("plan", "pro", content_type="datetime")},
            "content_type: 'datetime' came, but 'plan' is not a feature of dates",
        ),
        (
            {"plan": tensor("plan", "pro", content_type="hg_json")},
            "content_type: 'hg_json' came; expected base64 or datetime or np or str",
        ),
        (
            {"plan": tensor("plan", "pro", precision=3)},
            "inputs.0.parameters.precision: 3 came, which this model does not understand",
        ),
        ({"classification": 2}, "outputs.0.parameters.classification: 2 came, which"),
        ({"content_type": "base64"}, "outputs.0.parameters.content_type: 'base64' came; expected"),
        ({"parameters": {"sequence_id": 7}}, "parameters.sequence_id: 7 came, which this model"),
        (
            {"shared_memory_region": "r"},
            "outputs.0.parameters.shared_memory_region: this server shares no memory",
        ),
        (
            {"plan": tensor("plan", "pro", shared_memory_region="r")},
            "inputs.0.parameters.shared_memory_region: this server shares no memory",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_its_name(parse, given, fault):
    with pytest.raises(InvalidInput) as caught:
        rows(request(parse, **given))
    assert fault in str(caught.value)
