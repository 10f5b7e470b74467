"""The composition root: environment -> models, pipeline and routes -> workers, supervised."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from mlserver.types import MetadataServerResponse

from mlserver_forest import __version__
from mlserver_forest.artifact.model_name import NAME
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.environment import ANY_HOST, Environment
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.formats import registry as formats_registry
from mlserver_forest.model import named_outputs
from mlserver_forest.resources import (
    available_memory,
    n_cpus,
    release_library_pages,
    request_memory,
)
from mlserver_forest.serving.code_imports import import_for_code
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.cors import Cors
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.http.sockets import listen, open_port, reserve
from mlserver_forest.serving.metrics.cloudwatch import CloudWatchMetrics
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.installed_runtime import check_installed
from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.model_loading import ModelLoader, OtherRuntimes
from mlserver_forest.serving.models.repository import (
    ModelsFolder,
    OneModel,
    find_model,
    is_forest,
    settings_of_versions,
)
from mlserver_forest.serving.models.runtime import ForestRuntime
from mlserver_forest.serving.models.served_settings import ServedSettings
from mlserver_forest.serving.models.version_settings import VersionSettings
from mlserver_forest.serving.pipeline import Pipeline
from mlserver_forest.serving.playground.playground_routes import REPORT_PATH, PlaygroundRoutes
from mlserver_forest.serving.process.admission import Admission
from mlserver_forest.serving.process.logs import EMF_LOGGER
from mlserver_forest.serving.process.memory_budget import MemoryBudget
from mlserver_forest.serving.process.supervisor import Supervisor
from mlserver_forest.serving.process.worker import DRAIN_SECONDS, Service, Worker
from mlserver_forest.serving.process.worker_table import WorkerTable
from mlserver_forest.serving.request_log.log_target import log_target
from mlserver_forest.serving.request_log.request_log import RequestLog
from mlserver_forest.serving.route_description import routes_of_server
from mlserver_forest.serving.sagemaker.container_routes import (
    ContainerRoutes,
    OneModelRoutes,
    execution_parameters,
)
from mlserver_forest.serving.sagemaker.invocations import Invocations
from mlserver_forest.serving.sagemaker.multi_model import MultiModelRoutes
from mlserver_forest.serving.scripts.code_layout import CodeSettings
from mlserver_forest.serving.shadow_versions import ShadowVersions
from mlserver_forest.serving.tracing.spans import Spans
from mlserver_forest.serving.v1.v1_routes import V1Routes
from mlserver_forest.serving.v2.grpc_reads import MessageReads
from mlserver_forest.serving.v2.grpc_service import GRPCServer
from mlserver_forest.serving.v2.handlers import V2Handlers
from mlserver_forest.serving.v2.rest_routes import V2Routes

_HTTP_PORT = "SAGEMAKER_BIND_TO_PORT"
# A model may work for so much longer than anybody waits for its answer.
_PATIENCE_SECONDS = 5


class Server:
    """Everything that ``serve`` runs, put together.

    Args:
        environment: the settings of the server.
        announce: is called once, in the process of a worker, when it accepts connections.

    Raises:
        InvalidArtifact: if the model must not be served.
        InvalidEnvironment: if a port is taken or a variable has an impossible value.
    """

    def __init__(
        self, environment: Environment, announce: Callable[[], None] = lambda: None
    ) -> None:
        _check(environment)
        self._environment = environment
        cpus = n_cpus()
        self._n_workers = environment.workers or cpus
        # A worker may start before the one that it replaces has ended.
        n_slots = 2 * self._n_workers
        self._table = WorkerTable(n_slots)
        cloudwatch = (
            CloudWatchMetrics(logging.getLogger(EMF_LOGGER).info) if environment.emf else None
        )
        drift = DriftMetrics(SharedCounters(n_slots)) if environment.drift else None
        metrics = Metrics(SharedCounters(n_slots), self._table.pids, cloudwatch, drift)
        settings = json.loads(_packaged("settings.json"))
        n_threads = max(cpus // self._n_workers, 1)
        kernel = KernelThreads(n_threads)
        memory = MemoryBudget(available_memory, n_slots, request_memory())
        self._log = log = _request_log(environment)
        versions = VersionSettings.of_environment(environment)
        shadows = None if versions.shadow is None else ShadowVersions()
        pipeline = Pipeline(Admission(), memory, metrics, environment.timeout_seconds, log, shadows)
        patience_seconds = environment.timeout_seconds + _PATIENCE_SECONDS
        self._calls = CallsInFlight(n_slots, patience_seconds)
        loader = ModelLoader(
            partial(_make_model, kernel),
            partial(_other_runtimes, self._calls, n_threads),
            trust_code=environment.trust_code,
            code=_code_settings(environment),
            available_memory=available_memory,
        )
        self._models = models = LoadedModels(
            loader,
            metrics,
            available_memory=available_memory,
            snapshot=LoadedModelSnapshot(),
            timeout_seconds=environment.timeout_seconds,
            drift=drift,
            versions=versions,
            must_fit=not environment.multi_model,
        )
        # With many models, what lies in the folder of the one model does not matter.
        has_one = not environment.multi_model
        self._model_dir = find_model(environment.model_dirs) if has_one else environment.models_dir
        self._loads_after_fork = False
        handlers, routes = _model_routes(
            environment, _metadata(settings), self._model_dir, models, pipeline
        )
        openapi = _openapi(environment)
        container = ContainerRoutes(
            handlers.is_ready,
            execution_parameters(cpus, environment),
            metrics.text,
            openapi,
        )
        self._page = PlaygroundRoutes(models, has_many=environment.multi_model)
        table = {
            **container.table(),
            **routes,
            **(self._page.table() if environment.try_it else {}),
            **V1Routes(handlers).table(),
            **V2Routes(handlers, openapi).table(),
        }
        protocol = environment.otlp_protocol
        spans = None if protocol is None else Spans(protocol, __version__)
        application = Application(
            table,
            pipeline,
            metrics,
            max_body_bytes=environment.max_body_bytes,
            compresses=environment.compresses,
            spans=spans,
            cors=Cors(environment.cors_origins) if environment.cors_origins else None,
        )
        grpc = None
        if environment.grpc_port is not None:
            self._grpc_keeper = reserve(environment.host, environment.grpc_port, "FOREST_GRPC_PORT")
            limit = settings["grpc_max_message_length"]
            reads = MessageReads(memory)
            port = environment.grpc_port
            grpc = GRPCServer(
                handlers,
                metrics,
                reads,
                environment.host,
                port,
                environment.grpc_keepalive,
                limit,
                spans,
            )
        self._socket = open_port(environment.host, environment.http_port, _HTTP_PORT)
        self._service = Service(
            application,
            grpc,
            handlers,
            metrics,
            memory,
            cloudwatch,
            spans,
            models,
            self._load_after_fork,
            self._calls,
            tuple(thread for thread in (log, shadows) if thread is not None),
            environment.shutdown_delay_seconds,
            self._n_workers,
            announce,
        )

    @property
    def url(self) -> str:
        """The address at which this machine reaches the server."""
        host = "localhost" if self._environment.host == ANY_HOST else self._environment.host
        return f"http://{host}:{self._socket.getsockname()[1]}/"

    @property
    def report_url(self) -> str | None:
        """The address of the report on the model's training; None if there is no report."""
        return None if self.document()["report"] is None else self.url[:-1] + REPORT_PATH

    def document(self) -> dict[str, Any]:
        """The document that the model's page shows, once the model is loaded.

        Raises:
            ModelNotFound: if no model is loaded, or several are.
        """
        return self._page.document()

    def open(self) -> None:
        """Let clients connect, and load the model; requests are answered when ``run`` is called.

        Raises:
            InvalidArtifact: if the model fails to load.
            InvalidEnvironment: if the port was taken meanwhile.
        """
        listen(self._socket, _HTTP_PORT)
        formats_registry.load_for_serving()
        import_for_code(may_run_code=self._environment.trust_code)
        self._load()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, which end the process."""
        Supervisor(
            lambda slot: Worker(self._service, self._socket, slot).run(),
            self._load,
            self._table,
            self._calls,
            self._socket,
            n_workers=self._n_workers,
            timeout_seconds=self._environment.worker_timeout_seconds,
            end_seconds=self._environment.shutdown_delay_seconds + DRAIN_SECONDS,
        ).run()

    def _load(self) -> None:
        """Load the model, again if it is loaded, for the workers that start from now on."""
        if not self._environment.multi_model:
            # A link may lead elsewhere now than it did before.
            directory = self._model_dir.resolve()
            environment = self._environment
            code = _code_settings(environment)
            found = settings_of_versions(directory, environment.trust_code, None, code)
            others = [settings for settings, _ in found if not is_forest(settings)]
            self._loads_after_fork = bool(others)
            for settings in others:
                check_installed(settings.implementation_, directory)
            if not others:
                asyncio.run(self._load_one(directory))
        # Objects that exist now are excluded from garbage collection, which then takes milliseconds
        # and does not write to memory that the workers share. At the start it is off.
        if gc.isenabled():
            gc.collect()
        gc.freeze()
        gc.enable()
        release_library_pages()

    async def _load_after_fork(self) -> None:
        """Load a model whose library may have threads, which a fork would lose, in each worker."""
        if self._loads_after_fork:
            await self._load_one(self._model_dir.resolve())

    async def _load_one(self, directory: Path) -> None:
        name = self._environment.model_name
        model = await self._models.load(directory, name, replace=True, is_starting=True)
        if self._log is not None:
            self._log.check(list(self._models.versions(model.name)))


def _make_model(kernel: KernelThreads, settings: ServedSettings) -> ForestRuntime:
    """Make a forest's runtime, with the threads that it may use."""
    model = ForestRuntime(settings)
    model.threads = kernel
    return model


def _other_runtimes(calls: CallsInFlight, n_threads: int) -> OtherRuntimes:
    """What loads other runtimes; they need all of MLServer, which a forest does not."""
    from mlserver_forest.serving.models.foreign_loader import ForeignLoader
    from mlserver_forest.serving.models.runtime_loop import RuntimeLoop

    return ForeignLoader(RuntimeLoop(), calls, n_threads)


def _model_routes(
    environment: Environment,
    metadata: MetadataServerResponse,
    model_dir: Path,
    models: LoadedModels,
    pipeline: Pipeline,
) -> tuple[V2Handlers, Mapping[str, Methods]]:
    """V2's handlers and SageMaker's routes, for one model or for many."""
    invocations = Invocations(
        pipeline,
        default_accept=environment.default_accept,
        default_outputs=environment.outputs,
        is_batch=environment.is_batch,
        is_mlflow=environment.answers_as_mlflow,
    )
    code = _code_settings(environment)
    if environment.multi_model:
        folder = ModelsFolder(environment.models_dir, trust_code=environment.trust_code, code=code)
        handlers = V2Handlers(metadata, pipeline, models, folder, folder)
        return handlers, MultiModelRoutes(models, invocations).table()
    found = settings_of_versions(
        model_dir.resolve(), environment.trust_code, environment.model_name, code
    )
    name = found[0][0].name
    repository = OneModel(lambda: [one.mlmodel.settings for one in models.versions(name)])
    handlers = V2Handlers(metadata, pipeline, models, repository)
    return handlers, OneModelRoutes(models, name, invocations).table()


def _request_log(environment: Environment) -> RequestLog | None:
    chosen = environment.request_log
    if chosen is None:
        return None
    target = log_target(chosen.place)
    return RequestLog(target, share=chosen.share, dropped=chosen.dropped, seconds=chosen.seconds)


def _code_settings(environment: Environment) -> CodeSettings:
    return CodeSettings(
        environment.program, environment.submit_directory, environment.default_accept
    )


def _metadata(settings: Mapping[str, Any]) -> MetadataServerResponse:
    """What V2 says about the server, as settings.json, a file for MLServer, names it."""
    return MetadataServerResponse(
        name=settings["server_name"], version=__version__, extensions=settings["extensions"]
    )


def _packaged(name: str) -> str:
    """The text of a file in the folder ``settings``, which the wheel contains."""
    return resources.files("mlserver_forest").joinpath("settings", name).read_text("utf-8")


def _openapi(environment: Environment) -> Mapping[str, Any]:
    return routes_of_server(
        json.loads(_packaged("openapi.json")),
        multi_model=environment.multi_model,
        has_page=environment.try_it,
    )


def _check(environment: Environment) -> None:
    media_type = environment.default_accept
    answers = formats_registry.answer_formats()
    if media_type is not None and formats_registry.find(media_type) not in answers:
        raise InvalidEnvironment(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {media_type!r}; "
            f"expected one of {', '.join(found.media_type for found in answers)}"
        )
    name = environment.model_name
    if name is not None and not NAME.fullmatch(name):
        raise InvalidEnvironment(
            f"MLSERVER_MODEL_NAME is {name!r}; expected letters, digits, . _ - (255 at most)"
        )
    unknown = [output for output in environment.outputs if output not in named_outputs.ALL_NAMES]
    if unknown:
        raise InvalidEnvironment(
            f"SAGEMAKER_INFERENCE_OUTPUT names {unknown[0]!r}; "
            f"expected some of {', '.join(named_outputs.ALL_NAMES)}"
        )
