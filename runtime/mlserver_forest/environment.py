"""The only reader of ``os.environ``: variables become one frozen value."""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest import environment_values as values
from mlserver_forest.environment_values import (
    DEFAULT_LOG_SECONDS,
    GRPCKeepalive,
    RequestLogSettings,
)
from mlserver_forest.errors import InvalidEnvironment

# KServe's storage initializer puts the model there (its pkg/constants/constants.go).
KSERVE_MODEL_DIR = Path("/mnt/models")
# All addresses of the machine, and only those that the machine itself can reach.
ANY_HOST = "0.0.0.0"
LOOPBACK_HOST = "127.0.0.1"
DEFAULT_HTTP_PORT = 8080
DEFAULT_GRPC_PORT = 8081
# SageMaker's asynchronous endpoints send objects of up to 1 GB
# (CreateEndpointConfig, AsyncInferenceConfig).
DEFAULT_MAX_BODY_BYTES = 1 << 30
# SageMaker gives up on an invocation after 60 s.
DEFAULT_TIMEOUT_SECONDS = 60
# Load balancers ask for readiness about once a second, or more often.
DEFAULT_SHUTDOWN_DELAY_SECONDS = 1
# CreateTransformJob: the default and the largest of MaxPayloadInMB.
DEFAULT_PAYLOAD_MB = 6
MAX_PAYLOAD_MB = 100

# SageMaker's or this project's name, and the one that KServe sets for MLServer
# (kserve, config/runtimes/kserve-mlserver.yaml).
_HTTP_PORTS = ("SAGEMAKER_BIND_TO_PORT", "MLSERVER_HTTP_PORT")
_GRPC_PORTS = ("FOREST_GRPC_PORT", "MLSERVER_GRPC_PORT")
# The name that this project uses, and those that SageMaker's toolkits read.
_TIMEOUTS = (
    "MODEL_SERVER_TIMEOUT",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
)
# OpenTelemetry's: those of traces come before those of all signals (its protocol exporter's
# specification, which also has the default).
_OTLP_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_OTLP_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP_GRPC, _OTLP_HTTP = "grpc", "http/protobuf"
# A pickle can run any code, so who trusts one trusts the other.
_TRUSTS = ("FOREST_TRUST_CODE", "FOREST_TRUST_PICKLE")
_WORKERS = ("MODEL_SERVER_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS")
_MOST_WORKERS = 512
# A worker counts as hung after the timeout of answers, but within these bounds (in seconds).
_WORKER_TIMEOUT_BOUNDS = (5, 30)
_MLFLOW_LIMITS: Mapping[str, str] = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_MLFLOW_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
# At least one of these is set wherever SageMaker hosts a container: by SageMaker, by its SDK, or
# with the credentials of the role.
_SIGNS_OF_SAGEMAKER = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EXECUTION_ENV",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
    "SAGEMAKER_BATCH",
    "SAGEMAKER_MULTI_MODEL",
    "SAGEMAKER_REGION",
    "SAGEMAKER_SAFE_PORT_RANGE",
)


@dataclass(frozen=True)
class Environment:
    """The settings in the environment variables of the process.

    Attributes:
        base_dir: the root of SageMaker's file contract (``SAGEMAKER_BASE_DIR``).
        model_uri: the folder of the model (``MLSERVER_MODEL_URI``, as KServe sets it for
            MLServer), or None for the usual folders.
        model_name: the model's name in V2 (``MLSERVER_MODEL_NAME``), or None for the
            name in its settings.
        host: the address on which the ports are opened (``FOREST_HOST``). By default only this
            machine can connect, unless SageMaker seems to host the container; the image sets the
            variable to all addresses.
        http_port: the port of all HTTP routes (``SAGEMAKER_BIND_TO_PORT``, else
            ``MLSERVER_HTTP_PORT``).
        grpc_port: the port of V2 over gRPC (``FOREST_GRPC_PORT``, else
            ``MLSERVER_GRPC_PORT``), or None for no gRPC. In an inference pipeline,
            where SageMaker sets ``SAGEMAKER_BIND_TO_PORT``, other containers share
            the host's ports, so gRPC is off unless its port is given.
        grpc_keepalive: the settings of its connections.
        default_accept: the media type of answers to requests without a preference
            (``SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT``), or None.
        max_body_bytes: the size of the largest request body (``MAX_CONTENT_LENGTH``).
        timeout_seconds: how long an answer may take (``MODEL_SERVER_TIMEOUT``).
        workers: the number of worker processes (``MODEL_SERVER_WORKERS``), or None for one for
            each CPU; always 1 for a multi-model endpoint.
        worker_timeout_seconds: how long a worker's event loop may block before the worker is
            killed and replaced (``FOREST_WORKER_TIMEOUT``).
        shutdown_delay_seconds: how long new connections are answered after SIGTERM, while the
            server reports that it is not ready (``FOREST_SHUTDOWN_DELAY``).
        is_batch: whether the container serves a batch transform job (``SAGEMAKER_BATCH``);
            SageMaker then adds a newline to each answer.
        payload_mb: how much a batch transform job should send at a time, in MB
            (``SAGEMAKER_MAX_PAYLOAD_IN_MB``); 0 for bodies of any size, in chunks.
        outputs: the outputs for requests that do not choose any
            (``SAGEMAKER_INFERENCE_OUTPUT``); empty for the media type's default.
        answers_as_mlflow: whether invocations have the shapes of MLflow's scoring server
            (``SAGEMAKER_INFERENCE_ANSWER``).
        compresses: whether answers are compressed for clients that accept it
            (``FOREST_COMPRESS``). By default, not if SageMaker seems to host the container, whose
            data capture keeps what the container sends.
        cors_origins: the origins whose pages may call from a browser (``FOREST_CORS_ORIGINS``), or
            ``*`` for all; empty for none.
        json_logs: whether log lines are JSON (``FOREST_LOG_FORMAT``).
        otlp_protocol: how spans are sent to a collector, ``grpc`` or ``http/protobuf``
            (``OTEL_EXPORTER_OTLP_PROTOCOL``); None if no collector is set
            (``OTEL_EXPORTER_OTLP_ENDPOINT``).
        drift: whether requests are compared with the training rows (``FOREST_DRIFT``).
        emf: whether metrics are also logged for CloudWatch (``FOREST_EMF``).
        multi_model: whether SageMaker will load and unload models at run time
            (``SAGEMAKER_MULTI_MODEL``).
        trust_code: whether a model directory may name code to run: another runtime than this
            package's, a class of its own, a script, a pickle (``FOREST_TRUST_CODE``, or its older
            name ``FOREST_TRUST_PICKLE``, which means the same because a pickle can run any code).
        program: the script of a model in script mode (``SAGEMAKER_PROGRAM``), or None for
            ``inference.py``.
        submit_directory: a folder with that script besides ``code/`` of the model
            (``SAGEMAKER_SUBMIT_DIRECTORY``), or None.
        try_it: whether ``/`` is a page to try the model (``FOREST_TRY_IT``). By default, it is
            off if SageMaker seems to host the container.
        request_log: how a share of the requests is logged; None if it is not.
        default_version: the version of a model that answers requests which name none
            (``FOREST_DEFAULT_VERSION``); None for the highest.
        traffic: versions with the percentages of those requests that each answers
            (``FOREST_TRAFFIC``); ``version_settings.py`` reads it.
        shadow_version: the version to which the same rows are given afterwards
            (``FOREST_SHADOW``), or None.
    """

    base_dir: Path
    model_uri: Path | None
    model_name: str | None
    host: str
    http_port: int
    grpc_port: int | None
    grpc_keepalive: GRPCKeepalive
    default_accept: str | None
    max_body_bytes: int
    timeout_seconds: float
    workers: int | None
    worker_timeout_seconds: float
    shutdown_delay_seconds: float
    is_batch: bool
    payload_mb: int
    outputs: tuple[str, ...]
    answers_as_mlflow: bool
    compresses: bool
    cors_origins: tuple[str, ...]
    json_logs: bool
    otlp_protocol: str | None
    drift: bool
    emf: bool
    multi_model: bool
    trust_code: bool
    program: str | None
    submit_directory: str | None
    try_it: bool
    request_log: RequestLogSettings | None = None
    default_version: str | None = None
    traffic: str = ""
    shadow_version: str | None = None

    @property
    def model_dirs(self) -> tuple[Path, ...]:
        """The folders that may hold the model, the likeliest first."""
        if self.model_uri is not None:
            return (self.model_uri,)
        return (self.base_dir / "model", KSERVE_MODEL_DIR)

    @property
    def models_dir(self) -> Path:
        """The folder in which SageMaker puts the models of a multi-model endpoint."""
        return self.base_dir / "models"


def from_environ(environ: Mapping[str, str] = os.environ) -> Environment:
    """Read the variables that this package knows.

    Raises:
        InvalidEnvironment: naming the variable, its value and what was expected.
    """
    safe_range = environ.get("SAGEMAKER_SAFE_PORT_RANGE", "")
    in_pipeline = environ.get("SAGEMAKER_BIND_TO_PORT", "") or safe_range
    http_name, http = values.first_set(environ, _HTTP_PORTS, str(DEFAULT_HTTP_PORT))
    default_grpc = "off" if in_pipeline else str(DEFAULT_GRPC_PORT)
    grpc_name, grpc = values.first_set(environ, _GRPC_PORTS, default_grpc)
    grpc_port = None if grpc.lower() == "off" else values.port(grpc_name, grpc)
    values.check_safe_range(safe_range, grpc_name, grpc_port)
    timeout = _first_seconds(environ, _TIMEOUTS, DEFAULT_TIMEOUT_SECONDS)
    multi_model = values.flag("SAGEMAKER_MULTI_MODEL", environ.get("SAGEMAKER_MULTI_MODEL", ""))
    return Environment(
        base_dir=base_dir_from(environ),
        model_uri=Path(uri) if (uri := environ.get("MLSERVER_MODEL_URI", "")) else None,
        model_name=environ.get("MLSERVER_MODEL_NAME") or None,
        host=environ.get("FOREST_HOST") or (ANY_HOST if _is_hosted(environ) else LOOPBACK_HOST),
        http_port=values.port(http_name, http),
        grpc_port=grpc_port,
        grpc_keepalive=GRPCKeepalive(
            ping_seconds=_optional_seconds("FOREST_GRPC_KEEPALIVE_TIME", environ),
            timeout_seconds=_optional_seconds("FOREST_GRPC_KEEPALIVE_TIMEOUT", environ),
            least_ping_seconds=_optional_seconds("FOREST_GRPC_MIN_PING_INTERVAL", environ),
            most_age_seconds=_optional_seconds("FOREST_GRPC_MAX_CONNECTION_AGE", environ),
        ),
        default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or None,
        max_body_bytes=values.positive(
            "MAX_CONTENT_LENGTH", environ.get("MAX_CONTENT_LENGTH") or str(DEFAULT_MAX_BODY_BYTES)
        ),
        timeout_seconds=timeout,
        workers=1 if multi_model else _workers(environ),
        worker_timeout_seconds=_worker_timeout(environ, timeout),
        shutdown_delay_seconds=values.seconds(
            "FOREST_SHUTDOWN_DELAY",
            environ.get("FOREST_SHUTDOWN_DELAY") or str(DEFAULT_SHUTDOWN_DELAY_SECONDS),
            least=0,
        ),
        is_batch=values.flag("SAGEMAKER_BATCH", environ.get("SAGEMAKER_BATCH", "")),
        payload_mb=_payload_mb(environ),
        outputs=values.names(environ.get("SAGEMAKER_INFERENCE_OUTPUT", "")),
        answers_as_mlflow=values.answer_shape(environ.get("SAGEMAKER_INFERENCE_ANSWER", ""))
        == "mlflow",
        compresses=_unless_hosted("FOREST_COMPRESS", environ),
        cors_origins=values.origins(environ.get("FOREST_CORS_ORIGINS", "")),
        json_logs=values.log_format(environ.get("FOREST_LOG_FORMAT", "")) == "json",
        otlp_protocol=_otlp_protocol(environ),
        drift=values.flag("FOREST_DRIFT", environ.get("FOREST_DRIFT") or "true"),
        emf=values.flag("FOREST_EMF", environ.get("FOREST_EMF", "")),
        multi_model=multi_model,
        trust_code=values.flag(*values.first_set(environ, _TRUSTS, "")),
        program=environ.get("SAGEMAKER_PROGRAM") or None,
        submit_directory=environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or None,
        try_it=_unless_hosted("FOREST_TRY_IT", environ),
        request_log=_request_log(environ),
        default_version=environ.get("FOREST_DEFAULT_VERSION") or None,
        traffic=environ.get("FOREST_TRAFFIC", ""),
        shadow_version=environ.get("FOREST_SHADOW") or None,
    )


def base_dir_from(environ: Mapping[str, str] = os.environ) -> Path:
    """The root of SageMaker's file contract, without reading any other variable."""
    return Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")


def aws_region(environ: Mapping[str, str] = os.environ) -> str | None:
    """AWS's region; its other SDKs read the first of these variables, boto3 only the second."""
    return values.first_set(environ, ("AWS_REGION", "AWS_DEFAULT_REGION"), "")[1] or None


def only_serves(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the image's target ``serve``, which has nothing to train with."""
    return environ.get("FOREST_IMAGE") == "serve"


def limit_native_threads(n_threads: int, environ: MutableMapping[str, str] = os.environ) -> None:
    """Tell libraries that are imported from now on how many threads they may start.

    A number that the operator has set stays.

    Args:
        n_threads: for each pool; OpenMP's, and those of libraries that read its variable.
        environ: the variables to change.
    """
    environ.setdefault("OMP_NUM_THREADS", str(n_threads))


def mlflow_tracking_uri(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where MLflow keeps runs (``MLFLOW_TRACKING_URI``), or None; MLflow reads it itself."""
    return environ.get("MLFLOW_TRACKING_URI") or None


def limit_mlflow(environ: MutableMapping[str, str] = os.environ) -> None:
    """Tell MLflow not to try a server again for minutes, nor to draw progress bars.

    By default it tries each request eight times, for minutes (``mlflow/environment_variables.py``).
    What the operator has set stays.

    Args:
        environ: the variables to change, before MLflow is imported.
    """
    for name, value in _MLFLOW_LIMITS.items():
        environ.setdefault(name, value)


@contextmanager
def impatient_mlflow(environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Let MLflow wait for each answer for some seconds only, until it is known that one comes.

    Args:
        environ: the variables; what the operator has set stays.
    """
    if environ.get(_MLFLOW_TIMEOUT):
        yield
        return
    environ[_MLFLOW_TIMEOUT] = "10"
    try:
        yield
    finally:
        del environ[_MLFLOW_TIMEOUT]


def _workers(environ: Mapping[str, str]) -> int | None:
    name, text = values.first_set(environ, _WORKERS, "")
    if not text:
        return None
    count = values.positive(name, text)
    if count > _MOST_WORKERS:
        raise InvalidEnvironment(f"{name} is {text!r}; expected 1 to {_MOST_WORKERS}")
    return count


def _worker_timeout(environ: Mapping[str, str], timeout: float) -> float:
    low, high = _WORKER_TIMEOUT_BOUNDS
    default = min(max(timeout, low), high)
    return _first_seconds(environ, ("FOREST_WORKER_TIMEOUT",), default, least=1)


def _first_seconds(
    environ: Mapping[str, str], names: tuple[str, ...], default: float, least: float | None = None
) -> float:
    name, text = values.first_set(environ, names, "")
    return values.seconds(name, text, least) if text else default


def _request_log(environ: Mapping[str, str]) -> RequestLogSettings | None:
    place = environ.get("FOREST_REQUEST_LOG", "")
    share = values.share(*values.first_set(environ, ("FOREST_REQUEST_LOG_SAMPLE",), "1"))
    seconds = _first_seconds(environ, ("FOREST_REQUEST_LOG_INTERVAL",), DEFAULT_LOG_SECONDS, 1)
    if not place or not share:
        return None
    # Names of columns, which may have any letters.
    dropped = environ.get("FOREST_REQUEST_LOG_DROP", "").split(",")
    names = tuple(name.strip() for name in dropped if name.strip())
    return RequestLogSettings(place, share, names, seconds)


def _otlp_protocol(environ: Mapping[str, str]) -> str | None:
    """How spans are sent, by OpenTelemetry's own variables."""
    _, endpoint = values.first_set(environ, _OTLP_ENDPOINTS, "")
    is_off = values.flag("OTEL_SDK_DISABLED", environ.get("OTEL_SDK_DISABLED", ""))
    if not endpoint or is_off or environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return None
    name, protocol = values.first_set(environ, _OTLP_PROTOCOLS, _OTLP_HTTP)
    if protocol not in (_OTLP_HTTP, _OTLP_GRPC):
        raise InvalidEnvironment(f"{name} is {protocol!r}; expected {_OTLP_GRPC} or {_OTLP_HTTP}")
    return protocol


def _optional_seconds(name: str, environ: Mapping[str, str]) -> float | None:
    text = environ.get(name, "")
    return values.seconds(name, text, least=None) if text else None


def _unless_hosted(name: str, environ: Mapping[str, str]) -> bool:
    """A flag that is set unless SageMaker seems to host the container."""
    if text := environ.get(name, ""):
        return values.flag(name, text)
    return not _is_hosted(environ)


def _is_hosted(environ: Mapping[str, str]) -> bool:
    """Whether SageMaker seems to host the container."""
    return any(environ.get(name) for name in _SIGNS_OF_SAGEMAKER)


def _payload_mb(environ: Mapping[str, str]) -> int:
    name = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
    text = environ.get(name, "") or str(DEFAULT_PAYLOAD_MB)
    if not (text.isascii() and text.isdigit()) or int(text) > MAX_PAYLOAD_MB:
        raise InvalidEnvironment(
            f"{name} is {text!r}; expected a whole number from 0 to {MAX_PAYLOAD_MB}"
        )
    return int(text)
