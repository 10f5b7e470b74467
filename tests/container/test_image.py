"""The real image in a real engine: built from the Dockerfile, run as SageMaker runs it."""

import io
import json
import subprocess
import threading
import time
from contextlib import suppress

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
import xgboost
from grpc import RpcError, StatusCode
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestRegressor

from containers import docker, ports
from fuzz.request_samples import framed, npy, record
from grpc_load import ask, message_of
from mlserver_forest.formats.registry import FORMATS, answer_formats
from raw_grpc import MODEL_INFER, RawGRPC, prefixed
from support import (
    IRIS,
    IRIS_NAMES,
    PAYLOAD,
    ROOT,
    ask_over_grpc,
    clean_environ,
    free_port,
    lay_out,
    save_model,
)

pytestmark = pytest.mark.container

CSV = {"content-type": "text/csv"}


def test_the_images_are_what_sagemaker_expects(image, serving_image):
    """They share the layers of what both need; the code is a layer of its own, and the last."""
    full, serving = json.loads(docker("inspect", image, serving_image).stdout)
    prefix = "com.amazonaws.sagemaker.capabilities."
    for config in (full["Config"], serving["Config"]):
        assert config["Labels"][prefix + "accept-bind-to-port"] == "true"
        assert config["Labels"][prefix + "multi-models"] == "true"
        assert not config["Entrypoint"]
    assert (full["Config"]["Cmd"], serving["Config"]["Cmd"]) == (["train"], ["serve"])
    assert full["RootFS"]["Layers"][:2] == serving["RootFS"]["Layers"][:2]
    assert serving["Size"] < 0.6 * full["Size"]


# What prints nothing: compilers, files that give their caller another user's rights, pip and wheels
# to make it from, libraries' tests and headers, and package lists and archives.
LEFT_OVER = """
for tool in gcc cc g++ clang make ld; do command -v $tool; done
find / -xdev -type f -perm /6000
find / -xdev \\( -name 'pip*.whl' -o -path '*/bin/pip*' -o -path '*-packages/pip' \\)
for python in /opt/forest/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
    [ ! -x $python ] || { $python -m pip --version; $python -m ensurepip --version; } 2>/dev/null
done
find /opt/forest -type d \\( -name test -o -name tests -o -name include \\)
find /var/cache/apt /var/lib/apt/lists -type f
"""


@pytest.fixture(params=["image", "serving_image"])
def either_image(request):
    """The image that trains and serves, and the one that only serves."""
    return request.getfixturevalue(request.param)


def test_nothing_is_left_in_it_that_nobody_uses(either_image):
    assert docker("run", "--rm", either_image, "bash", "-c", LEFT_OVER).stdout == ""


def test_its_bill_of_materials_names_every_distribution(either_image):
    """CycloneDX's JSON in /opt/forest/sbom.cdx.json, compared with what Python finds."""
    image = either_image
    sbom = json.loads(docker("run", "--rm", image, "cat", "/opt/forest/sbom.cdx.json").stdout)
    assert sbom["bomFormat"] == "CycloneDX"
    script = (
        "from importlib.metadata import distributions; "
        "print(*{f'{found.name}=={found.version}' for found in distributions()}, sep='\\n')"
    )
    found = docker("run", "--rm", image, "python3", "-c", script).stdout.split()
    listed = [f"{part['name']}=={part['version']}" for part in sbom["components"]]
    assert sorted(listed) == sorted(found)
    assert any(name.startswith("mlserver-forest==") for name in listed)


def bodies_of(x):
    """Rows of iris in every media type that requests may have."""
    lines = [",".join(map(str, row)) for row in x.tolist()]
    table = pa.table({name: x[:, column] for column, name in enumerate(IRIS_NAMES)})
    parquet, stream, sparse = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    scipy.sparse.save_npz(sparse, scipy.sparse.csr_matrix(x))
    pairs = [" ".join(f"{column}:{value}" for column, value in enumerate(row)) for row in x]
    return {
        "text/csv": "\n".join(lines).encode(),
        "application/json": json.dumps({"instances": x.tolist()}).encode(),
        "application/jsonlines": "\n".join(map(json.dumps, x.tolist())).encode(),
        "application/x-npy": npy(x),
        "application/x-npz": sparse.getvalue(),
        "application/x-parquet": parquet.getvalue(),
        "application/vnd.apache.arrow.stream": stream.getvalue(),
        "text/libsvm": "\n".join(pairs).encode(),
        "application/x-recordio-protobuf": b"".join(
            framed(record(2, np.float32(row).tobytes())) for row in x
        ),
    }


def test_it_reads_and_writes_every_media_type(either_image, ml, run):
    http = free_port()
    volume = f"{ml}/model:/opt/ml/model:ro"
    server = run(*ports(http, free_port()), "-v", volume, either_image, "serve")
    url = f"http://127.0.0.1:{http}"
    server.wait_until_ready(url)
    x = np.loadtxt(PAYLOAD, delimiter=",")
    bodies = bodies_of(x)
    assert set(bodies) == {found.media_type for found in FORMATS}
    expected = ["setosa"] * 5 + ["versicolor"] * 5 + ["virginica"] * 5
    for media_type, body in bodies.items():
        headers = {"content-type": media_type, "accept": "text/csv"}
        answer = httpx.post(url + "/invocations", content=body, headers=headers)
        assert (media_type, answer.text.split()) == (media_type, expected)
    for media_type in (found.media_type for found in answer_formats()):
        headers = {"content-type": "text/csv", "accept": media_type}
        answer = httpx.post(url + "/invocations", content=bodies["text/csv"], headers=headers)
        assert (answer.headers["content-type"], answer.status_code) == (media_type, 200)
    assert "Traceback" not in server.logs()


@pytest.mark.parametrize("arguments", [[], ["train"]])
def test_it_trains_with_a_read_only_root_and_without_a_network(image, tmp_path, arguments):
    """Without an argument too, as the SageMaker SDK's ModelTrainer starts it; with its report,
    and nothing else left behind.
    """
    lay_out(tmp_path, {"train": {"iris.csv": IRIS.read_text()}}, {"n_estimators": "5"})
    volume = f"{tmp_path}:/opt/ml"
    docker("run", "--rm", "--network=none", "--read-only", "-v", volume, image, *arguments)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"model-settings.json", "forest.safetensors"}
    written = {path.name for path in (tmp_path / "output" / "data").iterdir()}
    assert written == {"metrics.json", "report.html", "statistics.json", "constraints.json"}


def test_the_image_that_only_serves_names_the_one_that_trains(serving_image, tmp_path):
    lay_out(tmp_path, {"train": {"iris.csv": IRIS.read_text()}}, {})
    done = docker("run", "--rm", "-v", f"{tmp_path}:/opt/ml", serving_image, "train", check=False)
    assert done.returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason.startswith("ClientError: this image only serves (it was built with --target")
    assert "train with the full image, which forest push" in reason


def test_a_failed_job_says_why(image, tmp_path):
    lay_out(tmp_path, {"train": {"iris.csv": IRIS.read_text()}}, {"n_estimators": "many"})
    done = docker("run", "--rm", "-v", f"{tmp_path}:/opt/ml", image, "train", check=False)
    assert done.returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason.startswith("ClientError: 1 invalid hyperparameter: n_estimators is 'many'")
    assert not (tmp_path / "model").exists()


def test_it_serves_every_protocol_with_nothing_writable_and_no_rights(either_image, ml, run):
    http, grpc = free_port(), free_port()
    server = run(
        "--read-only", "--user", "12345:12345", "--cap-drop=ALL", *ports(http, grpc),
        "-v", f"{ml}/model:/opt/ml/model:ro", either_image, "serve",
    )  # fmt: skip
    url = f"http://127.0.0.1:{http}"
    server.wait_until_ready(url)

    labels = httpx.post(url + "/invocations", content=PAYLOAD.read_bytes(), headers=CSV).text
    assert labels.split() == ["setosa"] * 5 + ["versicolor"] * 5 + ["virginica"] * 5

    x = np.loadtxt(PAYLOAD, delimiter=",")
    tensor = {"name": "X", "shape": [15, 4], "datatype": "FP32", "data": x.ravel().tolist()}
    v2 = httpx.post(url + "/v2/models/forest/infer", json={"inputs": [tensor]}).json()
    assert v2["outputs"][0]["data"] == labels.split()

    answer = ask_over_grpc(grpc, x.tolist())
    assert [label for (label,) in answer["predict"]] == labels.split()

    assert server.stop(seconds=5) == 0
    assert "Traceback" not in server.logs()


def test_it_serves_as_a_serverless_endpoint(image, ml, run):
    """No /dev/shm, a read-only root, no rights, HOME unset: as in SageMaker's sandbox."""
    http = free_port()
    server = run(
        "--read-only", "--ipc=none", "--user", "12345:12345", "--cap-drop=ALL", "--memory=1g",
        *ports(http, free_port()), "-v", f"{ml}/model:/opt/ml/model:ro",
        image, "env", "-u", "HOME", "serve",
    )  # fmt: skip
    url = f"http://127.0.0.1:{http}"
    server.wait_until_ready(url)
    assert "No such file" in docker("exec", server.name, "ls", "/dev/shm", check=False).stderr
    body = PAYLOAD.read_bytes()
    for accept in ("text/csv", "application/json", "application/x-parquet", "application/x-npy"):
        response = httpx.post(url + "/invocations", content=body, headers={**CSV, "accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, accept)
    large = httpx.post(url + "/invocations", content=body * 4000, headers=CSV, timeout=60)
    assert len(large.text.split()) == 15 * 4000
    assert server.stop(seconds=5) == 0


def test_a_multi_model_endpoint_says_507_before_its_memory_is_full(serving_image, run, tmp_path):
    """SageMaker then unloads models and tries again; nothing is killed, nothing lost."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30_000, 4)).astype(np.float32)
    forest = RandomForestRegressor(16, random_state=0).fit(x, rng.normal(size=len(x)))
    save_model(tmp_path / "big" / "model", forest, x)
    tmp_path.chmod(0o755)
    http = free_port()
    server = run(
        "--read-only", "--user", "12345", "--memory=512m", "--memory-swap=512m",
        "-e", "SAGEMAKER_MULTI_MODEL=true", *ports(http, free_port()),
        "-v", f"{tmp_path}:/opt/ml/models:ro", serving_image, "serve",
    )  # fmt: skip
    url = f"http://127.0.0.1:{http}"
    server.wait_until_ready(url)
    with httpx.Client(base_url=url, timeout=30) as client:

        def load(name):
            document = {"model_name": name, "url": "/opt/ml/models/big/model"}
            return client.post("/models", json=document)

        names = []
        while (response := load(f"m{len(names)}")).status_code == 200:
            names.append(f"m{len(names)}")
            assert len(names) < 200
        assert response.status_code == 507
        assert "unload a model" in response.json()["error"]
        assert len(names) >= 2
        for name in names:
            answer = client.post(f"/models/{name}/invoke", content="1,2,3,4", headers=CSV)
            assert answer.status_code == 200
        assert client.delete(f"/models/{names[0]}").status_code == 200
        # Each worker lets go of the model's memory when it has finished with it.
        deadline = time.monotonic() + 20
        while (again := load("again").status_code) == 507 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert again == 200
        assert client.get("/ping").status_code == 200
    assert server.state("OOMKilled") == "false"
    assert server.stop(seconds=10) == 0


def test_a_small_container_refuses_what_does_not_fit_and_goes_on(image, ml, run):
    """Bodies with a length and in chunks, gRPC messages, and small bodies that expand."""
    http, grpc = free_port(), free_port()
    limits = ["--memory=400m", "--memory-swap=400m", "--cpus=2"]
    arguments = ["-v", f"{ml}:/opt/ml", *ports(http, grpc), image, "serve"]
    container = run(*limits, *arguments)
    url = f"http://127.0.0.1:{http}"
    container.wait_until_ready(url)
    row = PAYLOAD.read_bytes().splitlines(keepends=True)[0]

    def post(content, headers=CSV):
        try:
            answer = httpx.post(f"{url}/invocations", content=content, headers=headers, timeout=120)
        except httpx.WriteError:  # It was refused while the client was still sending.
            return None
        finally:
            assert httpx.post(f"{url}/invocations", content=row, headers=CSV).status_code == 200
        return answer.status_code, "memory" in answer.text

    ended = [post(row * (megabytes * 2**20 // len(row))) for megabytes in (100, 100, 40, 100)]
    assert ended[0] == ended[1] == ended[3] == (413, True)
    for _ in range(3):
        assert post(row * 20_000 for _ in range(300)) in ((413, True), (503, True), None)
    file = io.BytesIO()
    np.savez_compressed(file, np.zeros((8_000_000, 4), np.float32))
    for _ in range(3):
        status, _ = post(file.getvalue(), {"content-type": "application/x-npz"})
        assert status in (200, 413, 503)
    message = message_of(np.ones((5_000_000, 4)))
    for _ in range(3):
        with pytest.raises(RpcError) as refused:
            ask(grpc, message)
        assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
        assert post(row) == (200, False)
    assert container.state("OOMKilled") == "false"
    assert len(container.logs().splitlines()) < 30


def test_messages_that_many_grpc_clients_send_slowly_do_not_fill_a_container(image, ml, run):
    """Forty clients send 60 MB each, a megabyte at a time, for as long as others call."""
    http, grpc = free_port(), free_port()
    limits = ["--memory=1g", "--memory-swap=1g", "--cpus=2"]
    container = run(*limits, "-v", f"{ml}:/opt/ml", *ports(http, grpc), image, "serve")
    container.wait_until_ready(f"http://127.0.0.1:{http}")
    message = message_of([[5.9, 3.0, 5.1, 1.8]])
    right = ask(grpc, message)
    ended, n_given_up = threading.Event(), 0

    def send():
        nonlocal n_given_up
        piece = bytes(1 << 20)
        while not ended.is_set():
            with suppress(OSError), RawGRPC(grpc) as client:
                stream = client.call(MODEL_INFER)
                left = (60 << 20) - client.send(stream, prefixed(60 << 20))
                while left and stream not in client.ended and not ended.is_set():
                    left -= client.send(stream, piece[:left])
                n_given_up += left > 0 and not ended.is_set()

    threads = [threading.Thread(target=send) for _ in range(40)]
    for thread in threads:
        thread.start()
    answers = []
    while n_given_up < 100 or len(answers) < 20:
        with suppress(RpcError):  # A call may be refused for the moment.
            answers.append(ask(grpc, message))
        assert httpx.get(f"http://127.0.0.1:{http}/ping", timeout=10).status_code == 200
    ended.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {right}
    assert container.state("OOMKilled") == "false"
    assert "SIGKILL" not in container.logs()


def test_a_container_that_may_start_too_few_threads_says_so(image, ml):
    volume = f"{ml}:/opt/ml"
    done = docker("run", "--rm", "--pids-limit=10", "-v", volume, image, "serve", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "raise the container's limit of processes (docker run --pids-limit)" in said
    assert "Traceback" not in said


def test_the_kernel_was_compiled_ahead_and_is_found(image, ml, run):
    http = free_port()
    server = run(
        "--read-only", "--user", "12345", "-e", "NUMBA_DEBUG_CACHE=1", *ports(http, free_port()),
        "-v", f"{ml}/model:/opt/ml/model:ro", image, "serve",
    )  # fmt: skip
    server.wait_until_ready(f"http://127.0.0.1:{http}")
    assert "[cache] data loaded" in server.logs()
    assert "saved" not in server.logs()


def test_a_folder_of_another_library_is_packed_where_only_tmp_can_be_written(image, tmp_path, run):
    """The engine would compile, and could not keep, what the build has not compiled."""
    x, y = load_iris(return_X_y=True)
    model = xgboost.XGBClassifier(n_estimators=3).fit(x, y)  # three classes: softmax
    model.get_booster().save_model(tmp_path / "xgboost-model.json")
    (tmp_path / "xgboost-model.json").rename(tmp_path / "xgboost-model")
    tmp_path.chmod(0o755)
    http = free_port()
    server = run(
        "--read-only", "--tmpfs", "/tmp", "--user", "12345", *ports(http, free_port()),
        "-v", f"{tmp_path}:/opt/ml/model:ro", image, "serve",
    )  # fmt: skip
    server.wait_until_ready(f"http://127.0.0.1:{http}")
    assert "compiling" not in server.logs()
    answer = httpx.post(
        f"http://127.0.0.1:{http}/invocations", headers=CSV, content=PAYLOAD.read_bytes()
    )
    expected = model.predict(np.loadtxt(PAYLOAD, delimiter=",", ndmin=2))
    assert answer.text.split() == [*map(str, expected)]


def test_without_a_model_it_ends_with_one_line(image):
    done = docker("run", "--rm", "--read-only", image, "serve", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("serve: no model: the folder /opt/ml/model ")


def test_sigterm_reaches_a_training_job(image, tmp_path, run):
    rows = "".join(f"{i % 50},{i * 7919 % 10007},{i * 104729 % 9973}\n" for i in range(40_000))
    lay_out(tmp_path, {"train": {"a.csv": rows}}, {"n_estimators": "5000"})
    job = run("-v", f"{tmp_path}:/opt/ml", image, "train")
    for _ in range(300):
        if "read 40000 rows" in job.logs():
            break
        time.sleep(0.1)
    assert "read 40000 rows" in job.logs()
    assert job.stop(seconds=60) == 0
    assert {path.name for path in tmp_path.glob("model/*")} == {
        "model-settings.json", "forest.safetensors"
    }  # fmt: skip


def test_the_scripts_play_their_parts(image, tmp_path):
    """train_local, serve_local and predict, as in AWS's sample."""
    ml, script = tmp_path / "ml", ROOT / "container"
    trained = subprocess.run(
        [script / "train_local.sh", image, ml], capture_output=True, text=True, check=True
    )
    assert "validation:accuracy=" in trained.stdout
    http = free_port()
    environ = clean_environ(
        HTTP_PORT=str(http), GRPC_PORT=str(free_port()), URL=f"http://localhost:{http}"
    )
    server = subprocess.Popen([script / "serve_local.sh", image, ml], env=environ)
    try:
        predict = [script / "predict.sh", PAYLOAD]
        for _ in range(600):
            done = subprocess.run(predict, env=environ, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.1)
        assert done.stdout.split()[0] == "setosa"
        as_json = subprocess.run(
            [*predict, "text/csv", "application/json"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(json.loads(as_json.stdout)["predictions"]) == 15
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0


def test_a_job_logs_its_training_to_mlflow(image, tmp_path):
    """A store of files needs no server; tests/with_mlflow has one."""
    base = tmp_path / "ml"
    lay_out(base, {"training": {"iris.csv": IRIS.read_text()}}, {"n_estimators": "5"})
    store = ("-e", "MLFLOW_TRACKING_URI=file:///opt/ml/output/runs")
    allowed = ("-e", "MLFLOW_ALLOW_FILE_STORE=true")
    done = docker(
        "run", "--rm", "--network=none", *store, *allowed, "-v", f"{base}:/opt/ml", image, "train"
    )
    assert "logged to MLflow: run " in done.stdout
    (run,) = (base / "output" / "runs" / "0").glob("*/artifacts/report/report.html")
    assert (run.parents[2] / "params" / "n_estimators").read_text() == "5"
