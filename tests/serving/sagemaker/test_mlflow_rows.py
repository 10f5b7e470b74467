"""Requests in the shapes that only MLflow's scoring server has."""

import contextlib
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.serving.http.media_types import MediaType
from mlserver_forest.serving.sagemaker.mlflow_rows import rows_of, take_outputs, with_header
from support import IRIS_NAMES, error_of, serving

V2 = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}
ROW = [5.1, 3.5, 1.4, 0.2]


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"inputs": [[1, 2]]}, {"instances": [[1, 2]]}),
        ({"inputs": {"a": 1, "b": "x"}}, {"instances": [{"a": 1, "b": "x"}]}),
        (
            {"inputs": {"a": [1, 2], "b": ["x", None]}},
            {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]}},
        ),
        (V2, V2),
        ({"instances": [[1, 2]]}, {"instances": [[1, 2]]}),
        ([[1, 2]], [[1, 2]]),
    ],
)  # fmt: skip
def test_rows_under_inputs_become_rows_that_every_request_may_have(document, wanted):
    assert rows_of(document) == wanted


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidInput, match=r'the columns in "inputs" have \[1, 2\] values'):
        rows_of({"inputs": {"a": [1], "b": [1, 2]}})


def test_a_column_that_is_no_list_beside_one_that_is_refused():
    """Else it had no values, as an empty list has none, and the server failed."""
    with pytest.raises(InvalidInput, match=r"the column 'b' in \"inputs\" is 1; expected a list"):
        rows_of({"inputs": {"a": [], "b": 1}})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "name", "shape", "datatype"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["inputs", "params", "instances"]), VALUES, max_size=3))
def test_any_document_is_rewritten_or_refused(document):
    with contextlib.suppress(InvalidInput):
        take_outputs(document)
    with contextlib.suppress(InvalidInput):
        assert isinstance(rows_of(document), dict)


def test_params_choose_outputs():
    document = {"params": {"outputs": "Predicted_Label, probability,"}}
    assert take_outputs(document) == ("predicted_label", "probability")
    assert document == {"params": {}}
    assert take_outputs({"params": {"other": 1}}) == take_outputs([]) == ()
    with pytest.raises(InvalidInput, match=r'"outputs" in "params" is \[1\]'):
        take_outputs({"params": {"outputs": [1]}})


def test_csv_has_a_header_unless_it_says_otherwise():
    assert with_header(MediaType("text/csv")).parameters == {"header": "present"}
    without = MediaType("text/csv", {"header": "absent"})
    assert with_header(without) is without
    assert with_header(MediaType("application/json")).parameters == {}


@pytest.fixture(scope="module")
def server(model_dir):
    with serving(model_dir, SAGEMAKER_INFERENCE_ANSWER="mlflow") as found:
        yield found


@pytest.mark.parametrize(
    ("content_type", "body", "wanted"),
    [
        ("application/json", {"inputs": [ROW, ROW]}, {"predictions": ["setosa", "setosa"]}),
        ("application/json", {"inputs": dict(zip(IRIS_NAMES, [[v] for v in ROW], strict=True))},
         {"predictions": ["setosa"]}),
        ("application/json", {"instances": [ROW], "params": {"outputs": "predicted_label"}},
         {"predictions": [{"predicted_label": "setosa"}]}),
        ("text/csv", f"{','.join(IRIS_NAMES)}\n5.1,3.5,1.4,0.2\n", {"predictions": ["setosa"]}),
        ("text/csv; header=absent", "5.1,3.5,1.4,0.2", {"predictions": ["setosa"]}),
    ],
)  # fmt: skip
def test_the_server_answers_a_value_for_each_row(server, content_type, body, wanted):
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": content_type}
    found = httpx.post(f"{server.url}/invocations", content=content, headers=headers)
    assert (found.status_code, found.json()) == (200, wanted), found.text


def test_what_was_asked_for_otherwise_is_answered_otherwise(server):
    """Outputs that are chosen are named, V2 stays V2, and Accept may name another media type."""
    url, attribute = f"{server.url}/invocations", "x-amzn-sagemaker-custom-attributes"
    found = httpx.post(url, json={"inputs": [ROW]}, headers={attribute: "outputs=probabilities"})
    assert list(found.json()["predictions"][0]) == ["probabilities"]
    assert httpx.post(url, json=V2).json()["outputs"][0]["data"] == ["setosa"]
    found = httpx.post(url, json={"inputs": [ROW]}, headers={"accept": "text/csv"})
    assert found.text == "setosa\n"
    found = httpx.post(url, json={"inputs": [ROW], "params": {"outputs": "interval"}})
    assert found.status_code == 400
    assert error_of(found).startswith("output 'interval' was chosen; this model, a classification")
    found = httpx.post(url, json={"inputs": [ROW], "params": {"temperature": 1}})
    assert '"params" is' in error_of(found)
