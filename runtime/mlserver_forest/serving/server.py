"""The composition root: environment -> MLServer's pieces -> app -> a running server."""

import asyncio
import json
import logging.config
import signal
import socket
from importlib import resources
from types import FrameType

import prometheus_client
import uvicorn
import uvloop
from mlserver.registry import MultiModelRegistry

from mlserver_forest import __version__
from mlserver_forest.environment import DEFAULT_GRPC_PORT, Environment
from mlserver_forest.errors import ForestError, InvalidArtifact, InvalidEnvironment
from mlserver_forest.model import schema_of
from mlserver_forest.serving import media_types
from mlserver_forest.serving.app import Application
from mlserver_forest.serving.data_plane import GuardedDataPlane
from mlserver_forest.serving.repository import (
    FixedRepositoryHandlers,
    FixedSettings,
    ModelDirectory,
)
from mlserver_forest.serving.v2 import v2_application
from mlserver_forest.serving.v2_grpc import GRPCServer

logger = logging.getLogger(__name__)

_HOST = "0.0.0.0"
_BACKLOG = 2048
# SageMaker kills a container 30 s after SIGTERM; requests in flight get most of that.
_DRAIN_SECONDS = 20
_TICK_SECONDS = 0.1


class Server:
    """MLServer's pieces, put together for one model.

    Raises:
        InvalidArtifact: if the model must not be served.
        InvalidEnvironment: if a port is taken or a variable has an impossible value.
    """

    def __init__(self, environment: Environment) -> None:
        _check(environment)
        settings = _settings(environment)
        repository = ModelDirectory(environment.model_dir, trust_pickle=environment.trust_pickle)
        self._model_settings = repository.settings()
        self._registry = MultiModelRegistry()
        data_plane = GuardedDataPlane(settings, self._registry)
        handlers = FixedRepositoryHandlers(repository, self._registry)
        app = Application(
            data_plane,
            self._model_settings.name,
            schema_of(self._model_settings),
            v2_application(settings, data_plane, handlers),
            _metrics,
            default_accept=environment.default_accept,
            max_body_bytes=environment.max_body_bytes,
        )
        self._http = uvicorn.Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        self._grpc = None
        if environment.grpc_port is not None:
            # Asked first, because gRPC writes lines of its own to stderr when a port is taken.
            _listen(environment.grpc_port, "FOREST_GRPC_PORT").close()
            address = f"{_HOST}:{environment.grpc_port}"
            limit = settings.grpc_max_message_length
            self._grpc = GRPCServer(data_plane, handlers, address, limit)
        self._socket = _listen(environment.http_port, "SAGEMAKER_BIND_TO_PORT")

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish what was begun.

        Raises:
            InvalidArtifact: if the model fails to load; nothing was ever ready.
        """
        # Uvicorn raises the signal that stopped it once more when it is done
        # (0.54, ``capture_signals``); by then this handler is back and ends nothing.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._http.should_exit = True

    async def _serve(self) -> None:
        http = asyncio.create_task(self._http.serve(sockets=[self._socket]))
        try:
            if self._grpc:
                await self._grpc.start()
            await self._load()
            while not self._http.should_exit:  # noqa: ASYNC110  # set by a signal, as Uvicorn's
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            self._http.should_exit = True
            stops = [self._grpc.stop()] if self._grpc else []
            await asyncio.gather(http, *stops)

    async def _load(self) -> None:
        try:
            await self._registry.load(self._model_settings)
        except ForestError:
            raise
        except Exception as error:  # What a foreign file raises when it is unpickled is its own.
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InvalidArtifact(f"the model cannot be loaded: {reason}") from error
        logger.info("model %r is ready", self._model_settings.name)


def _settings(environment: Environment) -> FixedSettings:
    """MLServer's settings: settings.json, and what the environment decides."""
    packaged = json.loads(read_packaged("settings.json"))
    grpc_port = environment.grpc_port or DEFAULT_GRPC_PORT
    return FixedSettings(
        **packaged,
        server_version=__version__,
        host=_HOST,
        http_port=environment.http_port,
        grpc_port=grpc_port,
    )


def read_packaged(name: str) -> str:
    """The text of a file from the top-level folder ``settings/``, which the wheel carries."""
    return resources.files("mlserver_forest").joinpath("settings", name).read_text("utf-8")


def _metrics() -> tuple[bytes, str]:
    return prometheus_client.generate_latest(), prometheus_client.CONTENT_TYPE_LATEST


def _check(environment: Environment) -> None:
    if environment.multi_model:
        raise InvalidEnvironment(
            "SAGEMAKER_MULTI_MODEL is true, but this version serves one model per container; "
            "create the endpoint with a single model"
        )
    media_type = environment.default_accept
    if media_type is not None and media_type not in media_types.SUPPORTED:
        raise InvalidEnvironment(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {media_type!r}; "
            f"expected one of {', '.join(media_types.SUPPORTED)}"
        )


def _listen(port: int, variable: str) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise InvalidEnvironment(
            f"port {port} cannot be opened: {error.strerror}; "
            f"end the process that has it, or set {variable} to another port"
        ) from error


def configure_logging() -> None:
    """Log to standard output as settings/logging.json says."""
    logging.config.dictConfig(json.loads(read_packaged("logging.json")))
