"""Artifacts of every release are served with its answers, or refused with advice."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from support import serving

RELEASES = Path(__file__).parent
CASES = sorted(path.parent for path in RELEASES.glob("*/*/requests.json"))
# Sums in another order may differ in their last bits; labels and shapes may not differ at all.
RELATIVE = 1e-12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A multi-model server, so that every artifact is loaded by the same process."""
    base = tmp_path_factory.mktemp("ml")
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "MODEL_SERVER_WORKERS": "1"}
    with (
        serving(base / "model", **variables) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_an_artifact_is_served_with_the_answers_of_its_release(server, case):
    load = {"model_name": case.name, "url": str(case / "model")}
    loaded = server.post("/models", json=load)
    assert loaded.status_code == 200, loaded.text
    for request in json.loads((case / "requests.json").read_text()):
        response = server.request(
            request["method"],
            request["path"].format(name=case.name),
            headers=request["headers"],
            content=request["body"].encode(),
        )
        assert response.status_code == request["status"], response.text
        assert response.headers["content-type"] == request["content_type"]
        given, recorded = (parsed(text, request) for text in (response.text, request["answer"]))
        assert_alike(given, recorded)
    assert server.delete(f"/models/{case.name}").status_code == 200


def test_there_is_a_case_for_each_algorithm_library_and_output():
    """The recorder's cases are all there, so that none is lost in silence."""
    names = {case.name for case in CASES if case.parent.name == "0.1.0"}
    assert len(names) == 34
    outputs = {
        output["name"]
        for case in CASES
        for request in json.loads((case / "requests.json").read_text())
        if request["path"] == "/v2/models/{name}"
        for output in json.loads(request["answer"])["outputs"]
    }
    assert outputs == {
        "predict",
        "predict_proba",
        "score_samples",
        "decision_function",
        "contributions",
        "expected_value",
        "interval",
        "prediction_set",
        "out_of_range",
        "out_of_range_features",
    }


def parsed(text, request):
    """An answer as values: JSON documents without ids, or the cells of lines."""
    if "json" in request["content_type"]:
        documents = [json.loads(line) for line in text.splitlines()]
        for document in documents:
            if isinstance(document, dict):
                document.pop("id", None)
                # Release 0.1.0 gave the versions of libraries, which no request could name.
                document.pop("versions", None)
        return documents
    return [[_number(cell) for cell in line.split(",")] for line in text.splitlines()]


def _number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def assert_alike(given, recorded):
    """Equal, but for the last bits of floating-point numbers."""
    if isinstance(recorded, float) and isinstance(given, float):
        np.testing.assert_allclose(given, recorded, rtol=RELATIVE, atol=1e-15)
    elif isinstance(recorded, dict) and isinstance(given, dict):
        assert given.keys() >= recorded.keys()
        for key, value in recorded.items():
            assert_alike(given[key], value)
    elif isinstance(recorded, list) and isinstance(given, list):
        assert len(given) == len(recorded)
        for one, other in zip(given, recorded, strict=True):
            assert_alike(one, other)
    else:
        assert type(given) is type(recorded)
        assert given == recorded
