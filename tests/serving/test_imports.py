"""A server imports what it needs to serve a forest, all of it before it is ready, and nothing else.

The server is a process from nothing, because the one that other tests fork has imported everything.
"""

import io
import json
import sys

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from support import ask_over_grpc, launch

# What pandas, MLServer's server, and Numba's compiler bring along, each of it 5 to 40 MB.
HEAVY = {
    *("pandas", "fastapi", "starlette", "uvicorn", "opentelemetry", "aiokafka", "sklearn"),
    *("pydantic_settings", "mlserver.server", "mlserver.codecs", "mlserver.model", "matplotlib"),
    *("scipy.linalg", "scipy.sparse", "cffi", "numba.np.linalg", "boto3"),
    *("distributed", "xgboost", "lightgbm", "jinja2", "mlserver_forest.training"),
}
# ``serve``, which writes the modules that a worker begins with, and each that comes later.
SERVE = """
import os, sys
from mlserver_forest.serving.process.worker import Worker
from mlserver_forest.serving.cli import serve
log = open({log!r}, "w", buffering=1)
run = Worker.run
def noting(worker):
    log.write("\\n".join(name for name, module in sys.modules.items() if module) + "\\n")
    sys.addaudithook(lambda event, args: event == "import" and log.write(args[0] + "\\n"))
    run(worker)
Worker.run = noting
serve()
"""


def bodies(rows):
    """A request in each format that holds numbers."""
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    table = pa.table(dict(zip(names, rows.T, strict=True)))
    parquet, arrow, npy, npz = (io.BytesIO() for _ in range(4))
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(arrow, table.schema) as stream:
        stream.write_table(table)
    np.save(npy, rows)
    scipy.sparse.save_npz(npz, scipy.sparse.csr_array(rows))
    text = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    yield "text/csv", text.encode()
    yield "text/csv", text.splitlines()[0].encode()
    yield "text/csv; header=present", (",".join(names) + "\n" + text).encode()
    yield "application/json", json.dumps({"instances": rows.tolist()}).encode()
    lines = [json.dumps({"features": row}) for row in rows.tolist()]
    yield "application/jsonlines", "\n".join(lines).encode()
    yield "application/x-parquet", parquet.getvalue()
    yield "application/vnd.apache.arrow.stream", arrow.getvalue()
    yield "application/x-npy", npy.getvalue()
    yield "application/x-npz", npz.getvalue()
    yield "text/libsvm; index_base=1", b"".join(b"0 " + line for line in libsvm(rows))


def libsvm(rows):
    for row in rows.tolist():
        yield " ".join(f"{n}:{v}" for n, v in enumerate(row, 1)).encode() + b"\n"


def test_nothing_heavy_is_imported_and_nothing_at_all_by_a_request(model_dir, iris, tmp_path):
    log, rows = tmp_path / "imports", iris[0][:60]
    script = SERVE.format(log=str(log))
    server = launch(model_dir, (sys.executable, "-c", script), MODEL_SERVER_WORKERS="1")
    try:
        server.wait_until_ready()
        before = log.read_text()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            for content_type, body in bodies(rows):
                for accept in ("text/csv", "application/json", "application/x-parquet"):
                    headers = {"content-type": content_type, "accept": accept}
                    answer = client.post("/invocations", content=body, headers=headers)
                    assert answer.status_code == 200, (content_type, answer.text)
            data = {"name": "X", "shape": [60, 4], "datatype": "FP32", "data": rows.tolist()}
            for some in (data, data | {"shape": [1, 4], "data": rows[0].tolist()}):
                answer = client.post("/v2/models/forest/infer", json={"inputs": [some]})
                assert answer.status_code == 200
            headers = {"content-type": "text/csv"}
            assert client.post("/invocations", content=b"a,b", headers=headers).status_code == 400
            assert client.get("/metrics").status_code == 200
        assert ask_over_grpc(server.grpc_port, rows.tolist())
    finally:
        server.end()
    found, imported = set(before.split()), log.read_text()[len(before) :]
    assert "mlserver.types" in found
    assert {name for name in HEAVY if name in found} == set()
    # pyarrow asks for pandas, and is told that there is none.
    assert sorted(set(imported.split()) - found - {"pandas"}) == []
