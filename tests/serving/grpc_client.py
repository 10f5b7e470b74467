"""One V2 call over gRPC with tritonclient: question as JSON on stdin, answer on stdout."""

import json
import sys

import numpy as np
import tritonclient.grpc as v2
from tritonclient.grpc import service_pb2 as pb
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


def call_typed(question):
    """The same with typed contents, which tritonclient's own class never sends."""
    rows = np.array(question["x"], np.float32)
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP32", shape=rows.shape)
    tensor.contents.fp32_contents.extend(rows.ravel().tolist())
    request = pb.ModelInferRequest(model_name="forest", inputs=[tensor])
    import grpc
    from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

    with grpc.insecure_channel(question["address"]) as channel:
        response = GRPCInferenceServiceStub(channel).ModelInfer(request)
    labels = response.outputs[0].contents.bytes_contents
    return {"predict": [label.decode() for label in labels]}


if __name__ == "__main__":
    question = json.load(sys.stdin)
    print(json.dumps(call_typed(question) if question.get("typed") else call(question)))
