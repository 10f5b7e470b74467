"""The only reader of ``os.environ``: variables become frozen values here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.errors import InvalidEnvironment

DEFAULT_HTTP_PORT = 8080
DEFAULT_GRPC_PORT = 8081
# SageMaker's asynchronous endpoints hand over objects of up to 1 GB
# (CreateEndpointConfig, AsyncInferenceConfig).
DEFAULT_MAX_BODY_BYTES = 1 << 30

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class Environment:
    """What the process was told by its surroundings.

    Attributes:
        base_dir: the root of SageMaker's file contract (``SAGEMAKER_BASE_DIR``).
        http_port: the port of all HTTP routes (``SAGEMAKER_BIND_TO_PORT``).
        grpc_port: the port of V2 over gRPC (``FOREST_GRPC_PORT``), or None for
            no gRPC. In an inference pipeline, where SageMaker sets
            ``SAGEMAKER_BIND_TO_PORT``, other containers share the host's ports,
            so gRPC is off unless ``FOREST_GRPC_PORT`` is given.
        default_accept: what to answer when a request names no preference
            (``SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT``), or None.
        max_body_bytes: the largest request body (``MAX_CONTENT_LENGTH``).
        multi_model: whether SageMaker will load and unload models at run time
            (``SAGEMAKER_MULTI_MODEL``).
        trust_pickle: whether runtimes that unpickle may be loaded
            (``FOREST_TRUST_PICKLE``).
    """

    base_dir: Path
    http_port: int
    grpc_port: int | None
    default_accept: str | None
    max_body_bytes: int
    multi_model: bool
    trust_pickle: bool

    @property
    def model_dir(self) -> Path:
        return self.base_dir / "model"


def from_environ(environ: Mapping[str, str] = os.environ) -> Environment:
    """Read the variables that this package knows.

    Raises:
        InvalidEnvironment: naming the variable, its value and what was expected.
    """
    bound = environ.get("SAGEMAKER_BIND_TO_PORT", "")
    default_grpc = "off" if bound else str(DEFAULT_GRPC_PORT)
    grpc = environ.get("FOREST_GRPC_PORT", "") or default_grpc
    return Environment(
        base_dir=base_dir_from(environ),
        http_port=_port("SAGEMAKER_BIND_TO_PORT", bound or str(DEFAULT_HTTP_PORT)),
        grpc_port=None if grpc.lower() == "off" else _port("FOREST_GRPC_PORT", grpc),
        default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or None,
        max_body_bytes=_positive(
            "MAX_CONTENT_LENGTH", environ.get("MAX_CONTENT_LENGTH") or str(DEFAULT_MAX_BODY_BYTES)
        ),
        multi_model=_flag("SAGEMAKER_MULTI_MODEL", environ.get("SAGEMAKER_MULTI_MODEL", "")),
        trust_pickle=_flag("FOREST_TRUST_PICKLE", environ.get("FOREST_TRUST_PICKLE", "")),
    )


def base_dir_from(environ: Mapping[str, str] = os.environ) -> Path:
    """The root of SageMaker's file contract."""
    return Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")


def _port(name: str, text: str) -> int:
    port = _positive(name, text)
    if port > 65535:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a port from 1 to 65535")
    return port


def _positive(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a whole number above 0")
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise InvalidEnvironment(f"{name} is {text!r}; expected true or false")
