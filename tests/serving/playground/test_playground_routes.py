"""``GET /`` over HTTP: the page, when there is one, and that no text of a model runs in it."""

import base64
import hashlib
import json
import re
import shutil

import httpx
import pytest

from mlserver_forest.artifact import model_directory
from mlserver_forest.model.card import Card
from support import error_of, save_model

WICKED = "</script><script>alert('&amp;')</script>"


def document_of(text):
    """The data of the page, as its script reads it."""
    found = re.search(
        r'<script type="application/json" id="document">(.*?)</script>', text, re.DOTALL
    )
    return json.loads(found[1])


def hash_of(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_lets_nothing_run_but_its_own_script(iris_server):
    """The page is one document, whose policy has the hashes of its style and script."""
    response = httpx.get(iris_server.url + "/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    assert policy == (
        f"default-src 'none'; style-src '{hash_of(style)}'; script-src '{hash_of(script)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    outside = re.findall(
        r"""(?:src|href)=["'](?!data:,)|https?://|@import|\burl\(""", response.text
    )
    assert outside == []


def test_the_page_knows_the_model(iris_server, iris):
    model = document_of(httpx.get(iris_server.url + "/").text)["model"]
    assert model["classes"] == ["setosa", "versicolor", "virginica"]
    assert model["routes"] == {"invocations": "/invocations", "infer": "/v2/models/forest/infer"}
    assert [feature["name"] for feature in model["features"]] == [
        "sepal_length",
        "sepal_width",
        "petal_length",
        "petal_width",
    ]
    assert model["samples"][0] == [5.1, 3.5, 1.4, 0.2]
    assert model["n_trees"] == 25
    assert model["versions"] == ["test/1"]


def test_what_a_browser_has_is_not_sent_again(iris_server):
    first = httpx.get(iris_server.url + "/")
    head = httpx.head(iris_server.url + "/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(first.content))
    again = httpx.get(iris_server.url + "/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-length" not in again.headers
    other = httpx.get(iris_server.url + "/", headers={"if-none-match": '"other"'})
    assert other.content == first.content


def test_requests_for_the_page_are_counted(iris_server):
    httpx.get(iris_server.url + "/")
    assert 'path="/"' in httpx.get(iris_server.url + "/metrics").text


def test_methods_other_than_get_and_head_are_refused(iris_server):
    response = httpx.post(iris_server.url + "/", content=b"{}")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "variables",
    [
        {"FOREST_TRY_IT": "false"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"},
    ],
    ids=["switched-off", "on-sagemaker"],
)
def test_where_it_is_off_there_is_no_such_route(variables, start_serve, model_dir):
    server = start_serve(model_dir, MODEL_SERVER_WORKERS="1", **variables).wait_until_ready()
    response = httpx.get(server.url + "/")
    assert response.status_code == 404
    assert "there is no '/'" in error_of(response)
    assert "/" not in httpx.get(server.url + "/openapi.json").json()["paths"]


def test_no_text_of_a_model_is_read_as_html(tmp_path, start_serve, iris):
    """Names, classes and a card contain HTML that somebody wrote to do harm."""
    from sklearn.tree import DecisionTreeClassifier

    x, y = iris
    classes = [WICKED, "b\u2028", "%%script%%"]
    tree = DecisionTreeClassifier(random_state=0)
    tree.fit(x, [classes[("setosa", "versicolor", "virginica").index(label)] for label in y])
    directory = save_model(tmp_path / "model", tree, x, names=(WICKED, "<!--", "b", "c"))
    model_directory.replace_card(
        directory, Card(WICKED, "<b>", 3, {"<i>": {"<u>": 1.0}}, {WICKED: 1.0})
    )
    server = start_serve(directory, MODEL_SERVER_WORKERS="1").wait_until_ready()
    text = httpx.get(server.url + "/").text
    assert "alert(" not in re.sub(r'id="document">.*?</script>', "", text, flags=re.DOTALL)
    assert text.count("</script>") == 2
    model = document_of(text)["model"]
    assert sorted(model["classes"]) == sorted(classes)
    assert model["features"][0]["name"] == WICKED
    assert model["card"]["algorithm"] == WICKED


def test_a_card_that_is_none_harms_nobody(tmp_path, start_serve, model_dir):
    directory = tmp_path / "model"
    shutil.copytree(model_dir, directory)
    settings = json.loads((directory / "model-settings.json").read_text())
    settings["parameters"]["extra"] = {"card": {"algorithm": 7, "metrics": [1], "n_rows": "x"}}
    (directory / "model-settings.json").write_text(json.dumps(settings))
    server = start_serve(directory, MODEL_SERVER_WORKERS="1").wait_until_ready()
    card = document_of(httpx.get(server.url + "/").text)["model"]["card"]
    assert card == {
        "algorithm": "",
        "trained": "",
        "n_rows": 0,
        "metrics": {},
        "importances": {},
        "measure": "",
        "measured_on": "",
        "target": "",
        "target_title": "",
        "title": "",
        "notes": [],
        "ignored": [],
    }


def test_the_report_beside_a_model_is_shown_and_nothing_in_it_runs(
    tmp_path, start_serve, model_dir
):
    directory = tmp_path / "ml" / "model"
    shutil.copytree(model_dir, directory)
    server = start_serve(directory, MODEL_SERVER_WORKERS="1").wait_until_ready()
    assert "report=true" in error_of(httpx.get(server.url + "/report"))
    assert document_of(httpx.get(server.url + "/").text)["model"]["report"] is None
    (directory / "report.html").write_text('<p class="note" id="page">how</p><script>1</script>')
    response = httpx.get(server.url + "/report")
    assert response.status_code == 200
    assert response.text.startswith('<p class="note"><a href="/">')
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "script-src" not in response.headers["content-security-policy"]


def test_of_several_models_one_is_chosen(tmp_path, start_serve, model_dir):
    """First no model is loaded, then one, then two; and one that was asked for does not exist."""
    server = start_serve(
        tmp_path / "model", SAGEMAKER_MULTI_MODEL="true", FOREST_TRY_IT="true"
    ).wait_until_ready()

    def get(path="/"):
        response = httpx.get(server.url + path)
        document = document_of(response.text)
        assert document.pop("names")["metrics"]["accuracy"]["title"] == "Accuracy"
        return response.status_code, document

    assert get() == (200, {"models": [], "has_more": False, "unknown": None})
    for name in ("a b", "ä"):
        loaded = {"model_name": name, "url": str(model_dir)}
        assert httpx.post(server.url + "/models", json=loaded).status_code == 200
        if name == "a b":
            assert get()[1]["model"]["name"] == "a b"
    assert get() == (200, {"models": ["a b", "ä"], "has_more": False, "unknown": None})
    status, document = get("/?model=a%20b")
    assert status == 200
    assert document["model"]["routes"] == {
        "invocations": "/models/a%20b/invoke",
        "infer": "/v2/models/a%20b/infer",
    }
    status, document = get("/?model=%3Cb%3E")
    assert (status, document["unknown"]) == (404, "<b>")
    httpx.delete(server.url + "/models/a%20b")
    assert get("/?model=a%20b")[0] == 404


def test_a_model_of_another_runtime_has_a_page(tmp_path, start_serve, iris):
    """The model describes no inputs, so the page asks for a line."""
    import joblib
    from sklearn.linear_model import LogisticRegression

    from mlserver_forest.schema.schema import Schema

    source = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression(max_iter=1000).fit(*iris), source)
    unknown = Schema((), "unknown", datatype="FP64")
    model_directory.save_pickle(tmp_path / "model", source, unknown, name="foreign", versions=[])
    server = start_serve(
        tmp_path / "model", MODEL_SERVER_WORKERS="1", FOREST_TRUST_CODE="true"
    ).wait_until_ready()
    model = document_of(httpx.get(server.url + "/").text)["model"]
    assert (model["kind"], model["features"], model["samples"]) == ("unknown", [], [])
