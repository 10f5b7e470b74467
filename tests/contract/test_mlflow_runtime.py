"""MLflow's model folders, where its runtime is installed: its pins exclude gunicorn 27."""

import json

import httpx
import pandas as pd
import pytest

from support import SERVE, launch

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
pytest.importorskip("mlserver_mlflow", reason="mlserver-mlflow is not installed")

ROWS = pd.DataFrame({"age": [31.0, 4.5, 70.0], "n": [1, 2, 3], "town": ["Graz", "Linz", "Graz"]})
JSON = {"content-type": "application/json"}


@pytest.mark.filterwarnings("ignore:Hint:UserWarning")  # The column of integers has no gap.
@pytest.mark.parametrize("has_signature", [True, False])
def test_an_mlflow_folder_is_served(tmp_path, has_signature):
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    pipeline = make_pipeline(words, LogisticRegression()).fit(ROWS, [0, 1, 0])
    folder = tmp_path / "model"
    signature = mlflow.models.infer_signature(ROWS, pipeline.predict(ROWS))
    mlflow.sklearn.save_model(
        pipeline, folder / "flow", signature=signature if has_signature else None
    )
    settings = {
        "name": "flow",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": "./flow"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    server = launch(folder, SERVE, FOREST_TRUST_CODE="true", MODEL_SERVER_WORKERS="1")
    try:
        server.wait_until_ready()
        wanted = pipeline.predict(ROWS).tolist()
        for media_type, body in (
            ("text/csv; header=present", ROWS.to_csv(index=False)),
            ("application/json", ROWS.to_json(orient="records")),
            ("application/json", json.dumps({"dataframe_split": ROWS.to_dict("split")})),
        ):
            headers = {"content-type": media_type, "accept": "text/csv"}
            response = httpx.post(server.url + "/invocations", content=body, headers=headers)
            assert [int(line) for line in response.text.split()] == wanted, response.text
        assert (
            httpx.post(
                server.url + "/invocations", content='[{"age": 1}]', headers=JSON
            ).status_code
            == 400
        )
    finally:
        server.end()
