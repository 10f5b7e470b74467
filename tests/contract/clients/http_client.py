"""V2 calls over REST with tritonclient: question as JSON on stdin, answers on stdout."""

import json
import sys

import numpy as np
import tritonclient.http as v2
from tritonclient.utils import InferenceServerException

NAMES = ("predict", "predict_proba")


def values_of(result, names=NAMES):
    labels, *rest = (result.as_numpy(name) for name in names)
    texts = [text.decode() if isinstance(text, bytes) else text for text in labels.ravel().tolist()]
    return {
        "shape": labels.shape,
        **dict(zip(names, [texts, *(r.tolist() for r in rest)], strict=True)),
    }


def matrix(x, **options):
    tensor = v2.InferInput("X", list(x.shape), "FP32")
    tensor.set_data_from_numpy(x, **options)
    return [tensor]


def columns(x, names, datatype):
    """One tensor for each feature, every other one in JSON."""
    inputs = []
    for n, name in enumerate(names):
        tensor = v2.InferInput(name, [len(x)], datatype)
        dtype = {"FP16": np.float16, "FP64": np.float64}[datatype]
        tensor.set_data_from_numpy(x[:, n].astype(dtype), binary_data=n % 2 == 0)
        inputs.append(tensor)
    return inputs


def compressed(client, x, wanted, request, response):
    """The answer to a request in one coding, whose answer may come in another."""
    codings = {"request_compression_algorithm": request, "response_compression_algorithm": response}
    return values_of(client.infer("forest", matrix(x), outputs=wanted, **codings))


def fault_of(call):
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def call(question):
    client = v2.InferenceServerClient(question["address"])
    x = np.array(question["x"], np.float32)
    wanted = [v2.InferRequestedOutput(name) for name in NAMES]
    in_json = [v2.InferRequestedOutput(name, binary_data=False) for name in NAMES]
    metadata = client.get_model_metadata("forest")
    names = [tensor["name"] for tensor in metadata["inputs"]]
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready("forest"),
        "other_ready": client.is_model_ready("oak"),
        "server": client.get_server_metadata()["extensions"],
        "inputs": names,
        "index": client.get_model_repository_index(),
        "config": fault_of(lambda: client.get_model_config("forest")),
        "too_narrow": fault_of(lambda: client.infer("forest", matrix(x[:, :3].copy()))),
        "unknown": fault_of(lambda: client.infer("oak", matrix(x))),
        "default": values_of(client.infer("forest", matrix(x)), ["predict"]),
        "binary": values_of(client.infer("forest", matrix(x), outputs=wanted)),
        "json": values_of(client.infer("forest", matrix(x, binary_data=False), outputs=in_json)),
        "mixed": values_of(client.infer("forest", matrix(x), outputs=[wanted[0], in_json[1]])),
        "columns": values_of(client.infer("forest", columns(x, names, "FP64"), outputs=wanted)),
        "halves": values_of(client.infer("forest", columns(x, names, "FP16"), outputs=wanted)),
        "gzip": compressed(client, x, wanted, "gzip", "deflate"),
        "deflate": compressed(client, x, wanted, "deflate", "gzip"),
        "async": values_of(client.async_infer("forest", matrix(x), outputs=wanted).get_result()),
        "id": client.infer("forest", matrix(x), request_id="7").get_response()["id"],
    }


if __name__ == "__main__":
    print(json.dumps(call(json.load(sys.stdin))))
