"""hyperparameters.json -> Hyperparameters, with every fault at once."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlserver_forest.errors import InvalidHyperparameters, format_value
from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    ANY,
    CLASSIFICATION,
    REGRESSION,
    AlgorithmHyperparameters,
)
from mlserver_forest.training.algorithms.booster_hyperparameters import Booster
from mlserver_forest.training.algorithms.decoding import decoded
from mlserver_forest.training.algorithms.expectations import expected_of
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS

_Model = TypeVar("_Model", bound=BaseModel)
_DEFAULT = JobHyperparameters.model_fields["algorithm"].default
_POSSIBLE = {None: ANY, "classification": CLASSIFICATION, "regression": REGRESSION}


@dataclass(frozen=True)
class Hyperparameters:
    """What a training job was asked for.

    Attributes:
        job: what all algorithms share.
        algorithm: the algorithm's own, under its library's names.
    """

    job: JobHyperparameters
    algorithm: AlgorithmHyperparameters

    @property
    def random_state(self) -> int | None:
        """The seed that was asked for."""
        seed: int | None = getattr(self.algorithm, "random_state", None)
        return seed

    @property
    def n_trees(self) -> int:
        """Trees of a forest, rounds of boosting; 1 for a decision tree."""
        values = self.algorithm
        n_trees: int = getattr(values, "n_estimators", getattr(values, "max_iter", 1))
        return n_trees

    @property
    def early_stopping_rounds(self) -> int | None:
        """Rounds without progress on rows that the job holds before boosting stops.

        None for hist_gradient_boosting, which holds out rows by itself.
        """
        if isinstance(self.algorithm, Booster):
            return self.algorithm.early_stopping_rounds
        return None

    def given(self) -> dict[str, Any]:
        """What was set, under its one name, for the log and the report."""
        job, algorithm = (part.model_dump(exclude_unset=True) for part in self._parts)
        return {**job, **algorithm}

    @property
    def _parts(self) -> tuple[BaseModel, BaseModel]:
        return self.job, self.algorithm


def parse(raw: Mapping[str, Any]) -> Hyperparameters:
    """Check all hyperparameters.

    Args:
        raw: as hyperparameters.json holds them; SageMaker's own keys are skipped.

    Raises:
        InvalidHyperparameters: with every fault, each naming what came and what
            was expected.
    """
    values = decoded(raw)
    name = values.get("algorithm", _DEFAULT)
    model = ALGORITHMS.get(name) if isinstance(name, str) else None
    if model is None:
        raise InvalidHyperparameters(_faults_without_algorithm(values))
    values, faults = _under_one_name(values, {**JobHyperparameters.ALIASES, **model.ALIASES})
    known = {*JobHyperparameters.model_fields, *model.model_fields}
    faults += [_unknown(key, name) for key in values if key not in known]
    job, of_job = _checked(JobHyperparameters, values)
    algorithm, of_algorithm = _checked(model, values)
    faults += [*of_job, *of_algorithm, *algorithm.contradictions()]
    faults += algorithm.unsuitable(_POSSIBLE[job.task])
    if faults:
        raise InvalidHyperparameters(faults)
    return Hyperparameters(job, algorithm)


def _faults_without_algorithm(values: Mapping[str, Any]) -> list[str]:
    """What is wrong for any algorithm, where the one that was asked for does not exist."""
    values, faults = _under_one_name(values, JobHyperparameters.ALIASES)
    names = {*JobHyperparameters.model_fields}.union(*map(_names, ALGORITHMS.values()))
    faults += [f"{format_value(key)} is unknown; remove it" for key in values if key not in names]
    return faults + _checked(JobHyperparameters, values)[1]


def _names(model: type[AlgorithmHyperparameters]) -> set[str]:
    return {*model.model_fields, *model.ALIASES}


def _under_one_name(
    values: Mapping[str, Any], aliases: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The values without aliases, and what was given twice."""
    found: dict[str, Any] = {}
    given: dict[str, str] = {}
    faults = []
    for key, value in values.items():
        name = aliases.get(key, key)
        if name in found:
            faults.append(f"{given[name]} and {key} are the same hyperparameter; remove one")
        else:
            found[name], given[name] = value, key
    return found, faults


def _checked(model: type[_Model], values: Mapping[str, Any]) -> tuple[_Model, list[str]]:
    """A model of what is right, and what is wrong."""
    known = {name: value for name, value in values.items() if name in model.model_fields}
    try:
        return model.model_validate(known), []
    except ValidationError as error:
        wrong = list(dict.fromkeys(str(fault["loc"][0]) for fault in error.errors()))
    right = {name: value for name, value in known.items() if name not in wrong}
    return model.model_validate(right), [_wrong(model, name, known[name]) for name in wrong]


def _wrong(model: type[BaseModel], name: str, value: Any) -> str:
    return f"{name} is {format_value(value)}; expected {expected_of(model, name)}"


def _unknown(key: str, algorithm: str) -> str:
    model = ALGORITHMS[algorithm]
    others = [name for name, other in ALGORITHMS.items() if key in _names(other)]
    what = f"is for {', '.join(others)}, not for {algorithm}" if others else "is unknown"
    instead = {**JobHyperparameters.INSTEAD, **model.INSTEAD}.get(key)
    if instead is not None:
        return f"{format_value(key)} {what}; use {instead}"
    close = difflib.get_close_matches(key, [*JobHyperparameters.model_fields, *_names(model)], n=1)
    return f"{format_value(key)} {what}; {f'did you mean {close[0]}?' if close else 'remove it'}"
