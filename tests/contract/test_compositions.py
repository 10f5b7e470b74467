"""A composition of several forests on every face of the server, as one forest is."""

import json

import httpx
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)

from support import ask_over_grpc, save_model, serving

CHOSEN = {"x-amzn-sagemaker-custom-attributes": "outputs=predicted_label,probabilities"}


@pytest.fixture(scope="module")
def estimator(iris):
    members = [
        ("forest", RandomForestClassifier(n_estimators=4, random_state=0)),
        ("boosting", GradientBoostingClassifier(n_estimators=3, random_state=0)),
        ("histograms", HistGradientBoostingClassifier(max_iter=3)),
    ]
    calibrated = CalibratedClassifierCV(members[1][1], method="isotonic", cv=2)
    both = VotingClassifier([*members, ("calibrated", calibrated)], voting="soft")
    return both.fit(*iris)


@pytest.fixture(scope="module")
def server(estimator, iris, tmp_path_factory):
    folder = tmp_path_factory.mktemp("composition")
    save_model(folder / "model", estimator, iris[0], has_baseline=True)
    with serving(folder / "model") as found:
        yield found


def test_invocations_and_v2_answer_as_the_estimator(server, estimator, iris):
    rows = iris[0][::7]
    values = estimator.predict_proba(rows)
    labels = estimator.predict(rows)
    body = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    headers = {"content-type": "text/csv", "accept": "application/json", **CHOSEN}
    answer = httpx.post(server.url + "/invocations", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    assert [row["predicted_label"] for row in found] == labels.tolist()
    given = [row["probabilities"] for row in found]
    np.testing.assert_allclose(given, values, atol=1e-12)
    over_grpc = ask_over_grpc(server.grpc_port, rows.tolist())
    assert [label for [label] in over_grpc["predict"]] == labels.tolist()


def test_what_it_is_not_explained_by_is_said(server, iris):
    described = httpx.get(server.url + "/v2/models/forest").json()
    assert {one["name"] for one in described["outputs"]} >= {"predict", "predict_proba"}
    assert "contributions" not in json.dumps(described)
    headers = {
        "content-type": "text/csv",
        "x-amzn-sagemaker-custom-attributes": "outputs=contributions",
    }
    body = ",".join(map(str, iris[0][0]))
    answer = httpx.post(server.url + "/invocations", content=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert "output 'contributions' was chosen; this model" in error
    assert "averages of probabilities and models without covers have none" in error
