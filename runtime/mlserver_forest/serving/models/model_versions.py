"""The versions of one model: which there are, which of them answers, and which only watches."""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import random
from typing import Generic, TypeVar

from mlserver_forest.errors import InvalidEnvironment, ModelNotFound, format_value
from mlserver_forest.serving.models.version_directories import in_order
from mlserver_forest.serving.models.version_settings import VersionSettings

M = TypeVar("M")
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Chosen(Generic[M]):
    """What a request is given to.

    Attributes:
        model: the model that answers.
        shadow: the model that is asked afterwards, and whose answers are only counted; or None.
    """

    model: M
    shadow: M | None = None


class ModelVersions(Generic[M]):
    """The loaded versions of one model.

    Args:
        name: the name of the model.
        directory: the model directory, which has a folder for each version if there are several.
        models: the versions by name; at least one.
        settings: the operator's choices.
        must_fit: whether choices that name other versions are refused; if not, they are for
            other models.

    Attributes:
        directory: as given.
        default: the version that answers if neither the request nor the weights choose one.
        traffic: the share of the requests that name no version, from 0 to 100, by version.
        shadow: the version that is asked afterwards, or None.

    Raises:
        InvalidEnvironment: naming the variable, the version that it names, and those there are.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        models: Mapping[str, M],
        settings: VersionSettings,
        *,
        must_fit: bool,
    ) -> None:
        self._name = name
        self._models = models
        self.directory = directory
        fitting = settings if must_fit else _fitting(settings, models)
        _check(fitting, models, name)
        self.shadow = fitting.shadow
        self.default = fitting.default or _highest(models, fitting)
        self.traffic = dict(fitting.traffic) or {self.default: float(_WHOLE)}
        shadow = None if self.shadow is None else models[self.shadow]
        self._chosen = [Chosen(models[version], shadow) for version in self.traffic]
        # Where the share of each version ends; the last one takes what is left by rounding.
        self._ends = [end / _WHOLE for end in accumulate(self.traffic.values())][:-1]

    def __iter__(self) -> Iterator[M]:
        return iter(self._models.values())

    @property
    def description(self) -> str:
        """The versions, and what each is for, for the log; empty if there is one."""
        if len(self._models) == 1:
            return ""
        shares = ", ".join(f"{one} answers {share:g} %" for one, share in self.traffic.items())
        shadow = f", and {self.shadow} is their shadow" if self.shadow else ""
        return f" in versions {', '.join(self.names)}; by default {shares}{shadow}"

    @property
    def names(self) -> Sequence[str]:
        """All versions, in order."""
        return in_order(self._models)

    def get(self, version: str | None = None) -> M:
        """The model of a version; of the default if None.

        Raises:
            ModelNotFound: naming the versions that there are.
        """
        model = self._models.get(self.default if version is None else version)
        if model is None:
            several = "s" if len(self._models) > 1 else ""
            there = f"{self._name} in version{several} {', '.join(self.names)}"
            raise ModelNotFound(self._name, version, others=[there])
        return model

    def choose(self, version: str | None = None) -> Chosen[M]:
        """What answers a request; one that names no version is given to one by the weights.

        Raises:
            ModelNotFound: as ``get``.
        """
        if version is None:
            ends = self._ends
            return self._chosen[bisect(ends, random()) if ends else 0]  # noqa: S311
        return Chosen(self.get(version))


def _highest(models: Mapping[str, object], settings: VersionSettings) -> str:
    """The last version in order that may answer."""
    may_answer = [version for version in in_order(models) if version != settings.shadow]
    if not may_answer:
        raise InvalidEnvironment(
            f"FOREST_SHADOW is {settings.shadow!r}, the only version; expected another one beside "
            "it, which answers"
        )
    return may_answer[-1]


def _fitting(settings: VersionSettings, models: Mapping[str, object]) -> VersionSettings:
    """The choices without those that name versions which the model does not have."""
    is_shared = all(version in models for version, _ in settings.traffic)
    return VersionSettings(
        default=settings.default if settings.default in models else None,
        traffic=settings.traffic if is_shared else (),
        shadow=settings.shadow if settings.shadow in models and len(models) > 1 else None,
    )


def _check(settings: VersionSettings, models: Mapping[str, object], name: str) -> None:
    for variable, named in (
        ("FOREST_DEFAULT_VERSION", [settings.default]),
        ("FOREST_TRAFFIC", [version for version, _ in settings.traffic]),
        ("FOREST_SHADOW", [settings.shadow]),
    ):
        for version in named:
            if version is not None and version not in models:
                raise InvalidEnvironment(
                    f"{variable} names version {format_value(version)}; expected one that model "
                    f"{name!r} has: {', '.join(in_order(models))}"
                )
