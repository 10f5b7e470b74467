"""What the hyperparameters of all algorithms have in common."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

# What an objective, a criterion or a weight is for.
Problem = Literal["binary", "multiclass", "regression"]
BINARY: frozenset[Problem] = frozenset({"binary"})
MULTICLASS: frozenset[Problem] = frozenset({"multiclass"})
CLASSIFICATION: frozenset[Problem] = BINARY | MULTICLASS
REGRESSION: frozenset[Problem] = frozenset({"regression"})
ANY: frozenset[Problem] = CLASSIFICATION | REGRESSION
_WORDS = {
    BINARY: "a classification of two classes",
    MULTICLASS: "a classification of more than two classes",
    CLASSIFICATION: "a classification",
    REGRESSION: "a regression",
    BINARY | REGRESSION: "a regression or a classification of two classes",
}


class AlgorithmHyperparameters(BaseModel):
    """One algorithm's hyperparameters.

    Attributes:
        ALIASES: other names of a hyperparameter -> its one name here.
        INSTEAD: names that other algorithms have for something -> what does it here.
        OWN: fields that are not for the estimator's constructor.
        VALUES: field -> value -> the problems that it suits.
        FIELDS: field -> the problems that it is for, whatever its value.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {}
    INSTEAD: ClassVar[Mapping[str, str]] = {}
    OWN: ClassVar[frozenset[str]] = frozenset()
    VALUES: ClassVar[Mapping[str, Mapping[Any, frozenset[Problem]]]] = {}
    FIELDS: ClassVar[Mapping[str, frozenset[Problem]]] = {}

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def estimator_parameters(self) -> dict[str, Any]:
        """What was set, for the library's constructor; its own defaults do the rest."""
        return self.model_dump(include=self.model_fields_set - self.OWN)

    def contradictions(self) -> list[str]:
        """Hyperparameters that do not go together, whatever the data are."""
        return []

    def unsuitable(self, possible: frozenset[Problem]) -> list[str]:
        """What suits none of the problems that the data may be, and what does."""
        settings = list(self._settings())
        faults = [
            self._unsuitable(name, possible) for name, suited in settings if not suited & possible
        ]
        if faults:
            return faults
        for name, suited in settings:
            for other, also in settings:
                if name < other and not suited & also:
                    what = f"{name} is for {_WORDS[suited]}, {other} for {_WORDS[also]}"
                    faults.append(f"{what}: remove one")
        return faults

    def _settings(self) -> Iterator[tuple[str, frozenset[Problem]]]:
        """Each field that was set to something particular, and the problems that it suits."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name not in self.model_fields_set or value is None:
                continue
            if name in self.FIELDS:
                yield name, self.FIELDS[name]
            elif name in self.VALUES:
                yield name, _suited(self.VALUES[name], value)

    def _unsuitable(self, name: str, possible: frozenset[Problem]) -> str:
        what = _WORDS[possible]
        if name in self.FIELDS:
            return f"{name} is for {_WORDS[self.FIELDS[name]]}, but this is {what}; remove it"
        values = [value for value, suited in self.VALUES[name].items() if suited & possible]
        return f"{name} is {getattr(self, name)!r}; {what} needs {', '.join(values)}"


def _suited(values: Mapping[Any, frozenset[Problem]], value: Any) -> frozenset[Problem]:
    """A list suits what all of its members suit."""
    if not isinstance(value, list):
        return values[value]
    return ANY.intersection(*(values[member] for member in value))
