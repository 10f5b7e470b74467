"""Several workers: those that die or hang are replaced, and their counts are added up."""

import mmap
import os
import re
import shutil
import signal
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.resources import n_cpus
from support import ask_over_grpc, children_of, launch, save_model

CSV = {"content-type": "text/csv"}
ROW = "5.9,3.0,5.1,1.8"


@pytest.fixture
def two_workers(start_serve, model_dir):
    return start_serve(model_dir, MODEL_SERVER_WORKERS="2").wait_until_ready()


def ask(server, client=httpx, content=ROW, **headers):
    url = server.url + "/invocations"
    return client.post(url, content=content, headers={**CSV, **headers}, timeout=30)


def until(condition, seconds=30):
    """Wait until something is true; return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def count(server, pattern):
    text = httpx.get(server.url + "/metrics").text
    return [float(number) for number in re.findall(pattern + r" (\S+)$", text, re.MULTILINE)]


REQUESTS = r'^rest_server_requests_total\{.*path="/invocations",status_code="200"\}'


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, n_cpus()),
        ({"MODEL_SERVER_WORKERS": "3"}, 3),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}, 1),
    ],
)
def test_there_are_as_many_workers_as_were_asked_for(start_serve, model_dir, variables, expected):
    server = start_serve(model_dir, **variables).wait_until_ready()
    assert len(until(lambda: len(server.workers()) >= expected and server.workers())) == expected


def test_every_worker_takes_its_share_of_the_connections(two_workers):
    """Each worker gets about four of eight connections that stay open."""
    until(lambda: len(two_workers.workers()) == 2)
    clients = [httpx.Client() for _ in range(8)]
    for client in clients:
        assert ask(two_workers, client).text == "virginica\n"
    open_files = r'^process_open_fds\{worker="\d"\}'
    before = count(two_workers, open_files)
    for client in clients:
        client.close()
    assert len(before) == 2
    assert abs(before[0] - before[1]) <= 3


def test_any_worker_tells_what_all_have_counted(two_workers):
    for _ in range(20):
        ask(two_workers)
    ask_over_grpc(two_workers.grpc_port, [[5.9, 3.0, 5.1, 1.8]])
    assert {tuple(count(two_workers, REQUESTS)) for _ in range(6)} == {(20.0,)}
    calls = r'^grpc_server_handled_total\{grpc_code="OK",grpc_method="ModelInfer".*\}'
    assert count(two_workers, calls) == [1.0]


def test_a_worker_that_dies_is_replaced_and_what_it_counted_stays(two_workers):
    until(lambda: len(two_workers.workers()) == 2)
    for _ in range(10):
        ask(two_workers)
    for victim in two_workers.workers():
        os.kill(victim, signal.SIGKILL)
        until(
            lambda victim=victim: (
                len(two_workers.workers()) == 2 and victim not in two_workers.workers()
            )
        )
        assert ask(two_workers).text == "virginica\n"
    assert count(two_workers, REQUESTS) == [12.0]
    code, out, err = two_workers.stop()
    assert (code, err) == (0, "")
    assert "was sent SIGKILL" in out


def test_a_worker_that_hangs_is_killed_and_replaced(start_serve, model_dir):
    server = start_serve(
        model_dir, MODEL_SERVER_WORKERS="2", FOREST_WORKER_TIMEOUT="1"
    ).wait_until_ready()
    victim = until(lambda: len(server.workers()) == 2 and server.workers())[0]
    os.kill(victim, signal.SIGSTOP)
    for _ in range(20):  # The other worker answers the connections that it accepts.
        assert ask(server).text == "virginica\n"
    until(lambda: victim not in server.workers() and len(server.workers()) == 2)
    assert ask(server).text == "virginica\n"


def test_workers_do_not_outlive_their_supervisor(two_workers):
    workers = until(lambda: len(two_workers.workers()) == 2 and two_workers.workers())
    two_workers.process.kill()
    two_workers.process.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))  # noqa: PTH110


def test_a_lone_worker_that_is_told_to_end_finishes_and_is_replaced(two_workers):
    """The other worker accepts the waiting connections."""
    victim = until(lambda: len(two_workers.workers()) == 2 and two_workers.workers())[0]
    os.kill(victim, signal.SIGTERM)
    while victim in two_workers.workers():
        assert ask(two_workers).status_code == 200
    until(lambda: len(two_workers.workers()) == 2)
    assert ask(two_workers).text == "virginica\n"


def test_sighup_loads_the_model_again_and_loses_nothing(start_serve, model_dir, tmp_path, iris):
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    server = start_serve(folder, MODEL_SERVER_WORKERS="2").wait_until_ready()
    before = until(lambda: len(server.workers()) == 2 and server.workers())
    x, labels = iris
    other = RandomForestClassifier(5, random_state=0).fit(x, np.full(len(labels), "other"))
    save_model(folder, other, x)
    server.process.send_signal(signal.SIGHUP)
    found = set()
    while set(before) & set(server.workers()) or len(server.workers()) < 2:
        answer = ask(server)
        assert answer.status_code == 200
        assert httpx.get(server.url + "/ping").status_code == 200
        found.add(answer.text)
    assert found <= {"virginica\n", "other\n"}
    assert ask(server).text == "other\n"


def test_sighup_for_a_model_that_cannot_be_loaded_changes_nothing(start_serve, model_dir, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    server = start_serve(folder, MODEL_SERVER_WORKERS="1").wait_until_ready()
    before = server.workers()
    (folder / "model-settings.json").write_text("{")
    server.process.send_signal(signal.SIGHUP)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTTIN):
        server.process.send_signal(number)
        os.kill(before[0], number)
    time.sleep(1)
    assert ask(server).text == "virginica\n"
    assert server.workers() == before
    server.process.send_signal(signal.SIGTERM)
    out, err = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert "the workers go on with the model that they have" in out + err
    assert "a signal is ignored" in out + err


def test_models_that_were_loaded_are_there_again_when_their_worker_died(start_serve, model_dir):
    server = start_serve(model_dir, SAGEMAKER_MULTI_MODEL="true").wait_until_ready()
    for name in ("a", "b", "c"):
        document = {"model_name": name, "url": str(model_dir)}
        assert httpx.post(server.url + "/models", json=document).status_code == 200
    assert httpx.delete(server.url + "/models/b").status_code == 200
    (victim,) = server.workers()
    os.kill(victim, signal.SIGKILL)
    until(lambda: server.workers() not in ([], [victim]))
    listed = httpx.get(server.url + "/models", timeout=30).json()["models"]
    assert [model["modelName"] for model in listed] == ["a", "c"]
    answer = httpx.post(server.url + "/models/a/invoke", content=ROW, headers=CSV)
    assert answer.text == "virginica\n"


def test_loading_many_models_again_is_no_hanging(start_serve, tmp_path):
    """It takes longer than a worker may hang, but the event loop keeps running."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    forest = RandomForestClassifier(200, random_state=0).fit(x, rng.integers(0, 3, len(x)))
    model_dir = save_model(tmp_path / "model", forest, x)
    server = start_serve(
        model_dir, SAGEMAKER_MULTI_MODEL="true", FOREST_WORKER_TIMEOUT="1"
    ).wait_until_ready()
    n_models = 150
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for n in range(n_models):
            document = {"model_name": f"m{n}", "url": str(model_dir)}
            assert client.post("/models", json=document).status_code == 200
    (victim,) = server.workers()
    os.kill(victim, signal.SIGKILL)
    tried = set()

    def is_restored():
        tried.update(set(server.workers()) - {victim})
        try:
            url = f"{server.url}/models/m{n_models - 1}/invoke"
            return httpx.post(url, content=ROW, headers=CSV, timeout=0.2).status_code == 200
        except httpx.TransportError:
            return False

    until(is_restored, seconds=60)
    tried.update(set(server.workers()) - {victim})
    assert len(tried) == 1
    # The list is complete, whether or not all models have been loaded again by now.
    page = httpx.get(f"{server.url}/models", timeout=30).json()
    rest = httpx.get(f"{server.url}/models?next_page_token={page['nextPageToken']}").json()
    assert len(page["models"]) + len(rest["models"]) == n_models
    assert httpx.delete(f"{server.url}/models/m7", timeout=30).status_code == 200
    assert httpx.get(f"{server.url}/models/m7").status_code == 404
    assert httpx.get(f"{server.url}/v2/models/m8/ready", timeout=30).json()["ready"] is True


def test_workers_share_one_copy_of_the_model(two_workers, model_dir):
    """All workers map the same pages, and none has a copy of its own."""
    until(lambda: len(two_workers.workers()) == 2)
    for _ in range(8):
        ask(two_workers)
    pages = -(-(model_dir / "forest.safetensors").stat().st_size // mmap.PAGESIZE)
    size = f"Size: +{pages * mmap.PAGESIZE >> 10} kB\n"
    resident = []
    for pid in two_workers.workers():
        smaps = Path(f"/proc/{pid}/smaps").read_text()
        # The name of anonymous shared memory.
        (entry,) = re.findall(rf"/dev/zero \(deleted\)\n{size}((?:\w+: .*\n)+)", smaps)
        fields = dict(re.findall(r"^(\w+): +(\d+) kB", entry, re.MULTILINE))
        resident.append(int(fields["Rss"]))
        assert int(fields["Private_Dirty"]) == 0
        assert int(fields["Private_Clean"]) == 0
    assert any(resident)


def test_two_servers_cannot_share_a_port_unknowingly(two_workers, model_dir):
    """Workers share the gRPC port by SO_REUSEPORT, but another server cannot join them."""
    second = launch(model_dir, FOREST_GRPC_PORT=str(two_workers.grpc_port))
    _, err = second.process.communicate(timeout=60)
    assert second.process.returncode == 1
    assert err.startswith(f"serve: port {two_workers.grpc_port} cannot be opened")
    assert children_of(two_workers.process.pid)
