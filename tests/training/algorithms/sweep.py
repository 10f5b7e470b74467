"""Every documented value of every hyperparameter, as jobs on small tables.

The values come from the types in the registry, as docs/hyperparameters.md does: each name of a
choice, both booleans, None, and of a number the ends of its range beside its default.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from mlserver_forest.training.algorithms.hyperparameter_types import (
    ClassWeights,
    FeatureSets,
    OneOf,
    Signs,
)
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS

TASKS = ("binary", "multiclass", "regression")
TABLES = ("numbers", "words", "missing")
_N_ROWS = 60
# Types whose values have a form of their own.
_FORMS = {
    ClassWeights: [{"a": 1, "b": 2}, {"0": 1.0, "1": 0.0}],
    FeatureSets: [[["x", "z"]], [[0], [1]]],
    Signs: [[1, 0], {"x": -1}, {"z": 1}],
}
_CHOSEN = {
    "target": ["label", 0],
    "weight": [None, "z", 2],
    "ignore": [[], ["x"], 2],
    "categories": [[], ["x"]],
    "missing_values": [[], ["zz"], ["!NA"]],
    "delimiter": [None, ",", "tab"],
    "decimal": [None, "."],
    "encoding": [None, "utf-8"],
    "skip_lines": [0],
    "sheet": [None, "Sheet1"],
    "num_class": [None, 0, 1, 2, 3],
    "k_fold": [0, 2, 64],
    "threshold": [None, 0.3, "recall>=0.9", "cost:fp=1,fn=20"],
    "positive_class": [None, "b"],
}
# The other settings that a value needs; None stands for every value but None.
_NEEDED = {
    ("objective", "reg:quantileerror"): {"quantile_alpha": 0.5},
    ("loss", "quantile"): {"quantile": 0.5},
    ("quantile", None): {"loss": "quantile"},
    ("subsample", None): {"subsample_freq": 1},
    ("boosting_type", "rf"): {"subsample": 0.5, "subsample_freq": 1},
    ("monotone_constraints_method", None): {"monotone_constraints": {"x": 1}},
    ("max_samples", None): {"bootstrap": True},
}
# A large number here is slow or takes memory, and means the same as a small one.
_SMALL = 64
# The rounds or trees of a job, as few as show what a setting does.
_STEPS = {"n_estimators": 4, "max_iter": 4, "iterations": 4}


@dataclass(frozen=True)
class Case:
    """One job.

    Attributes:
        algorithm: its name.
        settings: the hyperparameters beside the algorithm.
        task: binary, multiclass or regression.
        table: numbers, words or missing.
    """

    algorithm: str
    settings: Mapping[str, object]
    task: str
    table: str

    @property
    def hyperparameters(self):
        """As in hyperparameters.json."""
        steps = {
            name: value
            for name, value in _STEPS.items()
            if name in ALGORITHMS[self.algorithm].hyperparameters.model_fields
        }
        chosen = {"algorithm": self.algorithm, "report": False, **steps, **self.settings}
        return {name: json.dumps(value) for name, value in chosen.items()}

    def __str__(self):
        given = " ".join(f"{name}={json.dumps(value)}" for name, value in self.settings.items())
        return f"{self.algorithm} {given} ({self.task}, {self.table})"

    def is_drawn(self, one_of):
        """Whether the case belongs to a sample of the given share; it always is the same."""
        digest = hashlib.sha256(str(self).encode()).digest()
        return int.from_bytes(digest[:8]) % one_of == 0


def cases(algorithm):
    """All jobs of an algorithm."""
    own = ALGORITHMS[algorithm].hyperparameters
    settings = [
        {**_needed(own, name, value), name: value}
        for model in (JobHyperparameters, own)
        for name in model.model_fields
        if name not in {"algorithm", "report", "intelex"}
        for value in values(model, name)
    ]
    return [
        Case(algorithm, chosen, task, table)
        for chosen in settings
        for task in TASKS
        for table in TABLES
    ]


def values(model, name):
    """The documented values of a hyperparameter."""
    if name in _CHOSEN:
        return _CHOSEN[name]
    hint = get_type_hints(model, include_extras=True)[name]
    default = model.model_fields[name].default
    found = _values(hint, default)
    if "eval_metric" in name and "list" in str(hint):
        found = [name for name in found if name is not None]
        found = [None, *([name] for name in found), found[:2], found[-2:]]
    return [value for place, value in enumerate(found) if value not in found[:place]]


def _values(hint, default):
    for form, some in _FORMS.items():
        if hint == form:
            return some
    if get_origin(hint) in {Union, UnionType}:
        return [value for part in get_args(hint) for value in _values(part, default)]
    if get_origin(hint) is Annotated:
        return _annotated_values(*get_args(hint), default=default)
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return {bool: [False, True], NoneType: [None]}[hint]


def _annotated_values(inner, *notes, default):
    for note in notes:
        if isinstance(note, OneOf):
            return list(note.names)
    if inner in {int, float}:
        return _numbers(inner, notes, default)
    return _values(get_args(inner)[0] if get_origin(inner) is list else inner, default)


def _numbers(kind, notes, default):
    """The ends of a range, and the default."""
    step = 1 if kind is int else 1e-3
    low, high = -step, _SMALL
    for limit in (limit for note in notes for limit in getattr(note, "metadata", [note])):
        if isinstance(limit, Ge):
            low = max(limit.ge, -_SMALL)
        elif isinstance(limit, Gt):
            low = limit.gt + step
        elif isinstance(limit, Le):
            high = min(limit.le, _SMALL)
        elif isinstance(limit, Lt):
            high = min(limit.lt - step, _SMALL)
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    inside = [default] if is_number and low < default < high else []
    return [kind(value) for value in (low, high, *inside)]


def _needed(model, name, value):
    """The settings without which a value has no effect, or is refused."""
    if name in getattr(model, "NEEDS", {}):
        other, choices = model.NEEDS[name]
        return {other: choices[0]}
    others = _NEEDED.get((name, str(value)), {} if value is None else _NEEDED.get((name, None), {}))
    return {other: setting for other, setting in others.items() if other in model.model_fields}


def csv(task, table):
    """A table with the columns label, x and z."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=_N_ROWS).round(2)
    z = rng.integers(0, 9, _N_ROWS)
    labels = {
        "binary": np.where(x + rng.normal(size=_N_ROWS) > 0, "a", "b"),
        "multiclass": np.array(["a", "b", "c"])[rng.integers(0, 3, _N_ROWS)],
        "regression": (x + 0.01 * z + 10).round(3),
    }[task]
    others = [
        {
            "words": ("red", "green", "blue")[value % 3],
            "missing": "" if value < 3 else str(value),
        }.get(table, str(value))
        for value in z
    ]
    rows = zip(labels, x, others, strict=True)
    return "label,x,z\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
