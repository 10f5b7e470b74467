"""Variables become values, or an error that names the variable."""

from pathlib import Path

import pytest

from mlserver_forest.environment import Environment, from_environ
from mlserver_forest.errors import InvalidEnvironment

DEFAULT = Environment(
    Path("/opt/ml"), 8080, 8081, None, 1 << 30, multi_model=False, trust_pickle=False
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"SAGEMAKER_BASE_DIR": "/tmp/ml"}, {"base_dir": Path("/tmp/ml")}),
        ({"SAGEMAKER_BIND_TO_PORT": "9000"}, {"http_port": 9000, "grpc_port": None}),
        (
            {"SAGEMAKER_BIND_TO_PORT": "9000", "FOREST_GRPC_PORT": "9001"},
            {"http_port": 9000, "grpc_port": 9001},
        ),
        ({"FOREST_GRPC_PORT": "off"}, {"grpc_port": None}),
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}, {"default_accept": "text/csv"}),
        ({"MAX_CONTENT_LENGTH": "6291456"}, {"max_body_bytes": 6291456}),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, {"multi_model": True}),
        ({"FOREST_TRUST_PICKLE": "TRUE"}, {"trust_pickle": True}),
        ({"FOREST_TRUST_PICKLE": "no"}, {"trust_pickle": False}),
    ],
)
def test_variables_are_read(variables, expected):
    assert from_environ(variables) == Environment(**{**vars(DEFAULT), **expected})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("FOREST_GRPC_PORT", "65536"),
        ("FOREST_GRPC_PORT", "-1"),
        ("MAX_CONTENT_LENGTH", "6MB"),
        ("FOREST_TRUST_PICKLE", "maybe"),
    ],
)
def test_an_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(InvalidEnvironment, match=f"{name} is '{value}'; expected"):
        from_environ({name: value})
