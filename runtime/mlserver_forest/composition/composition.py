"""What all compositions share: their members, and the rows that each member reads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.errors import InvalidArtifact, InvalidInput


@dataclass(frozen=True, eq=False)
class Composition(ABC):
    """Predictors whose answers become one answer; a ``Predictor`` itself.

    Attributes:
        members: the predictors, in the order in which the training library asks them.

    Raises:
        InvalidArtifact: if the parts do not belong together.
    """

    operation: ClassVar[str]
    members: tuple[Predictor, ...]

    def __post_init__(self) -> None:
        if not self.members:
            raise self.damaged("it has no members")
        if {member.n_features for member in self.members} != {self.members[0].n_features}:
            raise self.damaged("its members do not read the same features")
        self.check()

    def check(self) -> None:  # noqa: B027  # most have something to check, but not all
        """Check the parameters.

        Raises:
            InvalidArtifact: if they do not fit the members.
        """

    @abstractmethod
    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Predict as the training library does; see ``Predictor``."""

    @property
    @abstractmethod
    def n_value_columns(self) -> int:
        """The number of columns of ``Prediction.values``."""

    @property
    def n_features(self) -> int:
        return self.members[0].n_features

    @cached_property
    def feature_dtype(self) -> np.dtype[Any]:
        """float64 if a member compares in float64, else float32."""
        return wider(self.members)

    @property
    def n_outputs(self) -> int:
        return self.n_value_columns

    @cached_property
    def n_trees(self) -> int:
        return sum(member.n_trees for member in self.members)

    @cached_property
    def n_nodes(self) -> int:
        return sum(member.n_nodes for member in self.members)

    @property
    def is_sum(self) -> bool:
        return False

    @property
    def decision_width(self) -> int:
        return 0

    @property
    def unexplained(self) -> str:
        return f"{self.operation} is not a sum over features"

    @property
    def expected_value(self) -> NDArray[np.float64]:
        raise ValueError(self.unexplained)

    @property
    def contribution_work(self) -> int:
        return sum(member.contribution_work for member in self.members)

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """Refused, unless a composition has one."""
        raise ValueError(f"{self.operation} has no decision function")

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """Refused, unless a composition is a sum over features."""
        raise ValueError(self.unexplained)

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """The sums of all members, side by side; float64 holds those in float32 exactly."""
        found = [member.sums(self.rows_for(member, x), n_threads) for member in self.members]
        return np.hstack([sums.astype(np.float64, copy=False) for sums in found])

    def warm_up(self) -> None:
        """Compile what ``predict`` needs, or read it from Numba's cache."""
        for member in self.members:
            member.warm_up()
        with suppress(OSError):
            self.predict(np.zeros((1, self.n_features), self.feature_dtype))

    def map_members(self, change: Callable[[Predictor], Predictor]) -> Self:
        """The same composition of other members."""
        return replace(self, members=tuple(map(change, self.members)))

    def columns_of(self, member: Predictor) -> NDArray[np.intp]:
        """(n_features of the member,) the columns of ``X`` that it reads; -1 for anything else."""
        return np.arange(member.n_features)

    def rows_for(self, member: Predictor, x: NDArray[Any]) -> NDArray[Any]:
        """The rows in the dtype in which a member compares.

        Raises:
            InvalidInput: if a number is too large for that dtype.
        """
        if x.dtype == member.feature_dtype:
            return x
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = x.astype(member.feature_dtype)
        if np.isinf(narrow).any():
            row, column = np.argwhere(np.isinf(narrow))[0].tolist()
            raise InvalidInput(
                f"row {row + 1}, column {column + 1}: {float(x[row, column])} is too large for "
                "float32, in which a part of this model compares"
            )
        return narrow

    def predictions(self, x: NDArray[Any], n_threads: int) -> list[Prediction]:
        """What each member predicts."""
        return [member.predict(self.rows_for(member, x), n_threads) for member in self.members]

    def values_of(self, x: NDArray[Any], n_threads: int) -> list[NDArray[np.float64]]:
        """Each member's ``Prediction.values``."""
        return [found.values for found in self.predictions(x, n_threads)]

    def reason_in_members(self) -> str:
        """Why members that have to be sums over features are not; empty if they are."""
        for member in self.members:
            if member.unexplained:
                return member.unexplained
            if not member.is_sum:
                return f"{self.operation} is not a sum over features, as its parts are not"
        return ""

    def damaged(self, fault: str) -> InvalidArtifact:
        """The error for parts that do not belong together."""
        return InvalidArtifact(f"the model's {self.operation} is damaged: {fault}")


def wider(members: Iterable[Predictor]) -> np.dtype[Any]:
    """float64 if a member compares in float64, else float32."""
    return max((member.feature_dtype for member in members), key=lambda dtype: dtype.itemsize)


def forests_in(predictor: Predictor) -> Iterator[tuple[Forest, NDArray[np.intp]]]:
    """Each forest of a predictor, and the columns of its ``X`` that the forest reads.

    Yields:
        A forest and (n_features of the forest,) columns; -1 for what is not a column of ``X``.
    """
    if isinstance(predictor, Forest):
        yield predictor, np.arange(predictor.n_features)
    elif isinstance(predictor, Composition):
        for member in predictor.members:
            own = predictor.columns_of(member)
            for forest, columns in forests_in(member):
                yield forest, np.where(columns < 0, -1, own[columns])


@dataclass(frozen=True, eq=False)
class OneMember(Composition):
    """A function of the answers of one member, whose raw scores are explained."""

    def __post_init__(self) -> None:
        if len(self.members) != 1:
            raise self.damaged(f"it has {len(self.members)} members; expected one")
        super().__post_init__()

    @property
    def member(self) -> Predictor:
        return self.members[0]

    @property
    def n_value_columns(self) -> int:
        return self.member.n_value_columns

    @property
    def n_outputs(self) -> int:
        return self.member.n_outputs

    @property
    def unexplained(self) -> str:
        return self.member.unexplained

    @property
    def expected_value(self) -> NDArray[np.float64]:
        return self.member.expected_value

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """The member's: they explain its raw scores, which this is a function of."""
        return self.member.contributions(x, n_threads)
