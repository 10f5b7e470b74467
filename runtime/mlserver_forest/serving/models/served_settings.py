"""The settings of a model: a forest's, and what those of other runtimes have in common with them.

MLServer's own, which other runtimes get (``foreign_settings.py``), are made by pydantic-settings,
whose import takes 0.15 s of CPU time and 8 MB.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from mlserver.types import MetadataTensor
from pydantic import BaseModel, ConfigDict


class ServedSettings(Protocol):
    """The settings that the server reads, whatever the model's runtime.

    Attributes:
        name: the name of the model on this server.
        implementation_: the class that serves it, as ``module.Class``.
        platform: the library of the model.
        versions: the libraries by which the model was made.
        inputs: the metadata of its inputs.
        outputs: the metadata of its outputs.
    """

    name: str
    implementation_: str
    platform: str
    versions: list[str]
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]

    @property
    def parameters(self) -> Any:
        """``uri``, ``version``, ``content_type`` and ``extra``."""

    @property
    def version(self) -> str | None:
        """The version of the model, if it names one."""


class ForestParameters(BaseModel):
    """Where a forest lies, its version, and the members that MLServer does not know."""

    uri: str
    version: str | None = None
    content_type: str | None = None
    extra: Mapping[str, Any]


class ForestSettings(BaseModel):
    """The settings of a forest, by the names of MLServer's."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    implementation_: str
    platform: str = ""
    versions: list[str] = []
    inputs: list[MetadataTensor] = []
    outputs: list[MetadataTensor] = []
    parameters: ForestParameters

    @property
    def version(self) -> str | None:
        """The version of the model, if it names one."""
        return self.parameters.version
