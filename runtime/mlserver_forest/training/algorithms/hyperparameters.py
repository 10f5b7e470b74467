"""hyperparameters.json -> Hyperparameters, with every fault reported at once."""

import ast
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlserver_forest.errors import InvalidHyperparameters, format_value
from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import expected_of
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.problems import ANY, CLASSIFICATION, REGRESSION
from mlserver_forest.training.algorithms.registry import ALGORITHMS, DEFAULT, Algorithm

_Model = TypeVar("_Model", bound=BaseModel)
_POSSIBLE = {None: ANY, "classification": CLASSIFICATION, "regression": REGRESSION}
# Keys that SageMaker and its SDKs add for themselves.
_INJECTED_PREFIX = "sagemaker_"
_INJECTED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
_MOST_WRAPPINGS = 4
_CONSTANTS = {"True": True, "False": False, "None": None, "": None}


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of a training job.

    Attributes:
        job: those that all algorithms share.
        own: those of the algorithm alone.
    """

    job: JobHyperparameters
    own: AlgorithmHyperparameters

    @property
    def algorithm(self) -> Algorithm:
        """The row of the algorithm."""
        return ALGORITHMS[self.job.algorithm]

    @property
    def random_state(self) -> int | None:
        """The seed that was asked for."""
        seed: int | None = getattr(self.own, "random_state", None)
        return seed

    @property
    def early_stopping_rounds(self) -> int | None:
        """Rounds without progress on rows that the job holds before boosting stops.

        It is None if the library holds out rows by itself, as hist_gradient_boosting does.
        """
        rounds: int | None = getattr(self.own, "early_stopping_rounds", None)
        return rounds

    def given(self) -> dict[str, Any]:
        """Those that were set, each under its one name, for the log and the report."""
        return self.job.model_dump(exclude_unset=True) | self.own.model_dump(exclude_unset=True)


def parse(raw: Mapping[str, Any]) -> Hyperparameters:
    """Check all hyperparameters.

    Args:
        raw: the object in hyperparameters.json; keys that SageMaker adds are skipped.

    Raises:
        InvalidHyperparameters: with every fault, each naming what came and what
            was expected.
    """
    values = {name: decode(value) for name, value in raw.items() if not _is_injected(name)}
    name = values.get("algorithm", DEFAULT)
    if not isinstance(name, str) or name not in ALGORITHMS:
        raise InvalidHyperparameters(_faults_without_algorithm(values))
    model = ALGORITHMS[name].hyperparameters
    values, faults = _under_one_name(values, {**JobHyperparameters.ALIASES, **model.ALIASES})
    known = {*JobHyperparameters.model_fields, *model.model_fields}
    faults += [_unknown(key, name) for key in values if key not in known]
    job, job_faults = _checked(JobHyperparameters, values)
    own, own_faults = _checked(model, values)
    faults += [*job_faults, *own_faults, *own.contradictions()]
    faults += own.unsuitable(_POSSIBLE[job.task])
    if faults:
        raise InvalidHyperparameters(faults)
    return Hyperparameters(job, own)


def decode(value: Any) -> Any:
    r"""Decode the string of a hyperparameter, whichever client wrote it.

    Args:
        value: JSON text; Python's constants and literals, as the SDK's Estimator writes
            dictionaries; or text that is JSON once more inside (``"\"512\""``), as tuning jobs
            send categories. Any other string is itself the value.
    """
    for _ in range(_MOST_WRAPPINGS):
        if not isinstance(value, str):
            break
        value = _decode_once(value.strip())
    return value


def _decode_once(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text[0] not in "{[(":
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _is_injected(name: str) -> bool:
    return name.startswith(_INJECTED_PREFIX) or name in _INJECTED


def _faults_without_algorithm(values: Mapping[str, Any]) -> list[str]:
    """The faults that do not depend on the algorithm, if there is none of the given name."""
    values, faults = _under_one_name(values, JobHyperparameters.ALIASES)
    models = [algorithm.hyperparameters for algorithm in ALGORITHMS.values()]
    names = {*JobHyperparameters.model_fields}.union(*map(_names, models))
    faults += [f"{format_value(key)} is unknown; remove it" for key in values if key not in names]
    return faults + _checked(JobHyperparameters, values)[1]


def _names(model: type[AlgorithmHyperparameters]) -> set[str]:
    return {*model.model_fields, *model.ALIASES}


def _under_one_name(
    values: Mapping[str, Any], aliases: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The values with aliases replaced, and a fault for each that was given twice."""
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
    """A model of the valid values, and a fault for each invalid one."""
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
    model = ALGORITHMS[algorithm].hyperparameters
    others = [name for name, row in ALGORITHMS.items() if key in _names(row.hyperparameters)]
    what = f"is for {', '.join(others)}, not for {algorithm}" if others else "is unknown"
    instead = {**JobHyperparameters.INSTEAD, **model.INSTEAD}.get(key)
    if instead is not None:
        return f"{format_value(key)} {what}; use {instead}"
    close = difflib.get_close_matches(key, [*JobHyperparameters.model_fields, *_names(model)], n=1)
    return f"{format_value(key)} {what}; {f'did you mean {close[0]}?' if close else 'remove it'}"
