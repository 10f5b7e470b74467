"""How the model of a directory is found, started and ended, and how much memory it takes."""

import gc
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Protocol

from mlserver_forest.errors import (
    ForestError,
    InvalidArtifact,
    InvalidEnvironment,
    OutOfMemory,
    format_error,
)
from mlserver_forest.resources import anonymous_memory, return_freed_memory
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.installed_runtime import check_installed
from mlserver_forest.serving.models.loaded_model import FoundModel, LoadedModel
from mlserver_forest.serving.models.model_memory import memory_for
from mlserver_forest.serving.models.packed_at_start import packed_at_start
from mlserver_forest.serving.models.repository import (
    is_forest,
    must_be_packed,
    settings_of,
    settings_of_versions,
)
from mlserver_forest.serving.models.runtime import (
    NO_SCHEMA,
    ForestRuntime,
    row_schema,
    schema_of,
)
from mlserver_forest.serving.models.runtime_interface import Runtime, ServedModel
from mlserver_forest.serving.models.served_settings import ServedSettings
from mlserver_forest.serving.models.unpacked_folder import note_unused_code
from mlserver_forest.serving.scripts.code_layout import CodeSettings

logger = logging.getLogger(__name__)

# Memory that is kept free for requests, so that /ping can always be answered.
RESERVE = 64 << 20


class OtherRuntimes(Protocol):
    """What loads other runtimes: ``foreign_loader.ForeignLoader``."""

    async def load(
        self, settings: ServedSettings, directory: Path, schema: Schema | None
    ) -> tuple[Runtime, ServedModel]:
        """Load a model; return what answers, and its state."""


class ModelLoader:
    """Finds, starts and ends models; which of them answer is not its business.

    Args:
        make: makes a forest's runtime from its settings.
        foreign: makes what loads other runtimes; called once, if there is such a model.
        trust_code: whether other runtimes than this package's are allowed.
        code: what the operator says about the scripts of models.
        available_memory: returns the number of bytes that can still be allocated.
    """

    def __init__(
        self,
        make: Callable[[ServedSettings], ForestRuntime],
        foreign: Callable[[], OtherRuntimes],
        *,
        trust_code: bool,
        code: CodeSettings,
        available_memory: Callable[[], int],
    ) -> None:
        self._make = make
        self._make_foreign = cache(foreign)
        self._trust_code = trust_code
        self._code = code
        self._available_memory = available_memory
        self._packing = Lock()
        self._took: dict[Path, int] = {}

    def find(
        self, directory: Path, name: str | None, packed: ExitStack, timeout_seconds: float | None
    ) -> list[FoundModel]:
        """Find the model of a directory, in each of its versions.

        Args:
            directory: the model directory, by its real path.
            name: the name of the model on this server; by default its own name.
            packed: keeps what was packed for this start until it is closed.
            timeout_seconds: how long packing may take; None for as long as it takes.

        Raises:
            InvalidArtifact: if a version must not be served.
        """
        found = settings_of_versions(directory, self._trust_code, name, self._code)
        return [
            self._found(settings, folder, packed, timeout_seconds) for settings, folder in found
        ]

    def memory_for(self, found: Iterable[FoundModel]) -> int:
        """The number of bytes that models will take: as far as files tell, or took before."""
        return sum(max(memory_for(one.settings), self._took.get(one.directory, 0)) for one in found)

    async def start_all(self, found: Sequence[FoundModel]) -> list[LoadedModel]:
        """Start all versions of a model, or none.

        Raises:
            ForestError: if one must not be served.
        """
        models: list[LoadedModel] = []
        try:
            for one in found:
                model = await self._start(one, is_one_of_several=len(found) > 1)
                models.append(model)  # those so far are ended if one fails
        except BaseException:
            await unload_all(models)
            raise
        return models

    def _found(
        self,
        settings: ServedSettings,
        directory: Path,
        packed: ExitStack,
        timeout_seconds: float | None,
    ) -> FoundModel:
        note_unused_code(directory)
        if must_be_packed(settings):
            with self._packing:  # It takes a CPU and memory of its own.
                made = packed.enter_context(packed_at_start(directory, timeout_seconds))
            version = settings.parameters.version if settings.parameters else None
            settings = settings_of(made, self._trust_code, settings.name, version=version)
        if is_forest(settings):
            return FoundModel(settings, schema_of(settings), directory)
        check_installed(settings.implementation_, directory)
        return FoundModel(settings, row_schema(settings) or NO_SCHEMA, directory)

    async def _start(self, found: FoundModel, *, is_one_of_several: bool) -> LoadedModel:
        settings = found.settings
        if not is_forest(settings):
            before = anonymous_memory()
            runtime, foreign = await self._make_foreign().load(
                settings, found.directory, row_schema(settings)
            )
            model = found.loaded(runtime, foreign, is_one_of_several=is_one_of_several)
            await self._check_memory(model, max(anonymous_memory() - before, 0))
            return model
        made = self._make(settings)
        try:
            made.ready = await made.load()
        except ForestError:
            raise
        except Exception as error:
            raise InvalidArtifact(f"the model cannot be loaded: {format_error(error)}") from error
        return found.loaded(made, made, is_one_of_several=is_one_of_several)

    async def _check_memory(self, model: LoadedModel, took: int) -> None:
        """Unload a model again that has left too little memory; its files did not say so before.

        Args:
            model: of another runtime, which was just loaded.
            took: by how many bytes this process has grown meanwhile.
        """
        self._took[model.directory] = took
        free = self._available_memory()
        if free < RESERVE:
            await unload_all([model])
            gc.collect()
            return_freed_memory()
            raise OutOfMemory(
                f"model {model.name!r} took {took} bytes of memory when it was loaded, and left "
                f"{free}; unload a model, or give the container more memory"
            )
        logger.info("model %r took %d MB of memory", model.name, took >> 20)


async def unload_all(models: Iterable[LoadedModel]) -> None:
    """Tell runtimes that they are not asked any more; nobody waits for what they do about it."""
    for model in models:
        try:
            await model.runtime.unload()
        except Exception:
            logger.exception("the runtime of model %r failed when it was unloaded", model.name)


def check_forests(models: Iterable[LoadedModel]) -> None:
    """Check that the versions of a model with a shadow can be compared.

    Raises:
        InvalidEnvironment: naming the version that another runtime serves.
    """
    for model in models:
        if not is_forest(model.mlmodel.settings):
            raise InvalidEnvironment(
                f"FOREST_SHADOW compares forests, and version {model.version!r} of model "
                f"{model.name!r} is served by {type(model.mlmodel).__name__}; pack it with forest "
                "pack, or leave FOREST_SHADOW out"
            )
