"""The operator's choices among the versions of a model, as variables name them."""

import re
from dataclasses import dataclass

from mlserver_forest.environment import Environment
from mlserver_forest.errors import InvalidEnvironment

_EXPECTED = "expected versions with percentages that add up to 100, such as 1:90,2:10"
_WEIGHT = re.compile(r"[0-9]{1,3}(\.[0-9]+)?")
_WHOLE = 100
_ROUNDING = 1e-6


@dataclass(frozen=True)
class VersionSettings:
    """Which version of a model answers requests that name none.

    Attributes:
        default: the version that answers; None for the highest.
        traffic: versions and the percentages of requests that each answers; empty if the default
            answers all.
        shadow: the version to which the same rows are given afterwards, or None.
    """

    default: str | None = None
    traffic: tuple[tuple[str, float], ...] = ()
    shadow: str | None = None

    @classmethod
    def of_environment(cls, environment: Environment) -> "VersionSettings":
        """Read the variables.

        Raises:
            InvalidEnvironment: naming the variable, its value and what was expected.
        """
        default, shadow = environment.default_version, environment.shadow_version
        traffic = _traffic(environment.traffic)
        if shadow is not None and shadow in {default, *(version for version, _ in traffic)}:
            raise InvalidEnvironment(
                f"FOREST_SHADOW is {shadow!r}, which FOREST_TRAFFIC or FOREST_DEFAULT_VERSION lets "
                "answer; expected a version whose answers nobody gets"
            )
        return cls(default, traffic, shadow)


def _traffic(text: str) -> tuple[tuple[str, float], ...]:
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        version, _, weight = (word.strip() for word in part.rpartition(":"))
        if not version or not _WEIGHT.fullmatch(weight) or version in found:
            raise InvalidEnvironment(f"FOREST_TRAFFIC is {text!r}; {_EXPECTED}")
        found[version] = float(weight)
    total = sum(found.values())
    if found and abs(total - _WHOLE) > _ROUNDING:
        raise InvalidEnvironment(
            f"FOREST_TRAFFIC is {text!r}, which adds up to {total:g}; {_EXPECTED}"
        )
    return tuple(found.items())
