"""Loads other runtimes: their class, from a package or the model's own folder, and the model."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from mlserver import MLModel, ModelSettings
from mlserver.context import model_context
from threadpoolctl import threadpool_limits

from mlserver_forest.artifact.known_runtimes import find_known
from mlserver_forest.environment import limit_native_threads
from mlserver_forest.errors import ForestError, InvalidArtifact, format_error
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime
from mlserver_forest.serving.models.installed_runtime import check_installed
from mlserver_forest.serving.models.runtime_interface import Runtime
from mlserver_forest.serving.models.runtime_loop import RuntimeLoop
from mlserver_forest.serving.scripts.code_layout import CODE_RUNTIMES
from mlserver_forest.serving.scripts.code_model import CodeModel
from mlserver_forest.serving.scripts.script_modules import ScriptModules


class ForeignLoader:
    """Loads runtimes in the loop in which they answer, one after the other.

    Args:
        loop: the loop.
        calls: notes which model is being loaded, in case that this process dies of it.
        n_threads: the threads that a library may use in this process. By default each uses as
            many as there are CPUs, in every worker, and they wait for each other.
    """

    def __init__(self, loop: RuntimeLoop, calls: CallsInFlight, n_threads: int) -> None:
        self._loop = loop
        self._calls = calls
        self._n_threads = n_threads
        self._lock = asyncio.Lock()

    async def load(
        self, settings: ModelSettings, directory: Path, schema: Schema | None
    ) -> tuple[Runtime, MLModel]:
        """Load a model.

        Args:
            settings: as MLServer reads them.
            directory: the model directory.
            schema: the rows that it reads; None if it reads any table.

        Returns:
            What answers, and the same model as MLServer's type.

        Raises:
            InvalidArtifact: saying which class, and what it raised.
        """
        loading = self._calls.of(settings.name, is_loading=True)
        with loading, _explaining(settings.implementation_, "ended"):
            if settings.implementation_ in CODE_RUNTIMES:
                return await self._load_code(settings)
            model = await self._loop.run(lambda: self._load(settings, directory))
        known = find_known(settings.implementation_)
        return ForeignRuntime(model, schema, known, self._loop, self._calls), model

    async def _load_code(self, settings: ModelSettings) -> tuple[CodeModel, CodeModel]:
        """Load a script or handler, which is its own runtime and has a thread of its own."""
        module, _, name = settings.implementation_.rpartition(".")
        model: CodeModel = getattr(import_module(module), name)(
            settings, self._calls, self._n_threads
        )
        model.ready = await model.load()
        return model, model

    async def _load(self, settings: ModelSettings, directory: Path) -> MLModel:
        module, _, name = settings.implementation_.rpartition(".")
        async with self._lock:
            limit_native_threads(self._n_threads)
            code = ScriptModules([directory], module.partition(".")[0])
            if not code.has(module):
                check_installed(settings.implementation_, directory)
            with _explaining(settings.implementation_, "cannot be imported"):
                found = (code.load if code.has(module) else import_module)(module)
            kind = _class(found, name, settings.implementation_)
            with _explaining(settings.implementation_, "cannot load the model"):
                names = code.imported() if code.has(module) else nullcontext()
                with names, model_context(settings):
                    model = kind(settings)
                    model.ready = await model.load()
            # OpenMP keeps the number for each thread; this one asks the models.
            threadpool_limits(self._n_threads)
        if not model.ready:
            raise InvalidArtifact(
                f"{settings.implementation_}: load() returned {model.ready!r}, so that the model "
                "is not ready; it must return True"
            )
        return model


def _class(module: Any, name: str, implementation: str) -> type[MLModel]:
    found = getattr(module, name, None)
    if inspect.isclass(found) and issubclass(found, MLModel):
        return found
    what = "has no such class" if found is None else "is not a subclass of mlserver.MLModel"
    raise InvalidArtifact(f"the implementation {implementation} {what}")


@contextmanager
def _explaining(implementation: str, what: str) -> Iterator[None]:
    """Foreign code may raise anything."""
    try:
        yield
    except ForestError:
        raise
    except Exception as error:
        raise InvalidArtifact(
            f"the implementation {implementation} {what}: {format_error(error)}"
        ) from error
