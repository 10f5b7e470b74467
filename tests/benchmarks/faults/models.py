"""Many models on one server: loaded and unloaded under one name, and lost with their worker."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from .attack import attacked, clients
from .attacks import scrapes
from .table import Row

_SECONDS = 8.0
_ROWS = 5000
_N_CLIENTS = 3
_N_MODELS = 500
_READY_SECONDS, _HUNG_SECONDS = 1.0, 10.0
_CSV = {"content-type": "text/csv"}
_MULTI = {"SAGEMAKER_MULTI_MODEL": "true", "FOREST_WORKER_TIMEOUT": "5"}


def models(scene):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "models")
        for model in ("one", "m"):
            shutil.copytree(scene.model_dir, folder / model)
        other = _save_other(scene, folder / "two")
        (folder / "fifo").mkdir()
        os.mkfifo(folder / "fifo" / "model-settings.json")
        for step in (_replaced, _one_name, _links_changed):
            with scene.serving(model_dir=folder, **_MULTI) as server:
                yield step(scene, server, folder, other)
        with scene.serving(model_dir=folder, **_MULTI) as server:
            yield from _of_many(scene, server, folder)


def _save_other(scene, directory):
    """A forest whose labels are other words; its label of each flower."""
    from sklearn.ensemble import RandomForestClassifier

    x = np.array([row.split(",") for row in scene.rows], np.float32)
    labels = [f"other {label}" for label in scene.labels]
    forest = RandomForestClassifier(25, random_state=0).fit(x, labels)
    scene.support.save_model(directory, forest, x)
    return forest.predict(x).tolist()


@contextmanager
def _repeated(*steps):
    """Each step again and again, in a thread with a client of its own."""
    ended = threading.Event()

    def repeat(step, url):
        with httpx.Client(base_url=url, timeout=60) as client:
            while not ended.is_set():
                step(client)

    threads = [threading.Thread(target=repeat, args=step) for step in steps]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _post(client, name, directory):
    document = {"model_name": name, "url": str(directory)}
    return client.post("/models", json=document).status_code


def _invoke(client, name, body):
    return client.post(f"/models/{name}/invoke", content=body, headers=_CSV)


def _add_statuses(row, seen):
    row.add("answers", ", ".join(f"{count} x {status}" for status, count in seen.items()))
    row.zero("wrong", seen["wrong"])
    row.zero("500", seen[500])
    return row


def _replaced(scene, server, folder, other):
    """Large requests while two models take turns under the name that they ask for."""
    seen = Counter()
    flowers = [number % len(scene.rows) for number in range(_ROWS)]
    body = "".join(f"{scene.rows[flower]}\n" for flower in flowers)
    right = {
        "".join(f"{labels[flower]}\n" for flower in flowers) for labels in (scene.labels, other)
    }

    def ask(client):
        answer = _invoke(client, "m", body)
        is_wrong = answer.status_code == 200 and answer.text not in right
        seen["wrong" if is_wrong else answer.status_code] += 1

    def replace(client):
        for name in ("one", "two"):
            seen[_post(client, "m", folder / name)] += 1
            time.sleep(0.05)
            seen[client.delete("/models/m").status_code] += 1

    url = server.running.url
    with _repeated(*[(ask, url)] * _N_CLIENTS, *[(replace, url)] * 2):
        time.sleep(_SECONDS)
    return _add_statuses(Row("models replaced"), seen)


def _one_name(scene, server, folder, other):
    """One name is loaded, unloaded and asked for by eight clients, over both APIs."""
    seen = Counter()
    index, url = "/v2/repository/models/m", server.running.url
    chosen = np.random.default_rng(0)
    calls = (
        lambda client: _post(client, "m", folder / "m"),
        lambda client: client.delete("/models/m").status_code,
        lambda client: client.post(f"{index}/load").status_code,
        lambda client: client.post(f"{index}/unload").status_code,
        lambda client: client.get("/models/m").status_code,
        lambda client: client.post("/v2/repository/index").status_code,
        lambda client: _asked(client, scene),
    )

    def step(client):
        seen[calls[chosen.integers(len(calls))](client)] += 1

    with _repeated(*[(step, url)] * 8):
        time.sleep(_SECONDS)
    row = _add_statuses(Row("one name loaded and unloaded"), seen)
    with httpx.Client(base_url=url, timeout=60) as client:
        is_loaded = client.get("/models/m").status_code == 200
        after = [_asked(client, scene), _post(client, "m", folder / "m"), _asked(client, scene)]
    right = [200, 409, 200] if is_loaded else [404, 200, 200]
    row.add("then invoke, load, invoke", after, str(right), after == right)
    return row


def _asked(client, scene):
    answer = _invoke(client, "m", scene.rows[0])
    is_wrong = answer.status_code == 200 and answer.text != f"{scene.labels[0]}\n"
    return "wrong" if is_wrong else answer.status_code


def _links_changed(scene, server, folder, other):
    """A model's forest is a link that leads out of its folder now and then, during loads."""
    seen, inside, outside = Counter(), folder / "one", folder / "two"
    shutil.copy(outside / "forest.safetensors", folder / "outside.safetensors")
    link, target = inside / "forest.safetensors", inside / "inside.safetensors"
    link.rename(target)

    def swap(client):
        for place in (folder / "outside.safetensors", target):
            (inside / "next").symlink_to(place)
            (inside / "next").rename(link)

    def load(client):
        seen[_post(client, "l", inside)] += 1
        answer = _invoke(client, "l", scene.rows[0])
        is_wrong = answer.status_code == 200 and answer.text != f"{scene.labels[0]}\n"
        seen["wrong" if is_wrong else answer.status_code] += 1
        client.delete("/models/l")

    url = server.running.url
    with _repeated((swap, url), (load, url)):
        time.sleep(_SECONDS)
    link.unlink(missing_ok=True)
    target.rename(link)
    return _add_statuses(Row("links changed during loads"), seen)


def _of_many(scene, server, folder):
    """Attacks on a server of many models, whose worker is then stopped and killed."""
    with httpx.Client(base_url=server.running.url, timeout=60) as client:
        for number in range(_N_MODELS):
            _post(client, f"m{number}", folder / "one")
    questions = scene.questions_to("/models/m0/invoke")
    for attack in (scrapes, _loads_of_a_fifo):
        row = attacked(attack, scene, server, questions, model="m0")
        row.fault += f", {_N_MODELS} models"
        yield row
    yield _lost(scene, server, signal.SIGSTOP, _HUNG_SECONDS)
    yield _lost(scene, server, signal.SIGKILL, _READY_SECONDS)


@clients(8)
def _loads_of_a_fifo(scene, server, ended):
    """Models whose model-settings.json is a pipe that nobody writes to."""
    with httpx.Client(base_url=server.running.url, timeout=60) as client:
        _post(client, f"fifo{threading.get_ident()}", server.model_dir / "fifo")
        client.post("/v2/repository/index")


def _lost(scene, server, number, most_seconds):
    """The worker is stopped or killed: the next one is ready at once, and has all models."""
    row = Row(f"{number.name}, {_N_MODELS} models")
    (worker,) = server.children()
    sent = time.monotonic()
    os.kill(worker, number)
    seconds = _seconds_until_ready(server, sent)
    with httpx.Client(base_url=server.running.url, timeout=60) as client:
        listed, page = 0, {"limit": 100}
        while page:
            found = client.get("/models", params=page).json()
            listed += len(found["models"])
            token = found.get("nextPageToken")
            page = token and {"limit": 100, "next_page_token": token}
        answer = _invoke(client, f"m{_N_MODELS - 1}", scene.rows[0])
    row.at_most("/ping after", seconds, most_seconds, " s")
    row.add("models", listed, str(_N_MODELS), listed == _N_MODELS)
    is_right = answer.text == f"{scene.labels[0]}\n"
    last = f"{answer.text!r} after {time.monotonic() - sent:.2f} s"
    row.add("the last one", last, "right", is_right)
    return row


def _seconds_until_ready(server, since):
    while time.monotonic() < since + 60:
        try:
            if httpx.get(f"{server.running.url}/ping", timeout=60).status_code == 200:
                return time.monotonic() - since
        except httpx.TransportError:
            time.sleep(0.01)
    return float("inf")
