"""What AWS's own tests of its multi-model images do, against this server.

The sequences of test_multiple_model_endpoint.py of aws/sagemaker-xgboost-container and of
aws/sagemaker-scikit-learn-container, which are the same but for the names and the rows, with
packed models in place of their pickles.
"""

import httpx
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from support import save_model, serving

# The container, the models and the row of its tests.
IMAGES = {
    "xgboost": ("pickled_model", "saved_booster", "0,0,1,0"),
    "scikit-learn": ("pickled-model-1", "pickled-model-2", "0.0, 0.0, 0.0, 0.0, 0.0, 0.0"),
}


@pytest.fixture(scope="module", params=IMAGES)
def image(request, tmp_path_factory):
    """An endpoint with nothing loaded, its names of models, and its row."""
    *names, row = IMAGES[request.param]
    x = np.random.default_rng(0).normal(size=(60, row.count(",") + 1)).astype(np.float32)
    base = tmp_path_factory.mktemp("opt")
    for name in names:
        forest = RandomForestClassifier(3, random_state=0).fit(x, x[:, 0] > 0)
        columns = [f"f{n}" for n in range(x.shape[1])]
        save_model(base / "model" / name, forest, x, names=columns, name=name)
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_SAFE_PORT_RANGE": "9000-9999"}
    with (
        serving(base / "model", FOREST_GRPC_PORT="off", **variables) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client, base / "model", names, row


@pytest.fixture
def endpoint(image):
    client, folder, names, row = image

    def load(name):
        response = client.post("/models", json={"model_name": name, "url": str(folder / name)})
        return response.status_code, response.json()

    def unload(name):
        response = client.delete(f"/models/{name}")
        return response.status_code, response.json()

    def invoke(name, content=row):
        headers = {"content-type": "text/csv"}
        response = client.post(f"/models/{name}/invoke", content=content, headers=headers)
        return response.status_code, response.text

    yield client, load, unload, invoke, names
    for name in names:
        client.delete(f"/models/{name}")


def gone(name):
    return {"code": 404, "type": "ModelNotFoundException", "message": f"Model not found: {name}"}


def test_a_new_endpoint_is_well_and_empty(endpoint):
    client, *_ = endpoint
    assert client.get("/ping").status_code == 200
    assert client.get("/models").json() == {"models": []}


def test_a_model_that_is_not_loaded_is_neither_unloaded_nor_invoked(endpoint):
    _, _, unload, invoke, _ = endpoint
    status, document = unload("non-existing-model")
    assert status == 404
    assert document.items() >= gone("non-existing-model").items()
    status, text = invoke("half_plus_three", '{"instances": [1.0, 2.0, 5.0]}')
    assert status == 404
    assert '"message":"Model not found: half_plus_three"' in text


def test_models_are_loaded_invoked_and_unloaded(endpoint):
    _, load, unload, invoke, names = endpoint
    for name in names:
        assert load(name) == (200, {"status": "Workers scaled"})
    for name in names:
        status, text = invoke(name)
        assert (status, text) in {(200, "True\n"), (200, "False\n")}
    for name in names:
        assert unload(name) == (200, {"status": f'Model "{name}" unregistered'})
        status, text = invoke(name)
        assert status == 404
        assert f'"message":"Model not found: {name}"' in text


def test_a_model_is_loaded_once(endpoint):
    _, load, _, _, (name, _) = endpoint
    assert load(name) == (200, {"status": "Workers scaled"})
    status, document = load(name)
    assert status == 409
    assert document["type"] == "ConflictStatusException"
    assert document["message"] == f"Model {name} is already registered."
