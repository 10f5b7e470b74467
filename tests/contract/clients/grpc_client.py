"""V2 calls over gRPC with tritonclient: question as JSON on stdin, answer on stdout."""

import json
import queue
import sys

import grpc
import numpy as np
import tritonclient.grpc as v2
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import (
    InferenceServerException,
    deserialize_bytes_tensor,
    triton_to_np_dtype,
)


def call(question):
    client = v2.InferenceServerClient(question["address"])
    model, version = question.get("model", "forest"), question.get("version", "")
    named = question.get("tensors", [["X", "FP32", question["x"]]])
    tensors = [tensor_of(*tensor) for tensor in named]
    outputs = [v2.InferRequestedOutput(name) for name in question.get("outputs", ["predict"])]
    try:
        result = client.infer(model, tensors, model_version=version, outputs=outputs)
    except InferenceServerException as error:
        return {"status": error.status(), "error": error.message()}
    metadata = client.get_model_metadata(model, version)
    index = client.get_model_repository_index().models
    answer = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready() and client.is_model_ready(model, version),
        "server": client.get_server_metadata().name,
        "inputs": [tensor.name for tensor in metadata.inputs],
        "datatypes": sorted({tensor.datatype for tensor in metadata.inputs}),
        "version": result.get_response().model_version,
        "versions": list(metadata.versions),
        "index": [[model.name, model.state] for model in index],
    }
    for output in result.get_response().outputs:
        values = result.as_numpy(output.name)
        decoded = np.char.decode(values.astype(bytes)) if values.dtype == object else values
        answer[output.name] = decoded.tolist()
    return answer


def tensor_of(name, datatype, values):
    """An input of tritonclient's; None is NaN among numbers."""
    data = np.array(values, np.object_ if datatype == "BYTES" else triton_to_np_dtype(datatype))
    tensor = v2.InferInput(name, list(data.shape), datatype)
    tensor.set_data_from_numpy(data)
    return tensor


def call_stream(question):
    """Requests on one stream, as tritonclient sends them; "model" names one for each."""
    client = v2.InferenceServerClient(question["address"])
    rows = np.array(question["x"], np.float32)
    tensor = v2.InferInput("X", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for n, model in enumerate(question["models"]):
        client.async_stream_infer(
            model, [tensor], request_id=str(n), enable_empty_final_response=True
        )
    found = [answers.get(timeout=30) for _ in question["models"]]
    client.stop_stream()
    return {"answers": [error.message() if error else answered(result) for result, error in found]}


def answered(result):
    response = result.get_response()
    labels = [label.decode() for label in result.as_numpy("predict").ravel().tolist()]
    return [response.id, response.parameters["triton_final_response"].bool_param, *labels]


def call_crafted(question):
    """The same from protobuf messages, for what tritonclient's own class never sends."""
    rows = np.array(question["x"], np.float32)
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="X",
        datatype=question.get("datatype", "FP32"),
        shape=question.get("shape", rows.shape),
    )
    request = pb.ModelInferRequest(model_name=question.get("model", "forest"), inputs=[tensor])
    if question.get("typed"):
        request.inputs[0].contents.fp32_contents.extend(rows.ravel().tolist())
    else:
        raw = bytes.fromhex(question.get("raw", rows.tobytes().hex()))
        request.raw_input_contents.extend([raw] * question.get("raw_count", 1))
    for name in question.get("outputs", []):
        request.outputs.add(name=name)
    with grpc.insecure_channel(question["address"]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        if "stream" in question:
            # MLServer 1.7.1 streams ModelInferResponse where Triton wraps it once more.
            stream = channel.stream_stream(
                "/inference.GRPCInferenceService/ModelStreamInfer",
                pb.ModelInferRequest.SerializeToString,
                pb.ModelInferResponse.FromString,
            )
            answers = stream(iter([request] * question["stream"]))
            return {"predict": [label_of(answer) for answer in answers]}
        try:
            response = stub.ModelInfer(request)
            return {"id": response.id, **{o.name: values_of(response, o) for o in response.outputs}}
        except grpc.RpcError as error:
            answer = {"status": error.code().name, "error": error.details()}
        try:
            answer["ready"] = stub.ModelReady(pb.ModelReadyRequest(name=request.model_name)).ready
        except grpc.RpcError as error:
            answer["ready"] = error.code().name
        return answer


def label_of(response):
    return values_of(response, response.outputs[0])[0]


def values_of(response, output):
    """The elements of an output, which stand where the request had its own."""
    if response.raw_output_contents:
        raw = response.raw_output_contents[list(response.outputs).index(output)]
        if output.datatype == "BYTES":
            return [text.decode() for text in deserialize_bytes_tensor(raw)]
        return np.frombuffer(raw, triton_to_np_dtype(output.datatype)).tolist()
    contents = output.contents
    if output.datatype == "BYTES":
        return [text.decode() for text in contents.bytes_contents]
    return list(contents.fp64_contents)


if __name__ == "__main__":
    question = json.load(sys.stdin)
    if "models" in question:
        answer = call_stream(question)
    elif {"typed", "crafted", "stream"} & set(question):
        answer = call_crafted(question)
    else:
        answer = call(question)
    print(json.dumps(answer))
