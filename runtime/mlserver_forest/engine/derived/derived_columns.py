"""All derived columns of a forest: derivations one after the other, and what its trees read.

Trees read the columns of ``X`` and, after them, some of the derived columns. The others are steps
on the way, such as scaled columns that a projection reads; they are computed in float64 and then
forgotten. Rows are worked on in blocks, so that a table with many steps never needs much memory.

A file from before there were kinds holds look-up tables alone, and a forest that has nothing else
is still written like that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, require
from mlserver_forest.engine.derived.lookups import Lookups
from mlserver_forest.engine.derived.registry import KINDS, NUMBERS
from mlserver_forest.errors import InvalidArtifact

_PREFIX = "derived_"
_KINDS, _READ = "derived_kinds", "derived_read"
# Of a table of rows with all its steps.
_MOST_NUMBERS = 1 << 20


@dataclass(frozen=True, eq=False)
class DerivedColumns:
    """The derived columns of a forest. Immutable.

    Attributes:
        derivations: in the order in which they are computed; each reads columns of ``X`` and of
            those before it.
        read: (n_columns,) uint32, the derived columns that the trees read, in their order; the
            first column of the first derivation is 0.
        n_derived: how many derived columns there are, with those that trees do not read.

    Raises:
        InvalidArtifact: if there are none, or if ``read`` is out of range.
    """

    derivations: Sequence[Derivation]
    read: NDArray[np.uint32]
    n_derived: int = field(init=False, repr=False)
    _known_origins: dict[int, tuple["_Origin", ...]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        n_derived = sum(one.n_columns for one in self.derivations)
        require(len(self.derivations) and self.read.size, "no columns")
        require(self.read.dtype == np.uint32 and self.read.ndim == 1, "a list of another type")
        require((self.read < n_derived).all(), "a derived column out of range")
        object.__setattr__(self, "n_derived", n_derived)

    @classmethod
    def of(
        cls, derivations: Sequence[Derivation], read: Sequence[int] | None = None
    ) -> "DerivedColumns":
        """Put derivations together.

        Args:
            derivations: see the attribute.
            read: the derived columns that the trees read, counted from 0; None for all.
        """
        n_derived = sum(one.n_columns for one in derivations)
        chosen = range(n_derived) if read is None else read
        return cls(tuple(derivations), np.array(chosen, np.uint32))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "DerivedColumns | None":
        """Rebuild them from ``arrays``, among others; None if there are none.

        Raises:
            InvalidArtifact: if an array is missing, or could lead a kernel out of its arrays.
        """
        if _KINDS not in arrays:
            names = {name: _PREFIX + name for name in Lookups.LAYOUT}
            own = {name: arrays[found] for name, found in names.items() if found in arrays}
            return cls.of([Lookups.from_arrays(own)]) if own else None
        numbers = arrays[_KINDS]
        require(numbers.dtype == np.uint32 and numbers.ndim == 1, "kinds of another type")
        derivations = []
        for position, kind in enumerate(map(_kind, numbers.tolist())):
            names = {name: _name(position, name) for name in kind.LAYOUT}
            own = {name: arrays[found] for name, found in names.items() if found in arrays}
            derivations.append(kind.from_arrays(own))
        return cls(tuple(derivations), arrays.get(_READ, np.empty(0, np.uint32)))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact."""
        if not self.has_kinds:
            return {_PREFIX + name: array for name, array in self.derivations[0].arrays.items()}
        found: dict[str, NDArray[Any]] = {
            _KINDS: np.array([NUMBERS[type(one)] for one in self.derivations], np.uint32),
            _READ: self.read,
        }
        for position, one in enumerate(self.derivations):
            found |= {_name(position, name): array for name, array in one.arrays.items()}
        return found

    @property
    def has_kinds(self) -> bool:
        """Whether they are more than look-up tables, all of whose columns are read."""
        return len(self.derivations) > 1 or not (
            isinstance(self.derivations[0], Lookups) and self._are_all_read
        )

    @property
    def n_columns(self) -> int:
        """The number of derived columns that the trees read."""
        return self.read.size

    def append(self, x: NDArray[Any]) -> NDArray[Any]:
        """The rows with their derived columns.

        Args:
            x: (n_samples, n_features) floats.

        Returns:
            (n_samples, n_features + n_columns) in the same dtype. A row has the same numbers alone
            and among others.
        """
        n_rows = max(1, _MOST_NUMBERS // (x.shape[1] + self.n_derived))
        if len(x) <= n_rows:
            return self._append(x)
        wide = np.empty((len(x), x.shape[1] + self.n_columns), x.dtype)
        for start in range(0, len(x), n_rows):
            wide[start : start + n_rows] = self._append(x[start : start + n_rows])
        return wide

    def sources(self, n_features: int) -> tuple[tuple[int, ...], ...]:
        """For each column that trees read, the columns of ``X`` that its contributions belong to.

        A constant has none, and neither has a column that makes the forest ``unexplained``.

        Args:
            n_features: the number of columns of ``X``.
        """
        return tuple(origin.sources for origin in self._origins(n_features))

    def unexplained(self, n_features: int) -> str:
        """Why contributions cannot be given to the columns of ``X``; empty if they can."""
        return next((origin.mixing for origin in self._origins(n_features) if origin.mixing), "")

    def rounded(self, n_features: int) -> NDArray[np.bool_]:
        """(n_columns,) which columns that trees read a training library rounds in another way.

        Args:
            n_features: the number of columns of ``X``.
        """
        every = [False] * n_features
        for one in self.derivations:
            every += [
                not one.IS_EXACT or any(every[parent] for parent in parents)
                for parents in one.parents
            ]
        return np.array(every[n_features:])[self.read]

    def players(self, n_features: int) -> NDArray[np.int64]:
        """For each column that trees read, the column that its contributions are counted with.

        Columns with the same sources are one player, as in CatBoost
        (``MapBinFeaturesToClasses`` in catboost/libs/fstr/shap_values.cpp); so a column with one
        source is counted with that source.

        Args:
            n_features: the number of columns of ``X``.
        """
        known: dict[tuple[int, ...], int] = {(column,): column for column in range(n_features)}
        sources = self.sources(n_features)
        for column, own in enumerate(sources):
            known.setdefault(own, n_features + column)
        return np.array([known[own] for own in sources], np.int64)

    def fold(self, shares: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
        """Give the contributions of derived columns to the columns that they are computed from.

        Args:
            shares: (n_samples, n_features + n_columns, n_outputs).
            n_features: the number of columns of ``X``.

        Returns:
            (n_samples, n_features, n_outputs); ``sources`` says which columns get a part.
        """
        total = shares[:, :n_features].copy()
        for column, own in enumerate(self.sources(n_features)):
            if own:  # A constant has no sources, and no contributions either.
                total[:, list(own)] += shares[:, n_features + column, None] / len(own)
        return total

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """Numbers of a column of ``X`` between which derived columns change, ascending."""
        found = [one.known_numbers(column) for one in self.derivations]
        return np.unique(np.concatenate(found))

    def check_columns(self, n_features: int) -> None:
        """Check that each derivation reads only ``X`` and what was derived before.

        Raises:
            InvalidArtifact: if one does not.
        """
        first = n_features
        for one in self.derivations:
            one.check_columns(first)
            first += one.n_columns

    def _append(self, x: NDArray[Any]) -> NDArray[Any]:
        n_features = x.shape[1]
        table = np.empty((len(x), n_features + self.n_derived))
        table[:, :n_features] = x
        first = n_features
        for one in self.derivations:
            one.derive(table, first)
            first += one.n_columns
        if self._are_all_read and x.dtype == table.dtype:
            return table
        wide = np.empty((len(x), n_features + self.n_columns), x.dtype)
        wide[:, :n_features] = x
        with np.errstate(over="ignore"):  # A large number is infinite in float32.
            wide[:, n_features:] = table[:, n_features:][:, self._chosen]
        return wide

    @cached_property
    def _chosen(self) -> slice | NDArray[np.uint32]:
        """Where the columns that are read lie; a slice is the fastest way to say it."""
        first, last = int(self.read[0]), int(self.read[-1]) + 1
        follow = np.array_equal(self.read, np.arange(first, last))
        return slice(first, last) if follow else self.read

    @cached_property
    def _are_all_read(self) -> bool:
        return bool(np.array_equal(self.read, np.arange(self.n_derived)))

    def _origins(self, n_features: int) -> tuple["_Origin", ...]:
        if n_features not in self._known_origins:
            every = [_Origin((column,)) for column in range(n_features)]
            for one in self.derivations:
                every += list(_origins_of(one, every))
            self._known_origins[n_features] = tuple(
                every[n_features + column] for column in self.read.tolist()
            )
        return self._known_origins[n_features]


@dataclass(frozen=True)
class _Origin:
    """Where a column comes from.

    Attributes:
        sources: the columns of ``X``, ascending; none if they are mixed.
        mixing: why its contributions cannot be given to them; empty if they can.
    """

    sources: tuple[int, ...]
    mixing: str = ""

    @classmethod
    def of(cls, parents: "Sequence[_Origin]", mixing: str) -> "_Origin":
        """That of a column that is computed from others, by a kind that mixes them or not."""
        if len(parents) == 1:
            return parents[0]
        reason = next((parent.mixing for parent in parents if parent.mixing), "")
        if not reason:
            sources = tuple(sorted({source for parent in parents for source in parent.sources}))
            if len(sources) < 2 or not mixing:
                return cls(sources)
        return cls((), reason or mixing)


def _origins_of(derivation: Derivation, known: Sequence[_Origin]) -> Iterator[_Origin]:
    last: tuple[int, ...] | None = None
    for parents in derivation.parents:
        if parents is not last:  # Columns of one norm have the same, of which there may be many.
            last = parents
            origin = _Origin.of([known[parent] for parent in parents], derivation.MIXING)
        yield origin


def _kind(number: int) -> type[Derivation]:
    if number not in KINDS:
        raise InvalidArtifact(
            f"the forest has derived columns of the kind {number}, which this version of "
            "mlserver-forest does not know; upgrade it, or pack the model again"
        )
    return KINDS[number]


def _name(position: int, name: str) -> str:
    return f"{_PREFIX}{position}_{name}"
