"""The loads: a request, the servers that get it, how it is sent, and how the answers are read."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import numpy as np
from mlserver.grpc import dataplane_pb2 as pb
from tests.benchmarks.peers import drivers

CONSTANT = ("bare", "mlserver-noop")
INFER = "/inference.GRPCInferenceService/ModelInfer"


@dataclass
class Request:
    """The same bytes for each server; ``answer_bytes`` holds the lengths of the checked answers."""

    path: str
    headers: dict[str, str]
    body: bytes
    labels_of: Callable[[bytes], list[str]]
    kind: str = "http"
    answer_bytes: dict[str, int] = field(default_factory=dict)

    def saved_in(self, folder):
        path = Path(folder, "request.body")
        if not path.exists():
            path.write_bytes(self.body)
        return path

    def answer_of(self, server):
        if self.kind == "grpc":
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                return channel.unary_unary(self.path)(self.body)
        url = server.url + self.path
        response = httpx.post(url, content=self.body, headers=self.headers, timeout=120)
        if response.status_code != 200:
            raise SystemExit(f"{server.name}: {response.status_code} {response.text[:500]}")
        return response.content


@dataclass(frozen=True)
class Load:
    """What ``--only`` names.

    Attributes:
        model: the name of the model that all servers serve.
        request_of: the model's rows -> the request.
        targets: peer -> how many times its rate ours must be, at least.
        beside: an earlier load of ours -> how many times its rate ours must be here, at least.
        drive: sends the request for some seconds.
        n_rows: rows in the request; above one, rates are rows a second.
    """

    name: str
    model: str
    request_of: Callable
    targets: dict[str, float]
    drive: Callable = drivers.wrk
    connections: int = 8
    n_rows: int = 1
    options: dict[str, int] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)

    def targets_beside(self, earlier):
        """The peers: an earlier version alone, if there is one."""
        return {"earlier": 0.97} if earlier else self.targets

    def servers(self, earlier):
        return (*self.targets_beside(earlier), "ours")

    def check(self, server, request, expected):
        """Compare the labels with scikit-learn's, where the server answers with the model's."""
        answer = request.answer_of(server)
        if server.name in CONSTANT:
            return
        request.answer_bytes[server.name] = len(answer)
        labels = request.labels_of(answer)
        if labels != expected:
            raise SystemExit(f"{self.name}: {server.name} answers {labels[:3]}, not {expected[:3]}")


def csv(rows):
    text = "".join(",".join(f"{value:.7f}" for value in row) + "\n" for row in rows.tolist())
    return csv_request(text)


def long_csv(rows):
    """As pandas writes numbers: up to 17 digits."""
    x = rows.astype(float) * (1 + 1e-9 * np.arange(rows.shape[1]))
    return csv_request("".join(",".join(map(repr, row)) + "\n" for row in x.tolist()))


def npy(rows):
    file = io.BytesIO()
    np.save(file, rows.astype(np.float32))
    headers = {"Content-Type": "application/x-npy", "Accept": "application/json"}
    return Request("/invocations", headers, file.getvalue(), labels_of_json)


def v2_binary(rows):
    content = rows.astype(np.float32).tobytes()
    tensor = {"name": "X", "shape": list(rows.shape), "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Content-Type": "application/octet-stream"}
    headers["Inference-Header-Content-Length"] = str(len(head))
    return Request("/v2/models/forest/infer", headers, head + content, labels_of_v2)


def short_csv(rows):
    """As people write iris: one digit after the point."""
    return csv_request("".join(",".join(f"{value:.1f}" for value in row) + "\n" for row in rows))


def csv_request(text):
    headers = {"Content-Type": "text/csv"}
    return Request("/invocations", headers, text.encode(), lambda answer: answer.decode().split())


def csv_with_header(rows):
    request = short_csv(rows)
    request.headers["Content-Type"] += "; header=present"
    names = ",".join(f"feature_{number}" for number in range(rows.shape[1]))
    request.body = f"{names}\n".encode() + request.body
    return request


def json_lines(rows):
    body = "".join(json.dumps({"features": row}) + "\n" for row in rows.astype(float).tolist())
    headers = {"Content-Type": "application/jsonlines", "Accept": "text/csv"}
    return Request("/invocations", headers, body.encode(), lambda answer: answer.decode().split())


def instances(rows):
    body = json.dumps({"instances": rows.astype(float).round(1).tolist()}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return Request("/invocations", headers, body, labels_of_json)


def labels_of_json(answer):
    return [str(each["predicted_label"]) for each in json.loads(answer)["predictions"]]


def v2_rest(rows):
    data = rows.astype(float).round(1).ravel().tolist()
    tensor = {"name": "X", "shape": list(rows.shape), "datatype": "FP32", "data": data}
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"inputs": [tensor]}).encode()
    return Request("/v2/models/forest/infer", headers, body, labels_of_v2)


def labels_of_v2(answer):
    return list(map(str, json.loads(answer)["outputs"][0]["data"]))


def v2_grpc(rows):
    message = pb.ModelInferRequest(model_name="forest")
    tensor = message.inputs.add(name="X", datatype="FP32", shape=rows.shape)
    tensor.contents.fp32_contents.extend(rows.ravel().tolist())
    return Request(INFER, {}, message.SerializeToString(), labels_of_grpc, kind="grpc")


def labels_of_grpc(answer):
    contents = pb.ModelInferResponse.FromString(answer).outputs[0].contents
    return [label.decode() for label in contents.bytes_contents]


BODY = {"drive": drivers.threads, "connections": 4, "n_rows": 20_000}
LOADS = (
    Load("csv", "iris", short_csv, {"classic": 40, "bare": 0.5}),
    Load("json", "iris", instances, {"bare": 0.4}),
    Load("json-lines", "iris", json_lines, {"bare": 0.4}),
    Load("header", "iris", csv_with_header, {"bare": 0.4}),
    Load("columns", "deep", csv, {"bare": 0.4}),
    Load("rows", "deep", csv, {"classic": 20}, n_rows=64),
    Load("v2-rest", "iris", v2_rest, {"mlserver": 25, "mlserver-noop": 2}, beside={"csv": 0.7}),
    Load("npy", "small", npy, {}, n_rows=1_000),
    Load("v2-binary", "small", v2_binary, {}, n_rows=1_000, beside={"npy": 0.8}),
    Load("v2-grpc", "iris", v2_grpc, {"mlserver": 20}, drivers.h2load),
    Load("deep-body", "deep", csv, {"classic": 2.5}, **BODY),
    Load("small-body", "small", csv, {"classic": 5}, **BODY),
    Load("17 digits", "small", long_csv, {"classic": 5}, **BODY),
)
