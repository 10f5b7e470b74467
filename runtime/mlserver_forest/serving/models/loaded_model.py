"""One model that answers requests, and one that was found and can be loaded."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.runtime_interface import Runtime, ServedModel
from mlserver_forest.serving.models.served_settings import ServedSettings

# The version of a model whose settings do not name one, as in Triton and KServe.
DEFAULT_VERSION = "1"
_VERSION_HEADER = b"x-forest-model-version"


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that can be loaded.

    Attributes:
        settings: its settings.
        schema: the rows that it expects.
        directory: where it was found; its files may lie elsewhere if it was packed for this start.
    """

    settings: ServedSettings
    schema: Schema
    directory: Path

    def loaded(
        self, runtime: Runtime, mlmodel: ServedModel, *, is_one_of_several: bool
    ) -> "LoadedModel":
        """The model, once its runtime is loaded."""
        version = mlmodel.version
        label = version if is_one_of_several else None
        headers = () if label is None else ((_VERSION_HEADER, label.encode()),)
        return LoadedModel(
            self.settings.name,
            version,
            self.directory,
            self.schema,
            runtime,
            mlmodel,
            label,
            headers,
        )


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that answers requests.

    Attributes:
        name: the name under which the routes find it.
        version: the version of the model, if its settings name one.
        directory: the directory from which it was loaded.
        schema: the rows that it expects.
        runtime: answers requests.
        mlmodel: the same model, with its settings and state; one of MLServer's models if it is
            another runtime.
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
    mlmodel: ServedModel
    label: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    negotiated: dict[Any, Any] = field(default_factory=dict)

    @property
    def only_version(self) -> str:
        """The version by which requests may ask for the model."""
        return DEFAULT_VERSION if self.version is None else self.version
