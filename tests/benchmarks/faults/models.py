"""Many models on one server: loaded and unloaded under one name, and lost with their worker."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from .table import Row

_SECONDS = 8.0
_ROWS = 5000
_N_CLIENTS = 3
_N_MODELS = 200
_READY_SECONDS = 1.0
_CSV = {"content-type": "text/csv"}


def models(scene):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(scene.model_dir, folder / "one")
        other = _save_other(scene, folder / "two")
        variables = {"SAGEMAKER_MULTI_MODEL": "true", "MODEL_SERVER_WORKERS": "1"}
        with scene.serving(model_dir=folder / "one", **variables) as server:
            yield _replaced(scene, server, folder, other)
        with scene.serving(model_dir=folder / "one", **variables) as server:
            yield _restored(scene, server, folder)


def _save_other(scene, directory):
    """A forest whose labels are other words; its label of each flower."""
    from sklearn.ensemble import RandomForestClassifier

    x = np.array([row.split(",") for row in scene.rows], np.float32)
    labels = [f"other {label}" for label in scene.labels]
    forest = RandomForestClassifier(25, random_state=0).fit(x, labels)
    scene.support.save_model(directory, forest, x)
    return forest.predict(x).tolist()


def _replaced(scene, server, folder, other):
    """Large requests while two models take turns under the name that they ask for."""
    row, ended, seen = Row("models replaced"), threading.Event(), Counter()
    flowers = [number % len(scene.rows) for number in range(_ROWS)]
    body = "".join(f"{scene.rows[flower]}\n" for flower in flowers)
    right = {
        "".join(f"{labels[flower]}\n" for flower in flowers) for labels in (scene.labels, other)
    }

    def ask():
        with httpx.Client(base_url=server.running.url, timeout=60) as client:
            while not ended.is_set():
                answer = client.post("/models/m/invoke", content=body, headers=_CSV)
                is_right = answer.text in right
                status = answer.status_code
                seen["wrong" if status == 200 and not is_right else status] += 1

    def replace():
        with httpx.Client(base_url=server.running.url, timeout=60) as client:
            while not ended.is_set():
                for name in ("one", "two"):
                    document = {"model_name": "m", "url": str(folder / name)}
                    seen[client.post("/models", json=document).status_code] += 1
                    time.sleep(0.05)
                    seen[client.delete("/models/m").status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(_N_CLIENTS)]
    threads += [threading.Thread(target=replace) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(_SECONDS)
    ended.set()
    for thread in threads:
        thread.join()
    row.add("answers", ", ".join(f"{count} x {status}" for status, count in seen.items()))
    row.zero("wrong", seen["wrong"])
    row.zero("500", seen[500])
    return row


def _restored(scene, server, folder):
    """The worker is killed: the next one is ready at once, and has all models."""
    row = Row("models restored")
    with httpx.Client(base_url=server.running.url, timeout=60) as client:
        for number in range(_N_MODELS):
            document = {"model_name": f"m{number}", "url": str(folder / "one")}
            client.post("/models", json=document).raise_for_status()
    (worker,) = server.children()
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    seconds = _seconds_until_ready(server, killed)
    with httpx.Client(base_url=server.running.url, timeout=60) as client:
        listed, page = 0, {"limit": 100}
        while page:
            found = client.get("/models", params=page).json()
            listed += len(found["models"])
            token = found.get("nextPageToken")
            page = token and {"limit": 100, "next_page_token": token}
        path, body = f"/models/m{_N_MODELS - 1}/invoke", scene.rows[0]
        answer = client.post(path, content=body, headers=_CSV)
    row.at_most("/ping after", seconds, _READY_SECONDS, " s")
    row.add("models", listed, str(_N_MODELS), listed == _N_MODELS)
    is_right = answer.text == f"{scene.labels[0]}\n"
    row.add(
        "the last one",
        f"{answer.text!r} after {time.monotonic() - killed:.2f} s",
        "right",
        is_right,
    )
    return row


def _seconds_until_ready(server, since):
    while time.monotonic() < since + 60:
        try:
            if httpx.get(f"{server.running.url}/ping", timeout=60).status_code == 200:
                return time.monotonic() - since
        except httpx.TransportError:
            time.sleep(0.01)
    return float("inf")
