"""The parent of every algorithm's hyperparameters."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from mlserver_forest.training.algorithms.problems import (
    ANY,
    BINARY,
    CLASSIFICATION,
    DESCRIPTIONS,
    MULTICLASS,
    REGRESSION,
    LabelRule,
    Problem,
)

_CLASSIFICATIONS = (CLASSIFICATION, BINARY, MULTICLASS)


@dataclass(frozen=True)
class ImpliedTask:
    """The task that a hyperparameter is for, such as that of ``objective=binary:logistic``.

    Attributes:
        task: "classification" or "regression".
        name: the hyperparameter.
        setting: its name and value, for messages.
    """

    task: Literal["classification", "regression"]
    name: str
    setting: str


class AlgorithmHyperparameters(BaseModel):
    """One algorithm's hyperparameters: one field for each, under its library's name.

    A child class lists the fields, and overrides what its library does differently.

    Attributes:
        ALIASES: other name of a hyperparameter -> its name here.
        INSTEAD: name that another library uses -> what to write here, for an error message.
        OWN: fields that are not arguments of the estimator's constructor.
        ALWAYS: fields that the constructor gets even if they were not set, because the default
            here is not the library's.
        FROM_JOB: hyperparameters of the job that the constructor takes too.
        VALUES: field -> value -> the problems that the value is for.
        FIELDS: field -> the problems that it is for, whatever its value.
        NEEDS: field -> another field, and the values of that field with which it has an effect.
        LABELS: field -> value -> the labels of a regression that the value takes; a value that
            is not listed takes all.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {}
    INSTEAD: ClassVar[Mapping[str, str]] = {}
    OWN: ClassVar[frozenset[str]] = frozenset()
    ALWAYS: ClassVar[frozenset[str]] = frozenset()
    FROM_JOB: ClassVar[frozenset[str]] = frozenset()
    VALUES: ClassVar[Mapping[str, Mapping[Any, frozenset[Problem]]]] = {}
    FIELDS: ClassVar[Mapping[str, frozenset[Problem]]] = {}
    NEEDS: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {}
    LABELS: ClassVar[Mapping[str, Mapping[str, LabelRule]]] = {}

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def n_steps(self) -> int:
        """The number of trees of a forest, or of rounds of boosting."""
        return 1

    @property
    def patience(self) -> int | None:
        """Rounds without progress before boosting stops early; None if it never does."""
        return None

    @property
    def has_out_of_bag(self) -> bool:
        """Whether each tree leaves out some rows, so that the forest can be evaluated on them."""
        return False

    def estimator_parameters(self) -> dict[str, Any]:
        """Arguments for the library's constructor: those that were set, and ``ALWAYS``.

        None for a field that is not for all problems is left out, because the estimators for other
        problems do not have the argument.
        """
        unset = {name for name in self.FIELDS if getattr(self, name) is None}
        return self.model_dump(include=(self.model_fields_set | self.ALWAYS) - self.OWN - unset)

    def native_parameters(
        self, parameters: Mapping[str, Any], n_features: int, n_categories: Mapping[int, int]
    ) -> dict[str, Any]:
        """Arguments for the library's constructor that depend on the columns.

        Args:
            parameters: the other arguments; constraints are lists by feature position.
            n_features: the number of features.
            n_categories: position of a categorical feature -> the number of its categories.

        Returns:
            Arguments to add or to replace.
        """
        return {}

    @property
    def implied_task(self) -> ImpliedTask | None:
        """The task that one of the settings is for; None if they suit both tasks."""
        for name, suited in self._settings():
            if suited in {REGRESSION, *_CLASSIFICATIONS}:
                value = getattr(self, name)
                shown = name if isinstance(value, dict | list) else f"{name}={value}"
                task: Any = "regression" if suited == REGRESSION else "classification"
                return ImpliedTask(task, name, shown)
        return None

    def contradictions(self) -> list[str]:
        """Faults that do not depend on the data: hyperparameters that exclude each other."""
        return [
            f"{name} needs {other}={' or '.join(values)}"
            for name, (other, values) in self.NEEDS.items()
            if name in self.model_fields_set and getattr(self, other) not in values
        ]

    def misfits(self, problem: frozenset[Problem], n_classes: int) -> list[str]:
        """Faults that depend on the labels.

        Args:
            problem: the one problem that the labels turned out to be.
            n_classes: the number of classes; 0 for a regression.
        """
        return self.unsuitable(problem)

    def column_misfits(self, categorical: Collection[str]) -> list[str]:
        """Faults that depend on the columns.

        Args:
            categorical: the names of the features that hold categories.
        """
        return []

    def unsuitable(self, possible: frozenset[Problem]) -> list[str]:
        """Faults of hyperparameters that are for none of the possible problems, or for no
        common one.
        """
        settings = list(self._settings())
        faults = [
            self._unsuitable(name, possible) for name, suited in settings if not suited & possible
        ]
        if faults:
            return faults
        for name, suited in settings:
            for other, also in settings:
                if name < other and not suited & also:
                    what = f"{name} is for {DESCRIPTIONS[suited]}, {other} for {DESCRIPTIONS[also]}"
                    faults.append(f"{what}: remove one")
        return faults

    def _settings(self) -> Iterator[tuple[str, frozenset[Problem]]]:
        """Each field that was set and is for some problems alone, with those problems."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name not in self.model_fields_set or value is None:
                continue
            if name in self.FIELDS:
                yield name, self.FIELDS[name]
            elif name in self.VALUES:
                yield name, _suited(self.VALUES[name], value)

    def _unsuitable(self, name: str, possible: frozenset[Problem]) -> str:
        this = DESCRIPTIONS[possible]
        if name in self.FIELDS:
            suited = self.FIELDS[name]
            hint = _task_hint(possible, suited)
            return f"{name} is for {DESCRIPTIONS[suited]}, but this is {this}; remove it{hint}"
        values = [value for value, suited in self.VALUES[name].items() if suited & possible]
        hint = _task_hint(possible, _suited(self.VALUES[name], getattr(self, name)))
        return f"{name} is {getattr(self, name)!r}; {this} needs {', '.join(values)}{hint}"


def _task_hint(possible: frozenset[Problem], suited: frozenset[Problem]) -> str:
    """How to have the other task, if a setting suits that."""
    if possible <= REGRESSION and suited & CLASSIFICATION:
        return "; or set task=classification"
    if possible <= CLASSIFICATION and suited & REGRESSION:
        return "; or set task=regression"
    return ""


def _suited(values: Mapping[Any, frozenset[Problem]], value: Any) -> frozenset[Problem]:
    """The problems that a value is for; a list is for those that all of its members are for."""
    if not isinstance(value, list):
        return values[value]
    return ANY.intersection(*(values[member] for member in value))
