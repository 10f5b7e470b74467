"""Columns that are computed from the columns of a row before its walk down the trees.

A derived column is looked up. The terms of a table turn a row into a key: a column's number itself,
the hash of the category that it is the code of, or whether it is above a threshold or equal to a
number. The table lists the keys that training saw;
each of its columns has a value for each key, and one for all other rows. So statistics of
categories and of their combinations, such as the mean of the target, need no code of their own:
whoever packs a model computes the values.

Keys are 64 bits wide and come from hashes, so two combinations may share one, as they do in the
library that made the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.kernels.lookup_kernel import (
    ABOVE,
    ABOVE_OR_MISSING,
    CODE,
    EQUAL,
    FACTOR,
    WHOLE,
    look_up,
)
from mlserver_forest.errors import InvalidArtifact

_DTYPES: Mapping[str, type] = {
    "terms": np.uint32,
    "operands": np.float64,
    "hashes": np.uint32,
    "term_starts": np.uint32,
    "keys": np.uint64,
    "key_starts": np.uint32,
    "tables": np.uint32,
    "values": np.float32,
}
PREFIX = "derived_"
_KINDS = (WHOLE, ABOVE, ABOVE_OR_MISSING, EQUAL, CODE)
# Terms in which each number of a column has a part of its own.
_OF_NUMBERS = (WHOLE, CODE)


@dataclass(frozen=True)
class Term:
    """A part of a key.

    Attributes:
        kind: WHOLE (a number from 0 to 2**32 - 1), ABOVE, ABOVE_OR_MISSING, EQUAL or CODE (a
            number from 0 on that stands for a category).
        column: of ``X``.
        operand: what the column is compared with.
        hashes: for CODE, the hash of each code's category, from 0 to 2**32 - 1, and last the one
            that all other values have.
    """

    kind: int
    column: int
    operand: float = 0.0
    hashes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class LookupTable:
    """The columns that are looked up by the same key.

    Attributes:
        terms: in the order in which they are hashed.
        keys: (n_keys,) uint64, distinct, in any order.
        values: for each column, float32 (n_keys + 1,), the last one for all other keys.
    """

    terms: Sequence[Term]
    keys: NDArray[np.uint64]
    values: Sequence[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class DerivedColumns:
    """All derived columns of a forest, which come after the columns of ``X``. Immutable.

    Attributes:
        terms: (n_terms, 2) uint32, the kind and the column of each term.
        operands: (n_terms,) float64; for a CODE term, where its part of ``hashes`` begins.
        hashes: uint32, for each list of hashes the number of its codes, and then the list.
        term_starts: (n_tables + 1,) uint32, where the terms of each table begin.
        keys: (n_keys,) uint64, ascending within a table.
        key_starts: (n_tables + 1,) uint32, where the keys of each table begin.
        tables: (n_columns,) uint32, the table of each column, ascending.
        values: float32, for each column one for each key of its table and one for all others.
    """

    terms: NDArray[np.uint32]
    operands: NDArray[np.float64]
    hashes: NDArray[np.uint32]
    term_starts: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    key_starts: NDArray[np.uint32]
    tables: NDArray[np.uint32]
    values: NDArray[np.float32]
    _value_starts: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check()
        for name in _DTYPES:
            view = getattr(self, name).view()
            view.flags.writeable = False  # Numba compiles separately for writable arrays.
            object.__setattr__(self, name, view)
        lengths = np.diff(self.key_starts.astype(np.int64))[self.tables] + 1
        _require(lengths.sum() == self.values.size, "values that do not fit the keys")
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        starts.flags.writeable = False
        object.__setattr__(self, "_value_starts", starts)

    @classmethod
    def of(cls, tables: Sequence[LookupTable]) -> "DerivedColumns":
        """Put tables together; their columns keep their order."""
        orders = [np.argsort(table.keys, kind="stable") for table in tables]
        terms = [term for table in tables for term in table.terms]
        hashes, starts = _lists_of_hashes(terms)
        return cls(
            terms=np.array([(term.kind, term.column) for term in terms], np.uint32).reshape(-1, 2),
            operands=np.array(
                [starts.get(term.hashes, term.operand) for term in terms], np.float64
            ),
            hashes=hashes,
            term_starts=_starts([len(table.terms) for table in tables]),
            keys=np.concatenate(
                [table.keys[order] for table, order in zip(tables, orders, strict=True)]
            ).astype(np.uint64),
            key_starts=_starts([len(table.keys) for table in tables]),
            tables=np.repeat(
                np.arange(len(tables), dtype=np.uint32), [len(table.values) for table in tables]
            ),
            values=np.concatenate(
                [
                    values[np.append(order, len(order))]
                    for table, order in zip(tables, orders, strict=True)
                    for values in table.values
                ]
            ).astype(np.float32),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "DerivedColumns | None":
        """Rebuild them from ``arrays``, among others; None if there are none.

        Raises:
            InvalidArtifact: if an array is missing, or could lead the kernel out of its arrays.
        """
        found = {name: arrays.get(PREFIX + name) for name in _DTYPES}
        if all(array is None for array in found.values()):
            return None
        # An array that was empty is left out of a forest file.
        empty = {"keys": np.empty(0, np.uint64), "hashes": np.empty(0, np.uint32)}
        filled = {
            name: empty.get(name) if array is None else array for name, array in found.items()
        }
        _require(all(array is not None for array in filled.values()), "an array is missing")
        return cls(**filled)  # type: ignore[arg-type]  # None was looked for.

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact."""
        return {PREFIX + name: getattr(self, name) for name in _DTYPES}

    @property
    def n_columns(self) -> int:
        return self.tables.size

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """For each derived column, the columns of ``X`` that its contributions belong to.

        These are the columns whose numbers are part of the key, in equal parts. Those that are only
        compared with something get none, as in CatBoost (catboost/libs/fstr/shap_values.cpp),
        unless there are no others.
        """
        found = []
        for start, end in pairwise(self.term_starts.tolist()):
            kinds, columns = self.terms[start:end].T
            is_number = np.isin(kinds, _OF_NUMBERS)
            found.append(
                tuple(np.unique(columns[is_number] if is_number.any() else columns).tolist())
            )
        return tuple(found[table] for table in self.tables.tolist())

    def append(self, x: NDArray[Any]) -> NDArray[Any]:
        """The rows with their derived columns.

        Args:
            x: (n_samples, n_features) floats.

        Returns:
            (n_samples, n_features + n_columns) in the same dtype.
        """
        wide = np.empty((len(x), x.shape[1] + self.n_columns), x.dtype)
        wide[:, : x.shape[1]] = x
        terms = (self.terms, self.operands, self.hashes, self.term_starts)
        derived = wide[:, x.shape[1] :]
        look_up(
            x,
            *terms,
            self.keys,
            self.key_starts,
            self.tables,
            self._value_starts,
            self.values,
            derived,
        )
        return wide

    def players(self, n_features: int) -> NDArray[np.int64]:
        """For each derived column, the column that its contributions are counted with.

        Columns with the same sources are one player, as in CatBoost
        (``MapBinFeaturesToClasses`` in catboost/libs/fstr/shap_values.cpp); so a column with one
        source is counted with that source.

        Args:
            n_features: the number of columns of ``X``.
        """
        known: dict[tuple[int, ...], int] = {(column,): column for column in range(n_features)}
        for column, sources in enumerate(self.sources):
            known.setdefault(sources, n_features + column)
        return np.array([known[sources] for sources in self.sources], np.int64)

    def fold(self, shares: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
        """Give the contributions of derived columns to the columns that they are computed from.

        Args:
            shares: (n_samples, n_features + n_columns, n_outputs).
            n_features: the number of columns of ``X``.

        Returns:
            (n_samples, n_features, n_outputs); ``sources`` says which columns get a part.
        """
        total = shares[:, :n_features].copy()
        for column, sources in enumerate(self.sources):
            total[:, list(sources)] += shares[:, n_features + column, None] / len(sources)
        return total

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """The numbers of a column of ``X`` that tables of that column alone list, ascending."""
        inverse = np.uint64(pow(int(FACTOR), -2, 1 << 64))
        found = [np.empty(0)]
        starts, ends = self.term_starts[:-1].tolist(), self.term_starts[1:].tolist()
        for table, (start, end) in enumerate(zip(starts, ends, strict=True)):
            kind, source = self.terms[start].tolist()
            if end - start == 1 and kind == WHOLE and source == column:
                keys = self.keys[self.key_starts[table] : self.key_starts[table + 1]]
                found.append((keys * inverse).astype(np.uint32).astype(np.float64))
            elif EQUAL in self.terms[start:end, 0]:
                is_named = (self.terms[start:end] == (EQUAL, column)).all(axis=1)
                found.append(self.operands[start:end][is_named])
        return np.unique(np.concatenate(found))

    def check_columns(self, n_features: int) -> None:
        """Check that no term reads a column that ``X`` does not have.

        Raises:
            InvalidArtifact: if one does.
        """
        _require((self.terms[:, 1] < n_features).all(), "a term of a column out of range")

    def _check(self) -> None:
        for name, dtype in _DTYPES.items():
            array = getattr(self, name)
            _require(array.dtype == dtype, f"{name} of another type")
            _require(array.ndim == (2 if name == "terms" else 1), f"{name} of another shape")
        n_tables = self.term_starts.size - 1
        _require(n_tables >= 1 and self.tables.size >= 1, "no tables")
        _require(self.terms.shape == (self.operands.size, 2), "terms without operands")
        _require(np.isin(self.terms[:, 0], _KINDS).all(), "a term of an unknown kind")
        self._check_hashes()
        _check_starts(self.term_starts, self.operands.size, least=1)
        _check_starts(self.key_starts, self.keys.size, least=0)
        _require(self.key_starts.size == n_tables + 1, "tables without keys")
        _require((self.tables < n_tables).all(), "a column of a table out of range")

    def _check_hashes(self) -> None:
        starts = self.operands[self.terms[:, 0] == CODE]
        # Not a number is not within the range either.
        _require(((starts >= 0) & (starts < self.hashes.size)).all(), "hashes out of range")
        places = starts.astype(np.int64)
        ends = places + 2 + self.hashes[places]
        _require((places == starts).all(), "hashes between two places")
        _require((ends <= self.hashes.size).all(), "hashes that end early")


def _lists_of_hashes(
    terms: Sequence[Term],
) -> tuple[NDArray[np.uint32], dict[tuple[int, ...], int]]:
    """The lists of all terms, each once, and where each begins."""
    found: list[int] = []
    starts: dict[tuple[int, ...], int] = {}
    for term in terms:
        if term.hashes and term.hashes not in starts:
            starts[term.hashes] = len(found)
            found += [len(term.hashes) - 1, *term.hashes]
    return np.array(found, np.uint32), starts


def _check_starts(starts: NDArray[np.uint32], size: int, *, least: int) -> None:
    lengths = np.diff(starts.astype(np.int64))
    fit = starts.size and starts[0] == 0 and starts[-1] == size and (lengths >= least).all()
    _require(fit, "starts out of order")


def _starts(lengths: Sequence[int]) -> NDArray[np.uint32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InvalidArtifact(
            f"the derived columns of the forest are damaged ({fault}); "
            "train or pack the model again"
        )
