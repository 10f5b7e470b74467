"""The models of this server: loaded, listed and unloaded, by SageMaker's and V2's routes."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from mlserver import MLModel, ModelSettings
from mlserver.types import InferenceRequest, InferenceResponse
from numpy.typing import NDArray

from mlserver_forest.errors import (
    ForestError,
    ModelConflict,
    ModelNotFound,
    OutOfMemory,
    TimedOut,
)
from mlserver_forest.formats.predictions import Column
from mlserver_forest.resources import return_freed_memory
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime
from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot
from mlserver_forest.serving.models.model_loading import (
    FoundModel,
    check_forests,
    memory_for,
    start_model,
    unload_all,
)
from mlserver_forest.serving.models.model_versions import Chosen, ModelVersions
from mlserver_forest.serving.models.repository import settings_of_versions
from mlserver_forest.serving.models.runtime import ForestModel, schema_of
from mlserver_forest.serving.models.version_settings import VersionSettings

logger = logging.getLogger(__name__)

# The version of a model whose settings do not name one, as in Triton and KServe.
DEFAULT_VERSION = "1"
_MOST_NAMED = 5
_VERSION_HEADER = b"x-forest-model-version"
# Memory that is kept free for requests, so that /ping can always be answered.
_RESERVE = 64 << 20


class Runtime(Protocol):
    """What the pipeline needs from a model.

    Attributes:
        is_immediate: whether short answers may be computed in the event loop.
    """

    is_immediate: bool

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long an answer with these outputs may take, to the order of magnitude."""

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Answer a V2 request; raises InvalidInput."""

    def answer(self, x: NDArray[Any], names: Sequence[str]) -> Mapping[str, Column]:
        """The outputs for rows, by name; raises InvalidInput."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that answers requests.

    Attributes:
        name: the name under which the routes find it.
        version: the version of the model, if its settings name one.
        directory: the directory from which it was loaded.
        schema: the rows that it expects.
        runtime: answers requests.
        mlmodel: the same runtime as MLServer's type, which has its settings and metadata.
        label: the version, if it is one of several; metrics count such versions apart.
        headers: of each response, which name such a version.
        negotiated: the results of content negotiation, by headers. They are kept here so that
            unloading the model frees them.
    """

    name: str
    version: str | None
    directory: Path
    schema: Schema
    runtime: Runtime
    mlmodel: MLModel
    label: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    negotiated: dict[Any, Any] = field(default_factory=dict)

    @property
    def only_version(self) -> str:
        """The version by which requests may ask for the model."""
        return DEFAULT_VERSION if self.version is None else self.version


class LoadedModels:
    """The models of this server. Nothing else decides which models are loaded.

    A name is free, taken by a loaded model, or busy while a model is being loaded or unloaded
    under it. A busy name refuses another load or unload; requests go on with the loaded model. A
    request keeps the model that it was given to its end, whatever becomes of the name.

    Args:
        make: makes a runtime from its settings.
        metrics: counts loads.
        trust_pickle: whether runtimes that unpickle are allowed.
        available_memory: returns the number of bytes that can still be allocated.
        snapshot: records which models are loaded.
        timeout_seconds: how long a model may take to load while others are served.
        drift: watches the default version of each model for drift; None if that is off.
        versions: which version of a model answers.
        must_fit: whether ``versions`` is about every model.
    """

    def __init__(
        self,
        make: Callable[[ModelSettings], MLModel],
        metrics: Metrics,
        *,
        trust_pickle: bool,
        available_memory: Callable[[], int],
        snapshot: LoadedModelSnapshot,
        timeout_seconds: float,
        drift: DriftMetrics | None = None,
        versions: VersionSettings = VersionSettings(),  # noqa: B008  # frozen
        must_fit: bool = True,
    ) -> None:
        self._versions = versions
        self._must_fit = must_fit
        self._make = make
        self._metrics = metrics
        self._trust_pickle = trust_pickle
        self._available_memory = available_memory
        self._snapshot = snapshot
        self._timeout_seconds = timeout_seconds
        self._drift = drift
        self._loaded: dict[str, ModelVersions[LoadedModel]] = {}
        self._busy: dict[str, str] = {}
        self._missing: dict[str, Path] = {}
        self._restoring: dict[str, asyncio.Task[None]] = {}
        self._bytes_being_loaded: dict[str, int] = {}

    def get(self, name: str, version: str | None = None) -> LoadedModel:
        """Get a loaded model in a version, or in its default if None.

        Raises:
            ModelNotFound: if it is not loaded, naming others that are.
        """
        return self.versions(name, version).get(version)

    def choose(self, name: str, version: str | None = None) -> Chosen[LoadedModel]:
        """Choose the model that answers a request, by weights if it names no version.

        Raises:
            ModelNotFound: as ``get``.
        """
        found = self._loaded.get(name) or self.versions(name, version)
        return found.choose(version)

    def versions(self, name: str, version: str | None = None) -> ModelVersions[LoadedModel]:
        """All versions of a loaded model; raises ModelNotFound, as ``get``."""
        found = self._loaded.get(name)
        if found is None:
            raise ModelNotFound(name, version, others=list(islice(self._loaded, _MOST_NAMED)))
        return found

    def __len__(self) -> int:
        """The number of loaded models."""
        return len(self._loaded)

    def page(self, after: str, limit: int) -> tuple[Mapping[str, Path], str | None]:
        """The directories of loaded models by name, in the order of their names.

        Returns:
            At most ``limit`` models whose names come after ``after``, and the name after which
            the next page begins, or None on the last one.
        """
        directories = self._directories()
        names = sorted(name for name in directories if name > after)
        page = {name: directories[name] for name in names[:limit]}
        return page, names[limit - 1] if len(names) > limit else None

    def recall(self) -> None:
        """Take over the models of the worker that had them before: they are loaded when needed."""
        self._missing = {
            name: directory
            for name, directory in self._snapshot.read().items()
            if name not in self._loaded
        }

    async def restore(self) -> None:
        """Load all models that were taken over and that nobody has asked for yet."""
        while self._missing:
            await self.wait_for(next(iter(self._missing)))

    async def wait_for(self, name: str) -> bool:
        """Load a model that was taken over from an earlier worker, if it is one.

        Returns:
            Whether it was one, and is loaded now.
        """
        directory = self._missing.get(name)
        if directory is None:
            return False
        restoring = self._restoring.get(name)
        if restoring is None:
            restoring = asyncio.create_task(self._restore(name, directory))
            self._restoring[name] = restoring
        await asyncio.shield(restoring)  # Others may wait for it too.
        return name in self._loaded

    def is_missing(self, name: str) -> bool:
        """Whether a model was taken over from an earlier worker and is not loaded yet."""
        return name in self._missing

    async def load(
        self,
        directory: Path,
        name: str | None = None,
        *,
        replace: bool = False,
        is_starting: bool = False,
    ) -> LoadedModel:
        """Load the model of a directory; a load that fails changes nothing.

        Args:
            directory: the model directory, by its real path.
            name: the name of the model on this server; by default its own name.
            replace: whether a loaded model of that name may be replaced.
            is_starting: whether the server waits for this model, however long it takes.

        Raises:
            InvalidArtifact: if the model must not be served.
            ModelConflict: if a model of that name is loaded, or being loaded or unloaded.
            OutOfMemory: if there is not enough memory left.
            TimedOut: if its files cannot be read in time.
        """
        outcome = "failure"
        try:
            if asyncio.current_task() is None:  # asyncio.timeout needs a task.
                await asyncio.sleep(0)
            async with asyncio.timeout(None if is_starting else self._timeout_seconds):
                found = await asyncio.to_thread(self._read, directory, name)
                served = found[0].settings.name
                if not replace and served in self._missing:
                    raise _already_loaded(served)
                with self._busy_with(served, "loaded"):
                    model = await self._load(served, found, directory, replace=replace)
            outcome = "success"
        except TimeoutError as error:
            raise TimedOut(
                f"the model in {directory} was not loaded within {self._timeout_seconds:g} s; "
                "check the file system, or raise MODEL_SERVER_TIMEOUT"
            ) from error
        except OutOfMemory:
            outcome = "out_of_memory"
            raise
        finally:
            self._metrics.loaded(outcome)
        return model

    async def unload(self, name: str) -> None:
        """Unload a model; requests that it is answering keep it, and its memory, to their end.

        Raises:
            ModelNotFound: if it is not loaded.
            ModelConflict: if it is being loaded or unloaded.
        """
        if name in self._missing and name not in self._restoring:
            del self._missing[name]
            self._write_snapshot()
            return
        await self.wait_for(name)
        self.get(name)
        with self._busy_with(name, "unloaded"):
            removed = self._loaded.pop(name)
            self._write_snapshot()
            self._metrics.forget(name)
            if self._drift:
                self._drift.forget(name)
            await unload_all([model.mlmodel for model in removed])
            del removed
        # The objects from before the first model are frozen, so this takes milliseconds.
        gc.collect()
        return_freed_memory()

    async def _restore(self, name: str, directory: Path) -> None:
        try:
            await self.load(directory, name, replace=True)
        except ForestError as error:
            logger.warning("model %r could not be loaded again: %s", name, error)
            self._missing.pop(name, None)
            self._write_snapshot()
        finally:
            del self._restoring[name]

    def _read(self, directory: Path, name: str | None) -> list[FoundModel]:
        """The model of a directory, in each of its versions."""
        found = settings_of_versions(directory, self._trust_pickle, name)
        return [FoundModel(settings, schema_of(settings), folder) for settings, folder in found]

    @contextmanager
    def _busy_with(self, name: str, action: str) -> Iterator[None]:
        if name in self._busy:
            raise ModelConflict(f"model {name!r} is being {self._busy[name]}; try again")
        self._busy[name] = action
        try:
            yield
        finally:
            del self._busy[name]

    async def _load(
        self, name: str, found: Sequence[FoundModel], directory: Path, *, replace: bool
    ) -> LoadedModel:
        earlier = self._loaded.get(name)
        if earlier is not None and not replace:
            raise _already_loaded(name)
        self._reserve(name, sum(memory_for(one.settings) for one in found))
        try:
            loaded = await self._start_all(name, found, directory)
        finally:
            del self._bytes_being_loaded[name]
        self._loaded[name] = loaded
        self._missing.pop(name, None)
        self._metrics.know(name)
        if self._drift:
            self._drift.watch(name, loaded.get().mlmodel)
        self._write_snapshot()
        logger.info("model %r is ready%s", name, loaded.description)
        if earlier is not None:
            await unload_all([model.mlmodel for model in earlier])
        return loaded.get()

    async def _start_all(
        self, name: str, found: Sequence[FoundModel], directory: Path
    ) -> ModelVersions[LoadedModel]:
        """Start all versions of a model, or none."""
        models: dict[str, LoadedModel] = {}
        is_several = len(found) > 1
        try:
            for one in found:
                model = _loaded_model(one, await start_model(self._make, one.settings), is_several)
                models[model.only_version] = model
            loaded = ModelVersions(name, directory, models, self._versions, must_fit=self._must_fit)
            if loaded.shadow is not None:
                check_forests(model.mlmodel for model in loaded)
        except BaseException:
            await unload_all([model.mlmodel for model in models.values()])
            raise
        return loaded

    def _reserve(self, name: str, needed: int) -> None:
        """Reserve memory for a model, if it fits."""
        # The kernel knows little of what is being loaded.
        taken = sum(self._bytes_being_loaded.values()) + _RESERVE
        free = self._available_memory() - taken
        if needed > free:
            raise OutOfMemory(
                f"model {name!r} needs {needed} bytes of memory and {max(free, 0)} are left; "
                "unload a model, or give the container more memory"
            )
        self._bytes_being_loaded[name] = needed

    def _write_snapshot(self) -> None:
        self._snapshot.write(self._directories())

    def _directories(self) -> dict[str, Path]:
        loaded = {name: model.directory for name, model in self._loaded.items()}
        return self._missing | loaded


def _already_loaded(name: str) -> ModelConflict:
    return ModelConflict(f"model {name!r} is already loaded; unload it first")


def _loaded_model(found: FoundModel, model: MLModel, is_one_of_several: bool) -> LoadedModel:
    is_ours, schema = isinstance(model, ForestModel), found.schema
    label = model.version if is_one_of_several else None
    return LoadedModel(
        found.settings.name,
        model.version,
        found.directory,
        schema,
        model if is_ours else ForeignRuntime(model, schema),
        model,
        label,
        () if label is None else ((_VERSION_HEADER, label.encode()),),
    )
