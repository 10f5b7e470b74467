"""The composition root: environment -> MLServer's pieces -> app -> a running server."""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import prometheus_client
import uvicorn
import uvloop
from mlserver.registry import MultiModelRegistry

from mlserver_forest import __version__
from mlserver_forest.environment import DEFAULT_GRPC_PORT, Environment
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.model import schema_of
from mlserver_forest.serving import media_types, outputs
from mlserver_forest.serving.app import Application
from mlserver_forest.serving.cloudwatch import INTERVAL_SECONDS, CloudWatchMetrics
from mlserver_forest.serving.data_plane import GuardedDataPlane
from mlserver_forest.serving.invocations import Invocations
from mlserver_forest.serving.metrics import Metrics
from mlserver_forest.serving.model_settings import FixedSettings, settings_of
from mlserver_forest.serving.models import Models, Served
from mlserver_forest.serving.multi_model import MultiModelRoutes
from mlserver_forest.serving.packaged import read_packaged
from mlserver_forest.serving.repository import ModelsFolder, OneModel, RepositoryHandlers
from mlserver_forest.serving.resources import available_memory, n_cpus
from mlserver_forest.serving.routes import Methods
from mlserver_forest.serving.sagemaker import (
    ContainerRoutes,
    OneModelRoutes,
    execution_parameters,
)
from mlserver_forest.serving.v2 import V2Routes
from mlserver_forest.serving.v2_application import v2_application
from mlserver_forest.serving.v2_grpc import GRPCServer
from mlserver_forest.serving.v2_server import V2ServerRoutes

logger = logging.getLogger(__name__)

_HOST = "0.0.0.0"
_BACKLOG = 2048
# SageMaker kills a container 30 s after SIGTERM; requests in flight get most of that.
_DRAIN_SECONDS = 20
_TICK_SECONDS = 0.1


class Server:
    """MLServer's pieces, put together.

    Raises:
        InvalidArtifact: if the model must not be served.
        InvalidEnvironment: if a port is taken or a variable has an impossible value.
    """

    def __init__(self, environment: Environment) -> None:
        _check(environment)
        self._directory = None if environment.multi_model else environment.model_dir
        settings = _settings(environment)
        registry = MultiModelRegistry()
        self._cloudwatch = CloudWatchMetrics(_print) if environment.emf else None
        self._metrics = Metrics(prometheus_client.REGISTRY, self._cloudwatch)
        needs_model = not environment.multi_model
        data_plane = GuardedDataPlane(settings, registry, self._metrics, needs_model=needs_model)
        self._models = Models(
            registry,
            self._metrics,
            trust_pickle=environment.trust_pickle,
            available_memory=available_memory,
            on_unload=data_plane.forget,
        )
        handlers, routes = _model_routes(environment, self._models, data_plane)
        container = ContainerRoutes(
            data_plane,
            execution_parameters(n_cpus(), environment),
            self._metrics.text,
            _openapi(environment),
        )
        v2 = V2Routes(data_plane, environment.timeout_seconds)
        app = Application(
            {
                **container.table(),
                **routes,
                **v2.table(),
                **V2ServerRoutes(data_plane, handlers).table(),
            },
            v2_application(settings, data_plane, handlers),
            self._metrics,
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
            # Without waiting for threads that work on answers nobody waits for.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._http.should_exit = True

    async def _serve(self) -> None:
        http = asyncio.create_task(self._http.serve(sockets=[self._socket]))
        try:
            if self._grpc:
                await self._grpc.start()
            await self._load()
            flushed = time.monotonic()
            while not self._http.should_exit:  # set by a signal, as Uvicorn's
                await asyncio.sleep(_TICK_SECONDS)
                if self._cloudwatch and time.monotonic() > flushed + INTERVAL_SECONDS:
                    self._cloudwatch.flush()
                    flushed = time.monotonic()
        finally:
            self._http.should_exit = True
            stops = [self._grpc.stop()] if self._grpc else []
            await asyncio.gather(http, *stops)
            if self._cloudwatch:
                self._cloudwatch.flush()

    async def _load(self) -> None:
        if self._directory:
            await self._models.load(self._directory)
        # What is here now stays; without it, the collector is done in milliseconds.
        gc.collect()
        gc.freeze()


def _model_routes(
    environment: Environment, models: Models, data_plane: GuardedDataPlane
) -> tuple[RepositoryHandlers, Mapping[str, Methods]]:
    """The routes and the V2 repository of one model, or of those that come and go."""
    invocations = Invocations(
        data_plane,
        default_accept=environment.default_accept,
        default_outputs=environment.outputs,
        is_batch=environment.is_batch,
        timeout_seconds=environment.timeout_seconds,
    )
    if environment.multi_model:
        folder = ModelsFolder(environment.models_dir, trust_pickle=environment.trust_pickle)
        handlers = RepositoryHandlers(folder, models, folder)
        return handlers, MultiModelRoutes(models, invocations).table()
    settings = settings_of(environment.model_dir, environment.trust_pickle)
    model = Served(settings.name, environment.model_dir, schema_of(settings))
    handlers = RepositoryHandlers(OneModel(settings), models, None)
    return handlers, OneModelRoutes(model, invocations).table()


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


def _openapi(environment: Environment) -> dict[str, Any]:
    """The description of the routes that this server has."""
    document: dict[str, Any] = json.loads(read_packaged("openapi.json"))
    hidden = ("/invocations",) if environment.multi_model else ("/models",)
    paths = document["paths"].items()
    document["paths"] = {path: item for path, item in paths if not path.startswith(hidden)}
    return document


def _check(environment: Environment) -> None:
    media_type = environment.default_accept
    if media_type is not None and media_types.format_of(media_type) not in media_types.WRITTEN:
        raise InvalidEnvironment(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {media_type!r}; "
            f"expected one of {', '.join(media_types.WRITTEN)}"
        )
    unknown = [name for name in environment.outputs if name not in outputs.ALL_NAMES]
    if unknown:
        raise InvalidEnvironment(
            f"SAGEMAKER_INFERENCE_OUTPUT names {unknown[0]!r}; "
            f"expected some of {', '.join(outputs.ALL_NAMES)}"
        )


def _listen(port: int, variable: str) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise InvalidEnvironment(
            f"port {port} cannot be opened: {error.strerror}; "
            f"end the process that has it, or set {variable} to another port"
        ) from error


def _print(line: str) -> None:
    """One whole line to the log, whatever else writes there."""
    sys.stdout.write(line)
    sys.stdout.flush()
