"""Columns that are looked up.

The terms of a table turn a row into a key: a column's number itself, the hash of the category that
it is the code of, or whether it is above a threshold or equal to a number. The table lists the keys
that training saw; each of its columns has a value for each key, and one for all other rows. So
statistics of categories and of their combinations, such as the mean of the target, need no code of
their own: whoever packs a model computes the values.

Keys are 64 bits wide and come from hashes, so two combinations may share one, as they do in the
library that made the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, check_starts, require, starts_of
from mlserver_forest.engine.kernels.lookup_kernel import (
    ABOVE,
    ABOVE_OR_MISSING,
    CODE,
    EQUAL,
    FACTOR,
    WHOLE,
    look_up,
)
from mlserver_forest.engine.rounding import largest_rounded_to, round_down

_TERM_KINDS = (WHOLE, ABOVE, ABOVE_OR_MISSING, EQUAL, CODE)
# Terms in which each number of a column has a part of its own.
_OF_NUMBERS = (WHOLE, CODE)


@dataclass(frozen=True)
class Term:
    """A part of a key.

    Attributes:
        kind: WHOLE (a number from 0 to 2**32 - 1), ABOVE, ABOVE_OR_MISSING, EQUAL or CODE (a
            number from 0 on that stands for a category).
        column: of those on the left.
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
class Lookups(Derivation):
    """All columns of some tables.

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

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "terms": (np.uint32, 2),
        "operands": (np.float64, 1),
        "hashes": (np.uint32, 1),
        "term_starts": (np.uint32, 1),
        "keys": (np.uint64, 1),
        "key_starts": (np.uint32, 1),
        "tables": (np.uint32, 1),
        "values": (np.float32, 1),
    }

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
        super().__post_init__()
        lengths = self._n_values
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        starts.flags.writeable = False
        object.__setattr__(self, "_value_starts", starts)

    @classmethod
    def of(cls, tables: Sequence[LookupTable]) -> "Lookups":
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
            term_starts=starts_of([len(table.terms) for table in tables]),
            keys=np.concatenate(
                [table.keys[order] for table, order in zip(tables, orders, strict=True)]
            ).astype(np.uint64),
            key_starts=starts_of([len(table.keys) for table in tables]),
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

    @property
    def n_columns(self) -> int:
        return self.tables.size

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.terms[:, 1]

    @cached_property
    def parents(self) -> Sequence[tuple[int, ...]]:
        """The columns whose numbers are part of the key, in equal parts.

        Those that are only compared with something get none, as in CatBoost
        (catboost/libs/fstr/shap_values.cpp), unless there are no others.
        """
        found = []
        for start, end in pairwise(self.term_starts.tolist()):
            kinds, columns = self.terms[start:end].T
            is_number = np.isin(kinds, _OF_NUMBERS)
            found.append(
                tuple(np.unique(columns[is_number] if is_number.any() else columns).tolist())
            )
        return tuple(found[table] for table in self.tables.tolist())

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        terms = (self.terms, self.operands, self.hashes, self.term_starts)
        keys = (self.keys, self.key_starts)
        look_up(table, first, *terms, *keys, self.tables, self._value_starts, self.values)

    def moved(self, columns: Sequence[int], *, is_rounded: bool) -> "Lookups":
        """The same for a table that has its columns in other places, in float64.

        Args:
            columns: for each column that it may read, where the other table has it.
            is_rounded: whether the columns were rounded to float32 before, and are not any more.
        """
        terms, operands = self.terms.copy(), self.operands.copy()
        terms[:, 1] = np.asarray(columns)[terms[:, 1]]
        if is_rounded:
            are_compared = np.isin(terms[:, 0], (ABOVE, ABOVE_OR_MISSING))
            borders = round_down(operands[are_compared], np.float32)
            operands[are_compared] = largest_rounded_to(borders)
        return replace(self, terms=terms, operands=operands)

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """The numbers of a column that tables of that column alone list, ascending."""
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

    @property
    def _n_values(self) -> NDArray[np.int64]:
        """(n_columns,) how many values each column has."""
        starts: NDArray[np.int64] = self.key_starts.astype(np.int64)
        return 1 + (starts[1:] - starts[:-1])[self.tables]

    def _check(self) -> None:
        n_tables = self.term_starts.size - 1
        require(n_tables >= 1 and self.tables.size >= 1, "no tables")
        require(self.terms.shape == (self.operands.size, 2), "terms without operands")
        require(np.isin(self.terms[:, 0], _TERM_KINDS).all(), "a term of an unknown kind")
        self._check_hashes()
        check_starts(self.term_starts, self.operands.size, least=1)
        check_starts(self.key_starts, self.keys.size, least=0)
        require(self.key_starts.size == n_tables + 1, "tables without keys")
        require((self.tables < n_tables).all(), "a column of a table out of range")
        require(self._n_values.sum() == self.values.size, "values that do not fit the keys")

    def _check_hashes(self) -> None:
        starts = self.operands[self.terms[:, 0] == CODE]
        # Not a number is not within the range either.
        require(((starts >= 0) & (starts < self.hashes.size)).all(), "hashes out of range")
        places = starts.astype(np.int64)
        ends = places + 2 + self.hashes[places]
        require((places == starts).all(), "hashes between two places")
        require((ends <= self.hashes.size).all(), "hashes that end early")


def keys_of(numbers: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The keys of a table that has one term, WHOLE.

    Args:
        numbers: (n,) whole numbers from 0 to 2**32 - 1.
    """
    parts = numbers.astype(np.uint32).view(np.int32).astype(np.int64).view(np.uint64)
    return np.asarray(parts * FACTOR * FACTOR)


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
