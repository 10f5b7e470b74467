"""Variables become values, or an error that names the variable."""

from pathlib import Path

import pytest

from mlserver_forest.environment import (
    Environment,
    GRPCKeepalive,
    RequestLogSettings,
    from_environ,
)
from mlserver_forest.errors import InvalidEnvironment

# Where SageMaker hosts the container.
HOSTED = {"host": "0.0.0.0", "try_it": False, "compresses": False}
DEFAULT = Environment(
    base_dir=Path("/opt/ml"),
    model_uri=None,
    model_name=None,
    host="127.0.0.1",
    http_port=8080,
    grpc_port=8081,
    grpc_keepalive=GRPCKeepalive(),
    default_accept=None,
    max_body_bytes=1 << 30,
    timeout_seconds=60,
    workers=None,
    worker_timeout_seconds=30,
    shutdown_delay_seconds=1,
    is_batch=False,
    payload_mb=6,
    outputs=(),
    answers_as_mlflow=False,
    compresses=True,
    cors_origins=(),
    json_logs=False,
    otlp_protocol=None,
    drift=True,
    emf=False,
    multi_model=False,
    trust_code=False,
    program=None,
    submit_directory=None,
    try_it=True,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        (
            {"SAGEMAKER_BASE_DIR": "/tmp/ml"},
            {"base_dir": Path("/tmp/ml")},
        ),
        ({"SAGEMAKER_BIND_TO_PORT": "9000"}, {"http_port": 9000, "grpc_port": None}),
        (
            {"SAGEMAKER_BIND_TO_PORT": "9000", "FOREST_GRPC_PORT": "9001"},
            {"http_port": 9000, "grpc_port": 9001},
        ),
        ({"FOREST_GRPC_PORT": "off"}, {"grpc_port": None}),
        (
            {"FOREST_GRPC_KEEPALIVE_TIME": "10", "FOREST_GRPC_MIN_PING_INTERVAL": "0.5"},
            {"grpc_keepalive": GRPCKeepalive(ping_seconds=10, least_ping_seconds=0.5)},
        ),
        (
            {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"},
            {"program": "serve.py", "submit_directory": "/opt/ml/code"},
        ),
        (
            {
                "MLSERVER_MODEL_NAME": "iris",
                "MLSERVER_MODEL_URI": "/mnt/models",
                "MLSERVER_HTTP_PORT": "8085",
                "MLSERVER_GRPC_PORT": "9000",
            },
            {
                "model_name": "iris",
                "model_uri": Path("/mnt/models"),
                "http_port": 8085,
                "grpc_port": 9000,
            },
        ),
        (
            {
                "SAGEMAKER_BIND_TO_PORT": "8443",
                "MLSERVER_HTTP_PORT": "8085",
                "FOREST_GRPC_PORT": "8444",
                "MLSERVER_GRPC_PORT": "9000",
            },
            {"http_port": 8443, "grpc_port": 8444},
        ),
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}, {"default_accept": "text/csv"}),
        ({"MAX_CONTENT_LENGTH": "6291456"}, {"max_body_bytes": 6291456}),
        ({"MODEL_SERVER_TIMEOUT": "2.5"}, {"timeout_seconds": 2.5, "worker_timeout_seconds": 5}),
        ({"MODEL_SERVER_TIMEOUT": "20"}, {"timeout_seconds": 20, "worker_timeout_seconds": 20}),
        ({"FOREST_WORKER_TIMEOUT": "3"}, {"worker_timeout_seconds": 3}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318"}, {"otlp_protocol": "http/protobuf"}),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            {"otlp_protocol": "grpc"},
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, {}),
        (
            {"FOREST_CORS_ORIGINS": "https://a, http://b:1"},
            {"cors_origins": ("https://a", "http://b:1")},
        ),
        ({"FOREST_SHUTDOWN_DELAY": "0"}, {"shutdown_delay_seconds": 0}),
        ({"FOREST_SHUTDOWN_DELAY": "5"}, {"shutdown_delay_seconds": 5}),
        ({"MODEL_SERVER_WORKERS": "3"}, {"workers": 3}),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "4"}, {"workers": 4}),
        (
            {"MODEL_SERVER_WORKERS": "3", "SAGEMAKER_MODEL_SERVER_WORKERS": "4"},
            {"workers": 3},
        ),
        (
            {"SAGEMAKER_MULTI_MODEL": "true", "MODEL_SERVER_WORKERS": "3"},
            {"multi_model": True, "workers": 1, **HOSTED},
        ),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "30"}, {"timeout_seconds": 30}),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "30"}, {"timeout_seconds": 30}),
        (
            {"MODEL_SERVER_TIMEOUT": "10", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "30"},
            {"timeout_seconds": 10, "worker_timeout_seconds": 10},
        ),
        ({"SAGEMAKER_BATCH": "True"}, {"is_batch": True, **HOSTED}),
        ({"SAGEMAKER_BATCH": "true"}, {"is_batch": True, **HOSTED}),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100"}, {"payload_mb": 100}),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, {"payload_mb": 0}),
        (
            {"SAGEMAKER_INFERENCE_OUTPUT": " Predicted_Label , probability,"},
            {"outputs": ("predicted_label", "probability")},
        ),
        ({"SAGEMAKER_INFERENCE_ANSWER": "MLflow"}, {"answers_as_mlflow": True}),
        ({"SAGEMAKER_INFERENCE_ANSWER": "default"}, {"answers_as_mlflow": False}),
        ({"FOREST_LOG_FORMAT": "json"}, {"json_logs": True}),
        ({"FOREST_DRIFT": "false"}, {"drift": False}),
        ({"FOREST_EMF": "true"}, {"emf": True}),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "9000-9999"}, {"grpc_port": None, **HOSTED}),
        (
            {"SAGEMAKER_SAFE_PORT_RANGE": "9000-9999", "FOREST_GRPC_PORT": "9999"},
            {"grpc_port": 9999, **HOSTED},
        ),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, {"multi_model": True, "workers": 1, **HOSTED}),
        ({"FOREST_TRUST_CODE": "TRUE"}, {"trust_code": True}),
        ({"FOREST_TRUST_PICKLE": "1"}, {"trust_code": True}),
        ({"FOREST_TRUST_PICKLE": "1", "FOREST_TRUST_CODE": "no"}, {"trust_code": False}),
        ({"FOREST_HOST": "0.0.0.0"}, {"host": "0.0.0.0"}),
        ({"FOREST_TRUST_PICKLE": "no"}, {"trust_code": False}),
        ({"FOREST_TRY_IT": "false"}, {"try_it": False}),
        (
            {"FOREST_DEFAULT_VERSION": "2", "FOREST_TRAFFIC": "1:90,2:10", "FOREST_SHADOW": "3"},
            {"default_version": "2", "traffic": "1:90,2:10", "shadow_version": "3"},
        ),
        ({"FOREST_REQUEST_LOG": "log"}, {"request_log": RequestLogSettings("log", 1, (), 60)}),
        ({"FOREST_REQUEST_LOG": "log", "FOREST_REQUEST_LOG_SAMPLE": "0"}, {}),
        ({"FOREST_REQUEST_LOG_SAMPLE": "0.5"}, {}),
        (
            {
                "FOREST_REQUEST_LOG": "s3://b/p",
                "FOREST_REQUEST_LOG_SAMPLE": "0.25",
                "FOREST_REQUEST_LOG_DROP": " Zip code , age,",
                "FOREST_REQUEST_LOG_INTERVAL": "5",
            },
            {"request_log": RequestLogSettings("s3://b/p", 0.25, ("Zip code", "age"), 5)},
        ),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}, {**HOSTED}),
        (
            {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1", "FOREST_TRY_IT": "on"},
            {**HOSTED, "try_it": True},
        ),
    ],
)
def test_a_variable_sets_its_attribute(variables, expected):
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
        ("FOREST_TRY_IT", "maybe"),
        ("FOREST_CORS_ORIGINS", "https://a/"),
        ("MODEL_SERVER_TIMEOUT", "0"),
        ("MODEL_SERVER_TIMEOUT", "nan"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "soon"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "101"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "many"),
        ("SAGEMAKER_INFERENCE_ANSWER", "v2"),
        ("FOREST_LOG_FORMAT", "xml"),
        ("FOREST_REQUEST_LOG_SAMPLE", "10%"),
        ("FOREST_REQUEST_LOG_SAMPLE", "1.5"),
        ("FOREST_REQUEST_LOG_INTERVAL", "0"),
    ],
)
def test_an_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(InvalidEnvironment, match=f"{name} is '{value}'; expected "):
        from_environ({name: value})
