"""Large bodies: how long an answer takes, what memory it takes, and how long /ping waits.

One real server, one client that sends a body of 100 MB, another that asks /ping all the
time. Memory is the server's peak above what it had before, in multiples of the body.
"""

import argparse
import io
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from tests.support import SERVE, launch, save_model

PROCESSES = multiprocessing.get_context("spawn")
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def rows_of(n_rows):
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 7.9, (n_rows, 4)).round(1)


def csv(n_bytes):
    block = "".join(",".join(map(str, row)) + "\n" for row in rows_of(20_000).tolist()).encode()
    return block * (n_bytes // len(block))


def instances(n_bytes):
    block = json.dumps(rows_of(20_000).tolist()).encode()[1:-1] + b","
    return b'{"instances":[' + (block * (n_bytes // len(block)))[:-1] + b"]}"


def records(n_bytes):
    rows = [dict(zip(NAMES, row, strict=True)) for row in rows_of(20_000).tolist()]
    block = json.dumps(rows).encode()[1:-1] + b","
    return b"[" + (block * (n_bytes // len(block)))[:-1] + b"]"


def json_lines(n_bytes):
    lines = [json.dumps({"features": row}) for row in rows_of(20_000).tolist()]
    block = "\n".join([*lines, ""]).encode()
    return block * (n_bytes // len(block))


def v2(n_bytes):
    block = json.dumps(rows_of(20_000).ravel().tolist()).encode()[1:-1] + b","
    times = n_bytes // len(block)
    head = {"name": "X", "shape": [20_000 * times, 4], "datatype": "FP32"}
    text = json.dumps({"inputs": [head]}).encode()[:-3]
    return text + b',"data":[' + (block * times)[:-1] + b"]}]}"


def npy(n_bytes):
    file = io.BytesIO()
    np.save(file, rows_of(n_bytes // 16).astype(np.float32))
    return file.getvalue()


def table(n_bytes):
    columns = np.random.default_rng(0).uniform(0.1, 7.9, (4, n_bytes // 16)).astype(np.float32)
    return pa.table(dict(zip(NAMES, columns, strict=True)))


def parquet(n_bytes):
    sink = pa.BufferOutputStream()
    pq.write_table(table(n_bytes), sink)
    return sink.getvalue().to_pybytes()


def arrow(n_bytes):
    sink = pa.BufferOutputStream()
    content = table(n_bytes)
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=100_000)
    return sink.getvalue().to_pybytes()


def libsvm(n_bytes):
    rows = rows_of(20_000).tolist()
    lines = [" ".join(f"{i}:{value}" for i, value in enumerate(row)) for row in rows]
    block = "\n".join([*lines, ""]).encode()
    return block * (n_bytes // len(block))


BODIES = {
    "text/csv": ("text/csv", csv),
    "json, instances": ("application/json", instances),
    "json, records": ("application/json", records),
    "json, V2": ("application/json", v2),
    "application/jsonlines": ("application/jsonlines", json_lines),
    "application/x-npy": ("application/x-npy", npy),
    "application/x-parquet": ("application/x-parquet", parquet),
    "arrow stream": ("application/vnd.apache.arrow.stream", arrow),
    "text/libsvm": ("text/libsvm", libsvm),
}


def ping(url, started, ended, waits):
    """Ask /ping every 2 ms on a connection that stays open; the seconds that it waited.

    In a process of its own, or the client that sends the body would be what it waits for.
    """
    found = []
    with httpx.Client(timeout=60) as client:
        started.set()
        while not ended.is_set():
            asked = time.perf_counter()
            assert client.get(url + "/ping").status_code == 200
            found.append(time.perf_counter() - asked)
            time.sleep(0.002)
    waits.put(found)


def kilobytes(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


def measure(model_dir, media_type, body, accept):
    server = launch(model_dir, SERVE, FOREST_GRPC_PORT="off", MODEL_SERVER_WORKERS="1")
    server.wait_until_ready()
    try:
        (pid,) = server.workers()
        headers = {"content-type": media_type, "accept": accept}
        small = {"content-type": "text/csv"}
        httpx.post(server.url + "/invocations", content="1,2,3,4", headers=small)
        before = kilobytes(pid, "VmRSS")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # The peak begins anew.
        started, ended, waits = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.Queue()
        pings = PROCESSES.Process(target=ping, args=(server.url, started, ended, waits))
        pings.start()
        started.wait(60)
        sent = time.perf_counter()
        with httpx.stream(
            "POST", server.url + "/invocations", content=body, headers=headers, timeout=600
        ) as response:
            size = sum(len(part) for part in response.iter_raw())
        seconds = time.perf_counter() - sent
        ended.set()
        found = waits.get(timeout=60)
        pings.join()
        assert response.status_code == 200, response.status_code
        peak = (kilobytes(pid, "VmHWM") - before) * 1024 / len(body)
        return seconds, peak, max(found), np.percentile(found, 99), size
    finally:
        server.end()


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks bodies")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--only", choices=BODIES)
    options = parser.parse_args(arguments)
    x = rows_of(500).astype(np.float32)
    forest = RandomForestClassifier(25, random_state=0)
    forest.fit(x, np.array(["setosa", "versicolor", "virginica"])[(x[:, 0] / 2.7).astype(int)])
    with tempfile.TemporaryDirectory() as folder:
        model_dir = save_model(Path(folder) / "model", forest, x)
        print(f"{'body':24}{'answer':>10}{'MB in':>7}{'MB out':>8}{'seconds':>9}"
              f"{'memory':>8}{'ping max':>10}{'p99':>8}")  # fmt: skip
        for name, (media_type, make) in BODIES.items():
            if options.only not in (None, name):
                continue
            body = make(options.megabytes * 1_000_000)
            for accept in ("text/csv", "application/json"):
                seconds, peak, longest, p99, size = measure(model_dir, media_type, body, accept)
                print(
                    f"{name:24}{accept[-8:]:>10}{len(body) / 1e6:7.0f}{size / 1e6:8.0f}"
                    f"{seconds:9.1f}{peak:7.1f}x{1000 * longest:8.0f}ms{1000 * p99:6.0f}ms",
                    flush=True,
                )
