"""Loads, unloads and invocations of the same names at once, against a model of their states."""

import asyncio
import shutil

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sklearn.ensemble import RandomForestRegressor

from support import IRIS_NAMES, save_model, serving

NAMES = ("a", "b")
# Each folder holds a model that predicts its own number.
VALUES = (1.0, 2.0)
ROW = "5.9,3.0,5.1,1.8"
CSV = {"content-type": "text/csv"}
INFER = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [5.9, 3, 5.1, 1.8]}]}
CALLS = ("load 0", "load 1", "v2 load", "unload", "v2 unload", "invoke", "infer", "describe")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, iris):
    models = tmp_path_factory.mktemp("opt") / "models"
    x = iris[0]
    for number, value in enumerate(VALUES):
        forest = RandomForestRegressor(2, random_state=0).fit(x, [value] * len(x))
        save_model(models / f"folder-{number}" / "model", forest, x, names=IRIS_NAMES)
    for name in NAMES:  # V2's load finds these models by name.
        shutil.copytree(models / "folder-0" / "model", models / name / "model")
    return models


@pytest.fixture(scope="module")
def server(folders):
    with serving(folders.parent / "model", SAGEMAKER_MULTI_MODEL="true") as running:
        yield running


class Names(RuleBasedStateMachine):
    """Batches of calls that run at the same time.

    ``values`` holds, for each name, what it may predict now: the number of a model, or None if
    it may be free.
    """

    server = None
    folders = None

    @initialize()
    def begin(self):
        self.values = {name: {None} for name in NAMES}
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            for model in client.get("/models").json()["models"]:
                client.delete(f"/models/{model['modelName']}")

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(CALLS)), min_size=1, max_size=12
        )
    )
    def call_at_once(self, batch):
        answers = asyncio.run(self._answers(batch))
        for name in NAMES:
            self._check(name, [(call, answer) for (n, call), answer in answers if n == name])

    @invariant()
    def each_route_says_the_same(self):
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            listed = {model["modelName"] for model in client.get("/models").json()["models"]}
            index = client.post("/v2/repository/index", json={}).json()
            ready = {item["name"] for item in index if item["state"] == "READY"}
            for name in NAMES:
                expected = 200 if name in listed else 404
                assert (name in ready) == (name in listed)
                assert client.get(f"/models/{name}").status_code == expected
                answer = client.post(f"/models/{name}/invoke", content=ROW, headers=CSV)
                assert answer.status_code == expected
                found = float(answer.text) if expected == 200 else None
                assert found in self.values[name]
                self.values[name] = {found}

    async def _answers(self, batch):
        limits = httpx.Limits(max_connections=len(batch))
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30, limits=limits) as client:
            calls = [self._call(client, name, call) for name, call in batch]
            return list(zip(batch, await asyncio.gather(*calls), strict=True))

    def _call(self, client, name, call):
        path, kind = f"/models/{name}", call.split()[0]
        if kind == "load":
            url = str(self.folders / f"folder-{call[-1]}" / "model")
            return client.post("/models", json={"model_name": name, "url": url})
        return {
            "v2": lambda: client.post(f"/v2/repository{path}/{call.removeprefix('v2 ')}"),
            "unload": lambda: client.delete(path),
            "invoke": lambda: client.post(f"{path}/invoke", content=ROW, headers=CSV),
            "infer": lambda: client.post(f"/v2{path}/infer", json=INFER),
            "describe": lambda: client.get(path),
        }[kind]()

    def _check(self, name, answers):
        """Each answer is one that some order of the calls gives."""
        loads = {"load 0": 1.0, "load 1": 2.0, "v2 load": 1.0}
        done = {call for call, answer in answers if answer.status_code == 200}
        possible = self.values[name] | {loads[call] for call in done if call in loads}
        if done & {"unload", "v2 unload"}:
            possible |= {None}
        for call, answer in answers:
            allowed = {200, 409} if call in loads else {200, 404, 409}
            assert answer.status_code in allowed, (call, answer.text)
            if call in ("invoke", "infer", "describe"):
                assert answer.status_code != 409
                assert answer.status_code == 200 or None in possible
            if call == "invoke" and answer.status_code == 200:
                assert float(answer.text) in possible
            if call == "infer" and answer.status_code == 200:
                assert answer.json()["outputs"][0]["data"][0] in possible
        if any(call in loads for call in done) and not done & {"unload", "v2 unload"}:
            possible -= {None}
        self.values[name] = possible


def test_no_order_of_loads_and_unloads_confuses_a_name(server, folders):
    Names.server, Names.folders = server, folders
    run_state_machine_as_test(
        Names,
        settings=settings(
            max_examples=25,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
