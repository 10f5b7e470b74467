"""How one runtime is started and ended, and how much memory it will take."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mlserver import MLModel, ModelSettings
from mlserver.context import model_context

from mlserver_forest.artifact.model_directory import PICKLE_RUNTIMES
from mlserver_forest.errors import ForestError, InvalidArtifact, InvalidEnvironment
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.runtime import ForestModel

logger = logging.getLogger(__name__)

# An unpickled estimator is as large as its pickle, and for a moment both are in memory.
_PICKLE_FACTOR = 2.5


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that can be loaded: its settings, the rows that it expects, and where it lies."""

    settings: ModelSettings
    schema: Schema
    directory: Path


async def start_model(make: Callable[[ModelSettings], MLModel], settings: ModelSettings) -> MLModel:
    """Make a runtime and load it.

    Raises:
        ForestError: if the model must not be served.
    """
    try:
        made = make(settings)
        with model_context(settings):
            made.ready = await made.load()
    except ForestError:
        raise
    except Exception as error:
        # A foreign file raises errors of its own when it is unpickled.
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InvalidArtifact(f"the model cannot be loaded: {reason}") from error
    return made


async def unload_all(models: Iterable[MLModel]) -> None:
    """Tell runtimes that they are not asked any more; nobody waits for what they do about it."""
    for model in models:
        try:
            with model_context(model.settings):
                await model.unload()
        except Exception:
            logger.exception("the runtime of model %r failed when it was unloaded", model.name)


def check_forests(models: Iterable[MLModel]) -> None:
    """Check that the versions of a model with a shadow can be compared.

    Raises:
        InvalidEnvironment: naming the version that another runtime serves.
    """
    for model in models:
        if not isinstance(model, ForestModel):
            raise InvalidEnvironment(
                f"FOREST_SHADOW compares forests, and version {model.version!r} of model "
                f"{model.name!r} is served by {type(model).__name__}; pack it with forest pack, or "
                "leave FOREST_SHADOW out"
            )


def memory_for(settings: ModelSettings) -> int:
    """The number of bytes of memory that a model will take."""
    try:
        size = Path(settings.parameters.uri).stat().st_size
    except OSError:  # Loading it will say why.
        return 0
    return int(size * _PICKLE_FACTOR) if settings.implementation_ in PICKLE_RUNTIMES else size
