"""The models of this server: loaded, listed and unloaded, by SageMaker's and V2's routes."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from mlserver_forest.errors import (
    AlreadyLoaded,
    ForestError,
    ModelConflict,
    ModelNotFound,
    OutOfMemory,
    TimedOut,
)
from mlserver_forest.resources import return_freed_memory
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.loaded_model import FoundModel, LoadedModel
from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot
from mlserver_forest.serving.models.model_loading import (
    RESERVE,
    ModelLoader,
    check_forests,
    unload_all,
)
from mlserver_forest.serving.models.model_versions import Chosen, ModelVersions
from mlserver_forest.serving.models.version_settings import VersionSettings

logger = logging.getLogger(__name__)

_MOST_NAMED = 5


class LoadedModels:
    """The models of this server. Nothing else decides which models are loaded.

    A name is free, taken by a loaded model, or busy while a model is being loaded or unloaded
    under it. A busy name refuses another load or unload; requests go on with the loaded model. A
    request keeps the model that it was given to its end, whatever becomes of the name.

    Args:
        loader: finds, starts and ends models.
        metrics: counts loads.
        available_memory: returns the number of bytes that can still be allocated.
        snapshot: records which models are loaded.
        timeout_seconds: how long a model may take to load while others are served.
        drift: watches the default version of each model for drift; None if that is off.
        versions: which version of a model answers.
        must_fit: whether ``versions`` is about every model.
    """

    def __init__(
        self,
        loader: ModelLoader,
        metrics: Metrics,
        *,
        available_memory: Callable[[], int],
        snapshot: LoadedModelSnapshot,
        timeout_seconds: float,
        drift: DriftMetrics | None = None,
        versions: VersionSettings = VersionSettings(),  # noqa: B008  # frozen
        must_fit: bool = True,
    ) -> None:
        self._versions = versions
        self._must_fit = must_fit
        self._loader = loader
        self._metrics = metrics
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
                with ExitStack() as packed:  # It may hold a packed model until that is loaded.
                    seconds = None if is_starting else self._timeout_seconds
                    found = await asyncio.to_thread(
                        self._loader.find, directory, name, packed, seconds
                    )
                    served = found[0].settings.name
                    if not replace and served in self._missing:
                        raise AlreadyLoaded(served)
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
            await unload_all(removed)
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
            raise AlreadyLoaded(name)
        self._reserve(name, self._loader.memory_for(found))
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
            await unload_all(earlier)
        return loaded.get()

    async def _start_all(
        self, name: str, found: Sequence[FoundModel], directory: Path
    ) -> ModelVersions[LoadedModel]:
        """Start all versions of a model, or none."""
        started = await self._loader.start_all(found)
        try:
            models = {model.only_version: model for model in started}
            loaded = ModelVersions(name, directory, models, self._versions, must_fit=self._must_fit)
            if loaded.shadow is not None:
                check_forests(started)
        except BaseException:
            await unload_all(started)
            raise
        return loaded

    def _reserve(self, name: str, needed: int) -> None:
        """Reserve memory for a model, if it fits."""
        # The kernel knows little of what is being loaded.
        taken = sum(self._bytes_being_loaded.values()) + RESERVE
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
