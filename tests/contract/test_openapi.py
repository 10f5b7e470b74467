"""The description of the routes, and requests made from it that nobody would think of."""

import httpx
import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from support import serving

CHECKS = (not_a_server_error, response_schema_conformance, status_code_conformance)


@pytest.fixture(scope="module")
def one_model(iris_server):
    return schemathesis.openapi.from_url(iris_server.url + "/openapi.json")


@pytest.fixture(scope="module")
def multi_model(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ml") / "model", SAGEMAKER_MULTI_MODEL="true") as server:
        url = server.url
        yield schemathesis.openapi.from_url(url + "/openapi.json")


few = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def operations_of(description):
    return [found.ok() for found in description.get_all_operations()]


def answered_as_described(data, description):
    operation = data.draw(st.sampled_from(operations_of(description)))
    case = data.draw(operation.as_strategy())
    case.call_and_validate(checks=CHECKS, timeout=20)


@few
@given(data=st.data())
def test_a_server_of_one_model_does_what_it_says(one_model, data):
    answered_as_described(data, one_model)


@few
@given(data=st.data())
def test_a_server_of_many_models_does_what_it_says(multi_model, data):
    answered_as_described(data, multi_model)


def test_each_server_describes_its_own_routes(iris_server):
    document = httpx.get(iris_server.url + "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert "/invocations" in document["paths"]
    assert not [path for path in document["paths"] if path.startswith("/models")]


@pytest.mark.parametrize("path", ["/openapi.json", "/v2/docs/dataplane.json"])
def test_a_description_is_valid_and_its_routes_exist(iris_server, path):
    document = httpx.get(iris_server.url + path).json()
    openapi_spec_validator.validate(document)
    for route, item in document["paths"].items():
        url = iris_server.url + route.format(name="forest", version="1")
        for method in item:
            response = httpx.request(method, url)
            assert response.status_code not in {404, 405} or "training report" in response.text
    assert ("/ping" in document["paths"]) == (path == "/openapi.json")
    assert not [route for route in document["paths"] if route.endswith("load")]
