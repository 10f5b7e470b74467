"""The models of this server: loaded, listed and unloaded, by SageMaker's and V2's routes."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from mlserver import MLModel, ModelSettings
from mlserver.context import model_context

from mlserver_forest.errors import (
    AlreadyLoaded,
    ForestError,
    InvalidArtifact,
    ModelConflict,
    ModelNotFound,
    OutOfMemory,
    TimedOut,
    format_error,
)
from mlserver_forest.resources import anonymous_memory, return_freed_memory
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.foreign_loader import ForeignLoader, check_installed
from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot
from mlserver_forest.serving.models.model_memory import memory_for
from mlserver_forest.serving.models.packed_at_start import packed_at_start
from mlserver_forest.serving.models.repository import is_forest, must_be_packed, settings_of
from mlserver_forest.serving.models.runtime import NO_SCHEMA, row_schema, schema_of
from mlserver_forest.serving.models.runtime_interface import Runtime
from mlserver_forest.serving.models.unpacked_folder import note_unused_code
from mlserver_forest.serving.scripts.code_layout import CodeSettings

logger = logging.getLogger(__name__)

# The version of a model whose settings do not name one, as in Triton and KServe.
DEFAULT_VERSION = "1"
_MOST_NAMED = 5
# Memory that is kept free for requests, so that /ping can always be answered.
_RESERVE = 64 << 20


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
        negotiated: the results of content negotiation, by headers. They are kept here so that
            unloading the model frees them.
    """

    name: str
    version: str | None
    directory: Path
    schema: Schema
    runtime: Runtime
    mlmodel: MLModel
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
        make: makes a forest's runtime from its settings.
        foreign: loads other runtimes.
        metrics: counts loads.
        trust_code: whether other runtimes than this package's are allowed.
        available_memory: returns the number of bytes that can still be allocated.
        snapshot: records which models are loaded.
        timeout_seconds: how long a model may take to load while others are served.
        code: what the operator says about the scripts of models.
        drift: watches the models for drift; None if that is off.
    """

    def __init__(
        self,
        make: Callable[[ModelSettings], MLModel],
        foreign: ForeignLoader,
        metrics: Metrics,
        *,
        trust_code: bool,
        available_memory: Callable[[], int],
        snapshot: LoadedModelSnapshot,
        timeout_seconds: float,
        code: CodeSettings = CodeSettings(),  # noqa: B008  # frozen
        drift: DriftMetrics | None = None,
    ) -> None:
        self._make = make
        self._code = code
        self._foreign = foreign
        self._metrics = metrics
        self._trust_code = trust_code
        self._available_memory = available_memory
        self._snapshot = snapshot
        self._timeout_seconds = timeout_seconds
        self._drift = drift
        self._loaded: dict[str, LoadedModel] = {}
        self._busy: dict[str, str] = {}
        self._missing: dict[str, Path] = {}
        self._restoring: dict[str, asyncio.Task[None]] = {}
        self._bytes_being_loaded: dict[str, int] = {}
        self._packing = Lock()
        self._took: dict[Path, int] = {}

    def get(self, name: str, version: str | None = None) -> LoadedModel:
        """Get a loaded model.

        Args:
            name: the name of the model.
            version: the version that the model must have, or None for any.

        Raises:
            ModelNotFound: if it is not loaded.
        """
        model = self._loaded.get(name)
        if model is None:
            raise ModelNotFound(name, version, others=list(islice(self._loaded, _MOST_NAMED)))
        if version is not None and version != model.only_version:
            raise ModelNotFound(name, version, others=[f"{name} in version {model.only_version}"])
        return model

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
                with ExitStack() as packed:  # It may hold a packed model until that is loaded.
                    settings, schema = await asyncio.to_thread(
                        self._read, directory, name, packed, is_starting=is_starting
                    )
                    if not replace and settings.name in self._missing:
                        raise AlreadyLoaded(settings.name)
                    with self._busy_with(settings.name, "loaded"):
                        model = await self._load(settings, schema, directory, replace=replace)
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
            await _unload(removed)
            del removed
        # The objects from before the first model are frozen, so this takes milliseconds.
        gc.collect()
        return_freed_memory()

    async def _restore(self, name: str, directory: Path) -> None:
        try:
            await self.load(directory, name, replace=True, is_starting=True)
        except ForestError as error:
            logger.warning("model %r could not be loaded again: %s", name, error)
            self._missing.pop(name, None)
            self._write_snapshot()
        finally:
            del self._restoring[name]

    def _read(
        self, directory: Path, name: str | None, packed: ExitStack, *, is_starting: bool
    ) -> tuple[ModelSettings, Schema]:
        settings = settings_of(directory, self._trust_code, name, self._code)
        note_unused_code(directory)
        if must_be_packed(settings):
            seconds = None if is_starting else self._timeout_seconds
            with self._packing:  # It takes a CPU and memory of its own.
                made = packed.enter_context(packed_at_start(directory, seconds))
            settings = settings_of(made, self._trust_code, settings.name)
        if is_forest(settings):
            return settings, schema_of(settings)
        check_installed(settings.implementation_, directory)
        return settings, row_schema(settings) or NO_SCHEMA

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
        self, settings: ModelSettings, schema: Schema, directory: Path, *, replace: bool
    ) -> LoadedModel:
        name, earlier = settings.name, self._loaded.get(settings.name)
        if earlier is not None and not replace:
            raise AlreadyLoaded(name)
        self._reserve(name, max(memory_for(settings), self._took.get(directory, 0)))
        try:
            model = await self._start(settings, schema, directory)
        finally:
            del self._bytes_being_loaded[name]
        self._loaded[name] = model
        self._missing.pop(name, None)
        self._metrics.know(name)
        if self._drift:
            self._drift.watch(name, model.mlmodel)
        self._write_snapshot()
        logger.info("model %r is ready", name)
        if earlier is not None:
            await _unload(earlier)
        return model

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

    async def _start(self, settings: ModelSettings, schema: Schema, directory: Path) -> LoadedModel:
        if not is_forest(settings):
            before = anonymous_memory()
            found = await self._foreign.load(settings, directory, row_schema(settings))
            model = _loaded_model(settings, schema, directory, *found)
            await self._check_memory(model, max(anonymous_memory() - before, 0))
            return model
        made = self._make(settings)
        try:
            with model_context(settings):
                made.ready = await made.load()
        except ForestError:
            raise
        except Exception as error:
            raise InvalidArtifact(f"the model cannot be loaded: {format_error(error)}") from error
        return _loaded_model(settings, schema, directory, made, made)

    async def _check_memory(self, model: LoadedModel, took: int) -> None:
        """Unload a model again that has left too little memory; its files did not say so before.

        Args:
            model: of another runtime, which was just loaded.
            took: by how many bytes this process has grown meanwhile.
        """
        self._took[model.directory] = took
        free = self._available_memory()
        if free < _RESERVE:
            await _unload(model)
            gc.collect()
            return_freed_memory()
            raise OutOfMemory(
                f"model {model.name!r} took {took} bytes of memory when it was loaded, and left "
                f"{free}; unload a model, or give the container more memory"
            )
        logger.info("model %r took %d MB of memory", model.name, took >> 20)

    def _write_snapshot(self) -> None:
        self._snapshot.write(self._directories())

    def _directories(self) -> dict[str, Path]:
        loaded = {name: model.directory for name, model in self._loaded.items()}
        return self._missing | loaded


async def _unload(model: LoadedModel) -> None:
    """Tell a runtime that it is not asked any more; nobody waits for what it does about it."""
    try:
        await model.runtime.unload()
    except Exception:
        logger.exception("the runtime of model %r failed when it was unloaded", model.name)


def _loaded_model(
    settings: ModelSettings, schema: Schema, directory: Path, runtime: Runtime, model: MLModel
) -> LoadedModel:
    return LoadedModel(settings.name, model.version, directory, schema, runtime, model)
