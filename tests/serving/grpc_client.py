"""One V2 call over gRPC with tritonclient: question as JSON on stdin, answer on stdout."""

import json
import sys

import grpc
import numpy as np
import tritonclient.grpc as v2
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException


def call(question):
    client = v2.InferenceServerClient(question["address"])
    rows = np.array(question["x"], np.float32)
    tensor = v2.InferInput("X", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    outputs = [v2.InferRequestedOutput(name) for name in question.get("outputs", ["predict"])]
    try:
        result = client.infer("forest", [tensor], outputs=outputs)
    except InferenceServerException as error:
        return {"status": error.status(), "error": error.message()}
    answer = {
        "ready": client.is_server_ready() and client.is_model_ready("forest"),
        "inputs": [tensor.name for tensor in client.get_model_metadata("forest").inputs],
    }
    for output in result.get_response().outputs:
        values = result.as_numpy(output.name)
        decoded = np.char.decode(values.astype(bytes)) if values.dtype == object else values
        answer[output.name] = decoded.tolist()
    return answer


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
            return {"predict": [label_of(stub.ModelInfer(request))]}
        except grpc.RpcError as error:
            answer = {"status": error.code().name, "error": error.details()}
        try:
            answer["ready"] = stub.ModelReady(pb.ModelReadyRequest(name=request.model_name)).ready
        except grpc.RpcError as error:
            answer["ready"] = error.code().name
        return answer


def label_of(response):
    if response.raw_output_contents:
        return response.raw_output_contents[0][4:].decode()
    return response.outputs[0].contents.bytes_contents[0].decode()


if __name__ == "__main__":
    question = json.load(sys.stdin)
    crafted = {"typed", "crafted", "stream"} & set(question)
    print(json.dumps(call_crafted(question) if crafted else call(question)))
