"""V1 and V2 calls with KServe's own client, over REST and gRPC: question as JSON on stdin, answers
on stdout. It runs where ``kserve`` is installed (kserve-requirements.lock).
"""

import asyncio
import json
import sys

import numpy as np
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.infer_type import RequestedOutput

NAMES = ("predict", "predict_proba")


def request_of(x, *, binary):
    tensor = InferInput("X", list(x.shape), "FP32")
    tensor.set_data_from_numpy(x, binary_data=binary)
    outputs = [RequestedOutput(name, parameters={"binary_data": binary}) for name in NAMES]
    return InferRequest("forest", [tensor], request_id="7", request_outputs=outputs)


def values_of(response):
    arrays = {output.name: output.as_numpy() for output in response.outputs}
    decode = np.vectorize(lambda label: label.decode() if isinstance(label, bytes) else label)
    return {
        "id": response.id,
        "predict": decode(arrays["predict"]).ravel().tolist(),
        "predict_proba": arrays["predict_proba"].tolist(),
    }


async def call_rest(url, x):
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        answers = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model_ready": await client.is_model_ready(url, "forest"),
        }
        for kind, binary in (("json", False), ("binary", True)):
            response = await client.infer(url, request_of(x, binary=binary), model_name="forest")
            answers[kind] = values_of(response)
    return answers


async def call_v1(url, x):
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        rows = {"instances": x.tolist()}
        explained = await client.explain(url, model_name="forest", data=rows)
        return {
            "model_ready": await client.is_model_ready(url, "forest"),
            "predict": await client.infer(url, rows, model_name="forest"),
            "explain": explained["explanations"][0],
        }


async def call_grpc(address, x):
    async with InferenceGRPCClient(address) as client:
        answers = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model_ready": await client.is_model_ready("forest"),
        }
        for kind, binary in (("typed", False), ("raw", True)):
            answers[kind] = values_of(await client.infer(request_of(x, binary=binary)))
    return answers


async def call(question):
    x = np.array(question["x"], np.float32)
    return {
        "v1": await call_v1(question["url"], x),
        "rest": await call_rest(question["url"], x),
        "grpc": await call_grpc(question["address"], x),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call(json.load(sys.stdin)))))
