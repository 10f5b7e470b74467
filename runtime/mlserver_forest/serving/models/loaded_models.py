"""The models of this server: loaded, listed and unloaded, by SageMaker's and V2's routes."""

import asyncio
import gc
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlserver import ModelSettings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.registry import MultiModelRegistry

from mlserver_forest.artifact.model_directory import PICKLE_RUNTIMES
from mlserver_forest.errors import ForestError, InvalidArtifact
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.drift_metrics import Drift
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.loaded_model_snapshot import RememberedModels
from mlserver_forest.serving.models.model_settings import settings_of
from mlserver_forest.serving.models.runtime import schema_of
from mlserver_forest.serving.process.memory import give_memory_back

logger = logging.getLogger(__name__)

# An unpickled estimator is as large as its pickle, and for a moment there are both.
_PICKLE_FACTOR = 2.5
# What requests need, and what must never be missing to answer /ping.
_RESERVE = 64 << 20
_OUT_OF_MEMORY = 507


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A model that answers.

    Attributes:
        name: as the routes call it.
        directory: where it was loaded from.
        schema: what it expects.
        mapped_bytes: of its file, which should stay in memory, though the kernel calls
            them available.
    """

    name: str
    directory: Path
    schema: Schema
    mapped_bytes: int = 0


class Models:
    """What is loaded in MLServer's registry, and from where.

    Args:
        registry: MLServer's.
        metrics: counts loads.
        trust_pickle: whether runtimes that unpickle are allowed.
        available_memory: the bytes that can still be taken.
        remembered: told what is loaded, for a worker that comes after this one.
    """

    def __init__(
        self,
        registry: MultiModelRegistry,
        metrics: Metrics,
        *,
        trust_pickle: bool,
        available_memory: Callable[[], int],
        remembered: RememberedModels,
        drift: Drift | None = None,
    ) -> None:
        self.registry = registry
        self._metrics = metrics
        self._trust_pickle = trust_pickle
        self._available_memory = available_memory
        self._remembered = remembered
        self._drift = drift
        self._served: dict[str, Served] = {}
        self._loading: dict[str, int] = {}

    def get(self, name: str) -> Served:
        """A loaded model.

        Raises:
            ModelNotFound: if it is not loaded.
        """
        try:
            return self._served[name]
        except KeyError:
            raise ModelNotFound(name) from None

    def page(self, after: str, limit: int) -> tuple[Sequence[Served], str | None]:
        """Loaded models in the order of their names.

        Returns:
            At most ``limit`` models whose names come after ``after``, and the name to
            go on after, or None at the end.
        """
        names = sorted(name for name in self._served if name > after)
        shown = names[:limit]
        return [self._served[name] for name in shown], shown[-1] if len(names) > limit else None

    async def load(
        self, directory: Path, name: str | None = None, *, replace: bool = False
    ) -> Served:
        """Load the model of a directory; a load that fails leaves all as it was.

        Args:
            directory: the model directory.
            name: what it is called here; by default its own name.
            replace: whether a model of that name may be loaded, and gives way.

        Raises:
            InvalidArtifact: if it must not be served.
            MLServerError: 409 if the name is loaded or being loaded, 507 if memory
                would not do.
        """
        outcome = "failure"
        try:
            settings, served = await asyncio.to_thread(self._read, directory, name)
            self._reserve(served, _size(settings), replace=replace)
            try:
                await self._load(settings)
                self._served[served.name] = served
                self._metrics.know(served.name)
                if self._drift:
                    self._drift.watch(served.name, await self.registry.get_model(served.name))
                self._remember()
            finally:
                del self._loading[served.name]
            outcome = "success"
        except MLServerError as error:
            outcome = "out_of_memory" if error.status_code == _OUT_OF_MEMORY else outcome
            raise
        finally:
            self._metrics.loaded(outcome)
        return served

    async def unload(self, name: str) -> None:
        """Let go of a model and of its memory.

        Raises:
            ModelNotFound: if it is not loaded.
            MLServerError: 409 if it is being loaded.
        """
        self.get(name)
        if name in self._loading:
            raise MLServerError(f"model {name!r} is being loaded; try again", 409)
        await self.registry.unload(name)
        self._served.pop(name, None)
        self._remember()
        self._metrics.forget(name)
        if self._drift:
            self._drift.forget(name)
        # What was there before the first model is frozen, so that this takes milliseconds.
        gc.collect()
        give_memory_back()

    async def restore(self) -> None:
        """Load what is remembered and not here: the worker that had it has died."""
        for name, directory in self._remembered.read().items():
            if name not in self._served:
                try:
                    await self.load(directory, name)
                except (ForestError, MLServerError) as error:
                    logger.warning("model %r could not be loaded again: %s", name, error)

    def _remember(self) -> None:
        self._remembered.write({name: model.directory for name, model in self._served.items()})

    def _reserve(self, served: Served, needed: int, *, replace: bool) -> None:
        """Refuse what is there already or would not fit, and take the place otherwise."""
        is_taken = served.name in self._served and not replace
        if is_taken or served.name in self._loading:
            raise MLServerError(f"model {served.name!r} is already loaded; unload it first", 409)
        # The kernel calls mapped pages available, and of what is being loaded knows little.
        mapped = sum(other.mapped_bytes for other in self._served.values())
        taken = mapped + sum(self._loading.values()) + _RESERVE
        free = self._available_memory() - taken
        if needed > free:
            raise MLServerError(
                f"model {served.name!r} needs {needed} bytes of memory and {max(free, 0)} are "
                "left; unload a model, or give the container more memory",
                _OUT_OF_MEMORY,
            )
        self._loading[served.name] = needed

    def _read(self, directory: Path, name: str | None) -> tuple[ModelSettings, Served]:
        settings = settings_of(directory, self._trust_pickle, name)
        served = Served(settings.name, directory, schema_of(settings), _mapped(settings))
        return settings, served

    async def _load(self, settings: ModelSettings) -> None:
        try:
            await self.registry.load(settings)
        except BaseException as error:
            if settings.name not in self._served:
                with suppress(ModelNotFound):  # MLServer keeps an empty entry.
                    await self.registry.unload(settings.name)
            if isinstance(error, ForestError) or not isinstance(error, Exception):
                raise
            # What a foreign file raises when it is unpickled is its own.
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InvalidArtifact(f"the model cannot be loaded: {reason}") from error
        logger.info("model %r is ready", settings.name)


def _size(settings: ModelSettings) -> int:
    """The memory that a model's file will take."""
    try:
        size = Path(settings.parameters.uri).stat().st_size
    except OSError:  # Loading it will say why.
        return 0
    return int(size * _PICKLE_FACTOR) if _is_pickle(settings) else size


def _mapped(settings: ModelSettings) -> int:
    return 0 if _is_pickle(settings) else _size(settings)


def _is_pickle(settings: ModelSettings) -> bool:
    return settings.implementation_ in PICKLE_RUNTIMES
