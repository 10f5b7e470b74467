"""What a pipeline makes of its raw columns: functions of one raw column each, and mixtures of them.

A value of a raw column is a float64 number (NaN if it is missing), or an object: a category, NaN or
None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.errors import UnsupportedEstimator

Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ColumnFunction:
    """A step on the way from a raw value to a feature.

    Attributes:
        apply: (n,) values -> (n,) values; never changes its argument.
        edges: ascending numbers that divide the values into intervals, each with its upper end,
            within which the result only rises, or only falls.
        known: values that it tells from all others, by equality; None among them if that is what
            means missing.
        reads_objects: whether the library fails on an array of floats, since it compares objects.
        keeps_values: whether values that are not missing pass as they are, so that the function
            after it still sees those of the raw column.
        refuses: (n,) values -> (n,) bool, which of them the library refuses; None if it takes all.
        steps: its form for serving, which gives the same bits; None if it has none.
        outcomes: all numbers that it may give, ascending, if they are few, so that it can be a
            table; else None.
        says: for people, what it does, such as "imputed by 29.7"; may be empty.
    """

    apply: Callable[[Values], Values]
    edges: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    known: Sequence[Any] = ()
    reads_objects: bool = False
    keeps_values: bool = False
    refuses: Callable[[Values], NDArray[np.bool_]] | None = None
    steps: tuple[ColumnStep, ...] | None = None
    outcomes: NDArray[np.float64] | None = None
    says: str = ""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Columns that a transformer makes of several others. It is known by its identity.

    Attributes:
        inputs: the columns that it reads; they refuse what the transformer refuses.
        make: the numbers of these columns -> what computes the columns of the mixture.
        n_columns: how many it gives; all of them are float64 numbers.
        name: of the transformer, for people.
        rounding: (n_columns,) how large rounding errors are in a column that holds nothing else,
            and 0 for other columns; None if there are none such.
    """

    inputs: "tuple[PreparedColumn, ...]"
    make: Callable[[Sequence[int]], Derivation]
    n_columns: int
    name: str
    rounding: NDArray[np.float64] | None = None

    @cached_property
    def depth(self) -> int:
        """How many mixtures are made of each other, this one included."""
        sources = [one.source for one in self.inputs]
        return 1 + max(
            (one.mixture.depth for one in sources if isinstance(one, MixedColumn)), default=0
        )

    def of(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, n_columns) its columns, made of (n, n_inputs)."""
        width = inputs.shape[1]
        wide = DerivedColumns.of([self.make(range(width))]).append(np.ascontiguousarray(inputs))
        found: NDArray[np.float64] = wide[:, width:]
        return found


@dataclass(frozen=True, eq=False)
class MixedColumn:
    """A column of a mixture, by its position."""

    mixture: Mixture
    place: int


Source = int | MixedColumn


@dataclass(frozen=True, eq=False)
class PreparedColumn:
    """A feature that is a function of one raw column, or of one column of a mixture.

    Attributes:
        source: the position of the raw column, or the column of a mixture.
        functions: applied one after the other.
    """

    source: Source
    functions: tuple[ColumnFunction, ...] = ()

    def then(self, *functions: ColumnFunction) -> "PreparedColumn":
        """The same with more functions at the end."""
        return replace(self, functions=(*self.functions, *functions))

    def of(self, values: Values) -> tuple[Values, NDArray[np.bool_]]:
        """The feature of some values of its source.

        Returns:
            (n,) the feature, and (n,) whether the library refuses the value.
        """
        return AskedValues(values).of(self)

    def as_floats(self, values: Values) -> NDArray[np.float64]:
        """(n,) the feature of raw values; without meaning where one is refused."""
        return self.of(values)[0].astype(np.float64)

    @property
    def known(self) -> list[Any]:
        """The raw values that it tells from all others."""
        found: list[Any] = []
        for function in self.functions:
            found.extend(function.known)
            if not function.keeps_values:
                break
        return found

    def begun(self) -> "Iterator[PreparedColumn]":
        """What it is after each of its functions."""
        for number in range(1, len(self.functions) + 1):
            yield replace(self, functions=self.functions[:number])

    @property
    def edges(self) -> list[float]:
        """The edges of the functions that read the raw values, and the numbers above them."""
        found: list[float] = []
        for function in self.functions:
            found.extend([*function.edges, *np.nextafter(function.edges, np.inf)])
            if not function.keeps_values:
                break
        return found


class AskedValues:
    """Values of a source that many columns are asked about; what these share is done once.

    Args:
        values: (n,) the values.
    """

    def __init__(self, values: Values) -> None:
        nothing_refused = np.zeros(len(values), bool)
        # By the functions that were applied.
        self._known: dict[tuple[int, ...], tuple[Values, NDArray[np.bool_]]] = {
            (): (values, nothing_refused)
        }

    def of(self, column: PreparedColumn) -> tuple[Values, NDArray[np.bool_]]:
        """See ``PreparedColumn.of``."""
        *shared, last = column.functions or (None,)
        done: tuple[int, ...] = ()
        found = self._known[done]
        for function in shared:
            assert function is not None, "only a column without functions has none"  # noqa: S101
            done = (*done, id(function))
            if done not in self._known:
                self._known[done] = _applied(function, *found)
            found = self._known[done]
        return found if last is None else _applied(last, *found)


def _applied(
    function: ColumnFunction, values: Values, refused: NDArray[np.bool_]
) -> tuple[Values, NDArray[np.bool_]]:
    with np.errstate(all="ignore"):
        if function.refuses is not None:
            refused = refused | function.refuses(values)
        return function.apply(values), refused


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """The columns that a transformer gives.

    Attributes:
        columns: the columns.
        is_sparse: whether it is a sparse matrix, from which zeros are left out.
        guards: columns that nothing reads, but whose values may be refused.
    """

    columns: tuple[PreparedColumn, ...]
    is_sparse: bool = False
    guards: tuple[PreparedColumn, ...] = ()

    def require_width(self, transformer: str, width: int) -> None:
        """Require as many columns as a transformer was fitted on.

        Raises:
            UnsupportedEstimator: if there are more or fewer.
        """
        if width != len(self.columns):
            raise UnsupportedEstimator(
                f"the {transformer} of this pipeline was fitted on {width} columns, but "
                f"{len(self.columns)} come to it; the file is damaged, or the pipeline was changed "
                "after it was fitted"
            )

    def require_dense(self, transformer: str) -> None:
        """Require that the table of a transformer is no sparse matrix.

        Raises:
            UnsupportedEstimator: if it is one.
        """
        if self.is_sparse:
            raise UnsupportedEstimator(
                f"the {transformer} of this pipeline reads a sparse matrix, which cannot be "
                "packed; set sparse_output=False or sparse_threshold=0 before it"
            )

    def take(self, places: Sequence[int]) -> "PreparedTable":
        """Some of its columns; the others are guards."""
        others = set(range(len(self.columns))) - set(places)
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            guards=(*self.guards, *(self.columns[place] for place in sorted(others))),
        )

    def after(self, first: "PreparedTable") -> "PreparedTable":
        """This table, whose raw columns are the columns of ``first``."""
        moved: dict[int, Mixture] = {}

        def start(source: Source) -> PreparedColumn:
            if isinstance(source, int):
                return first.columns[source]
            mixture = source.mixture
            if id(mixture) not in moved:
                moved[id(mixture)] = replace(mixture, inputs=all_from(mixture.inputs))
            return PreparedColumn(MixedColumn(moved[id(mixture)], source.place))

        def all_from(columns: Sequence[PreparedColumn]) -> tuple[PreparedColumn, ...]:
            return tuple(start(one.source).then(*one.functions) for one in columns)

        guards = (*first.guards, *all_from(self.guards))
        return replace(self, columns=all_from(self.columns), guards=guards)

    def map(self, functions: Sequence[ColumnFunction]) -> "PreparedTable":
        """Each column with a function of its own at the end."""
        pairs = zip(self.columns, functions, strict=True)
        return replace(self, columns=tuple(column.then(function) for column, function in pairs))

    def map_all(self, function: ColumnFunction) -> "PreparedTable":
        """Each column with the same function at the end."""
        return self.map([function] * len(self.columns))


def side_by_side(tables: Sequence[PreparedTable], *, is_sparse: bool) -> PreparedTable:
    """The columns of several tables of the same raw columns."""
    return PreparedTable(
        tuple(column for table in tables for column in table.columns),
        is_sparse,
        tuple(guard for table in tables for guard in table.guards),
    )


def raw_table(n_columns: int) -> PreparedTable:
    """The raw columns as they are."""
    return PreparedTable(tuple(PreparedColumn(place) for place in range(n_columns)))


def columns_behind(columns: Sequence[PreparedColumn]) -> Iterator[PreparedColumn]:
    """Columns, and all that their mixtures are made of, each mixture once."""
    seen: set[int] = set()

    def behind(some: Sequence[PreparedColumn]) -> Iterator[PreparedColumn]:
        for one in some:
            yield one
            if isinstance(one.source, MixedColumn) and id(one.source.mixture) not in seen:
                seen.add(id(one.source.mixture))
                yield from behind(one.source.mixture.inputs)

    yield from behind(columns)


def features_of(
    columns: Sequence[PreparedColumn], raw: Mapping[int, Values]
) -> NDArray[np.float64]:
    """Features of rows, computed step by step.

    Args:
        columns: the features.
        raw: by position, (n,) the values of the raw columns.

    Returns:
        (n, n_columns).
    """
    known: dict[int, NDArray[np.float64]] = {}

    def values_of(source: Source) -> Values:
        if isinstance(source, int):
            return raw[source]
        mixture = source.mixture
        if id(mixture) not in known:
            known[id(mixture)] = mixture.of(table(mixture.inputs))
        return known[id(mixture)][:, source.place]

    def table(some: Sequence[PreparedColumn]) -> NDArray[np.float64]:
        return np.column_stack([one.as_floats(values_of(one.source)) for one in some])

    return table(columns)


def as_numbers(values: Values) -> NDArray[Any]:
    """Values as floating-point numbers, as ``check_array`` with ``FLOAT_DTYPES`` makes them.

    Returns:
        A copy, float32 if they are, else float64; NaN for what is not a number, which
        ``not_numbers`` refuses.
    """
    if values.dtype == np.float32:
        return values.copy()
    if values.dtype.kind != "O":
        return values.astype(np.float64)
    return np.array([value if is_number(value) else np.nan for value in values], np.float64)


def not_numbers(values: Values) -> NDArray[np.bool_]:
    """(n,) which values are neither a number nor missing."""
    if values.dtype.kind != "O":
        return np.zeros(len(values), bool)
    return np.array([not is_number(value) for value in values], bool)


def is_nan(value: Any) -> bool:
    """Whether a value is a float that is not a number."""
    return isinstance(value, float) and isnan(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number, true or false."""
    return isinstance(value, bool | int | float | np.number | np.bool_)


def missing_in(values: Values) -> NDArray[np.bool_]:
    """(n,) which values are NaN."""
    found: NDArray[np.bool_] = values != values  # noqa: PLR0124  # also for objects
    return found


def numeric(
    change: Callable[[NDArray[Any]], Values],
    *,
    refuses_missing: bool = False,
    refuses_infinite: bool = True,
    **details: Any,
) -> ColumnFunction:
    """A function of numbers.

    Args:
        change: (n,) floats, which it may change in place -> (n,).
        refuses_missing: whether NaN is refused.
        refuses_infinite: whether infinities are, which a step before may give.
        details: other attributes of ``ColumnFunction``.
    """

    def refuses(values: Values) -> NDArray[np.bool_]:
        refused = not_numbers(values)
        if refuses_infinite and values.dtype.kind == "f":  # A raw value is finite.
            refused |= np.isinf(values)
        return refused | missing_in(values) if refuses_missing else refused

    return ColumnFunction(lambda values: change(as_numbers(values)), refuses=refuses, **details)
