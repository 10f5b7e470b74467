"""Predictors <-> a description in JSON and arrays: how an artifact keeps a composition.

A description is a tree: ``{"forest": N}`` for the forest number N, or ``{"operation": ...,
"members": [...], ...}`` with the parameters of one of ``OPERATIONS``. Arrays of parameters lie
beside it under names such as ``operation.3.weights``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import Average, Select, SideBySide, Vote, WeightedMedian
from mlserver_forest.composition.composition import Composition
from mlserver_forest.composition.linear import Linear
from mlserver_forest.composition.probabilities import Calibrated, OneVsRest, Threshold
from mlserver_forest.composition.target_transforms import Chain, Inverse, Rescale
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import InvalidArtifact, format_value

OPERATIONS: Mapping[str, type[Composition]] = {
    one.operation: one
    for one in (
        *(Average, Vote, WeightedMedian, SideBySide, Select),
        *(Calibrated, OneVsRest, Threshold, Linear, Inverse, Rescale, Chain),
    )
}
_MOST_OPERATIONS = 100_000
_MOST_DEPTH = 32
# The types that a parameter may have in JSON; a tuple is a list there.
_PLAIN: Mapping[Any, type] = {str: str, int: int, float: float, bool: bool, tuple[str, ...]: list}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A predictor in parts.

    Attributes:
        description: see the module's docstring.
        forests: the forests that it names, by their numbers.
        arrays: the arrays of its operations, by name.
    """

    description: dict[str, Any]
    forests: list[Forest] = field(default_factory=list)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def encode(predictor: Predictor) -> Encoded:
    """Take a predictor apart; ``decode`` puts it together."""
    encoded = Encoded({})
    encoded.description.update(_Encoder(encoded).describe(predictor))
    return encoded


class _Encoder:
    def __init__(self, encoded: Encoded) -> None:
        self._encoded = encoded
        self._n_operations = 0

    def describe(self, predictor: Predictor) -> dict[str, Any]:
        """The description of a predictor; its forests and arrays are collected."""
        if isinstance(predictor, Forest):
            self._encoded.forests.append(predictor)
            return {"forest": len(self._encoded.forests) - 1}
        if not isinstance(predictor, Composition):
            raise TypeError(f"a {type(predictor).__name__} cannot be kept in an artifact")
        number, self._n_operations = self._n_operations, self._n_operations + 1
        found: dict[str, Any] = {"operation": predictor.operation}
        for parameter in _parameters(type(predictor)):
            value = getattr(predictor, parameter.name)
            if _is_array(parameter):
                self._encoded.arrays[_array_name(number, parameter)] = value
            else:
                found[parameter.name] = list(value) if isinstance(value, tuple) else value
        found["members"] = [self.describe(member) for member in predictor.members]
        return found


def decode(
    description: Mapping[str, Any], forests: Sequence[Forest], arrays: Mapping[str, NDArray[Any]]
) -> Predictor:
    """Put a predictor together.

    Args:
        description: as in ``Encoded``, from a file that may be damaged.
        forests: see there.
        arrays: see there; others are ignored.

    Raises:
        InvalidArtifact: if an operation is not known, or its parts do not belong together.
    """
    return _Decoder(forests, arrays).predictor(description, 0)


class _Decoder:
    def __init__(self, forests: Sequence[Forest], arrays: Mapping[str, NDArray[Any]]) -> None:
        self._forests = forests
        self._arrays = arrays
        self._n_operations = 0

    def predictor(self, description: Any, depth: int) -> Predictor:
        """The predictor of a description, whose operations are numbered as they come."""
        if not isinstance(description, dict):
            raise InvalidArtifact("the model's composition is damaged: a part is not an object")
        if "forest" in description:
            return self._forest(description["forest"])
        name = description.get("operation")
        kind = OPERATIONS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidArtifact(
                f"the model needs the operation {format_value(name)}, which this version of "
                "mlserver-forest does not have; upgrade it"
            )
        number, self._n_operations = self._n_operations, self._n_operations + 1
        members = description.get("members")
        if number >= _MOST_OPERATIONS or depth >= _MOST_DEPTH or not isinstance(members, list):
            raise InvalidArtifact("the model's composition is damaged: it has too many parts")
        given = {one.name: self._parameter(description, number, one) for one in _parameters(kind)}
        return kind(members=tuple(self.predictor(one, depth + 1) for one in members), **given)

    def _forest(self, number: Any) -> Forest:
        if not isinstance(number, int) or not 0 <= number < len(self._forests):
            raise InvalidArtifact("the model's composition is damaged: a forest is not there")
        return self._forests[number]

    def _parameter(self, description: Mapping[str, Any], number: int, one: Field[Any]) -> Any:
        damaged = InvalidArtifact(f"the model's {description['operation']} has no {one.name}")
        if _is_array(one):
            found = self._arrays.get(_array_name(number, one))
            if found is None and one.default_factory is not MISSING:  # It was empty.
                found = one.default_factory()
            if found is None or not _fits(found, one) or not np.isfinite(found).all():
                raise damaged
            return found
        value, expected = description.get(one.name), _PLAIN[one.type]
        if expected is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, expected) or isinstance(value, bool) is not (expected is bool):
            raise damaged
        return tuple(map(str, value)) if isinstance(value, list) else value


def _parameters(kind: type[Composition]) -> Iterator[Field[Any]]:
    return (one for one in fields(kind) if one.name != "members")


def _is_array(one: Field[Any]) -> bool:
    return get_origin(one.type) is np.ndarray


def _fits(array: NDArray[Any], one: Field[Any]) -> bool:
    """Whether an array has the dtype of a parameter."""
    (expected,) = get_args(get_args(one.type)[1])
    return expected is Any or array.dtype == expected


def _array_name(number: int, one: Field[Any]) -> str:
    return f"operation.{number}.{one.name}"
