"""The columns of mixtures as derived columns of a forest, computed before its trees are walked.

What stands before a mixture becomes steps: a chain of scalers, fills and the like step by step, and
a chain that gives few numbers, or that reads categories, one table.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
from mlserver_forest.engine.derived.derivation_list import DerivationList
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.column_step_kernel import DIVIDE, INTERVALS
from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.scikit_learn.pipelines.number_line import line_of, numbers_of
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    MixedColumn,
    Mixture,
    PreparedColumn,
    Source,
    columns_behind,
)
from mlserver_forest.importers.scikit_learn.pipelines.raw_columns import RawColumn

# Numbers that a function after a mixture has to take.
_TRIED = np.array([-1.0, 0.0, 0.5, 1.0])


def require_takes_all(columns: Sequence[PreparedColumn]) -> None:
    """Refuse functions that take only some of the numbers that a mixture gives.

    Raises:
        UnsupportedEstimator: if there is one, because no schema of the raw columns could say it.
    """
    for column in columns_behind(columns):
        if isinstance(column.source, MixedColumn) and column.of(_TRIED)[1].any():
            raise UnsupportedEstimator(
                f"a transformer behind the {column.source.mixture.name} of this pipeline refuses "
                "some of the numbers that come to it, as Box-Cox and an encoder with "
                'handle_unknown="error" do, which cannot be packed; use one that takes all numbers'
            )


class DerivedFeatures:
    """The columns that the trees of a model read: raw ones, and derived ones after them.

    Args:
        raw: the raw columns of the model.
        sources: what trees read.

    Raises:
        UnsupportedEstimator: if something before a mixture has no form for serving.
    """

    def __init__(self, raw: Sequence[RawColumn], sources: Iterable[Source]) -> None:
        self._raw = raw
        self._raw_places = {column.place: number for number, column in enumerate(raw)}
        self._derivations = DerivationList(len(raw))
        # By the identity of a mixture, the numbers of its columns.
        self._mixed: dict[int, range] = {}
        self._stepped: dict[tuple[int, tuple[ColumnStep, ...]], int] = {}
        mixed = [one for one in sources if isinstance(one, MixedColumn)]
        names = {self._number_of(one): one.mixture.name for one in mixed}
        self._read = sorted(names)
        self._places = {number: len(raw) + place for place, number in enumerate(self._read)}
        self._names = names

    @cached_property
    def columns(self) -> list[RawColumn]:
        """The columns that trees read; derived ones are numbers."""
        return [*self._raw, *(RawColumn(-1, self._names[number]) for number in self._read)]

    @property
    def derived_columns(self) -> DerivedColumns | None:
        """What computes the derived ones; None if there are none."""
        return self._derivations.derived_columns(self._read) if self._read else None

    def place_of(self, source: Source) -> int:
        """The position of a source among ``columns``."""
        number = self._number_of(source)
        return number if isinstance(source, int) else self._places[number]

    def _number_of(self, source: Source) -> int:
        """The number that derivations have for a column."""
        if isinstance(source, int):
            return self._raw_places[source]
        mixture = source.mixture
        if id(mixture) not in self._mixed:
            made = mixture.make(self._inputs_of(mixture))
            self._mixed[id(mixture)] = self._derivations.add(made)
        return self._mixed[id(mixture)][source.place]

    def _inputs_of(self, mixture: Mixture) -> list[int]:
        """The numbers of the columns that a mixture reads; they are added."""
        wanted = [
            (self._number_of(one.source), self._steps_of(one, mixture)) for one in mixture.inputs
        ]
        added = [one for one in dict.fromkeys(wanted) if one[1] and one not in self._stepped]
        if added:
            made = ColumnSteps.of([SteppedColumn(*one) for one in added])
            self._stepped.update(zip(added, self._derivations.add(made), strict=True))
        return [self._stepped[one] if one[1] else one[0] for one in wanted]

    def _steps_of(self, column: PreparedColumn, mixture: Mixture) -> tuple[ColumnStep, ...]:
        """A column as steps on its source."""
        source = RawColumn(-1, mixture.name)
        if isinstance(column.source, int):
            source = self._raw[self._raw_places[column.source]]
        if source.values is not None:
            return (_table_of_categories(column, source),)
        steps = _steps_in(column.functions)
        if steps is not None:
            return steps
        for count, one in enumerate(column.functions, 1):
            if one.outcomes is not None:
                return (_table_of_numbers(column, count, one.outcomes),)
        odd = next(one for one in column.functions if one.steps is None or not _are_finite(one))
        raise UnsupportedEstimator(
            f"the function {format_value(odd.says or 'of a transformer')} is applied before the "
            f"{mixture.name} of this pipeline, which cannot be packed, because the last bits of "
            "its results may differ between machines; scale with a StandardScaler, RobustScaler "
            "or MinMaxScaler instead, or apply the function before the pipeline"
        )


def _steps_in(functions: Sequence[ColumnFunction]) -> tuple[ColumnStep, ...] | None:
    """The steps of functions one after the other; None if one has no form for serving."""
    found: list[ColumnStep] = []
    for function in functions:
        if function.steps is None or not _are_finite(function):
            return None
        found += function.steps
    return tuple(found)


def _are_finite(function: ColumnFunction) -> bool:
    return all(
        np.isfinite(step.operand) and (step.operation != DIVIDE or step.operand != 0)
        for step in function.steps or ()
    )


def _table_of_categories(column: PreparedColumn, source: RawColumn) -> ColumnStep:
    """A column by the code of its category; any other number is a missing value."""
    results = column.as_floats(source.all_values).tolist()
    missing = column.as_floats(source.missing_value).tolist()
    edges = tuple(code + 0.5 for code in range(len(results)))
    return ColumnStep(INTERVALS, edges=edges, values=(*results, *missing, *missing))


def _table_of_numbers(
    column: PreparedColumn, count: int, outcomes: NDArray[np.float64]
) -> ColumnStep:
    """A column of numbers by intervals, in each of which its first functions give one number.

    Args:
        column: the column.
        count: how many of its functions give one of a few numbers.
        outcomes: these numbers.
    """
    until = PreparedColumn(column.source, column.functions[:count])
    ends = line_of(until).divided_by(outcomes)
    results = column.as_floats(numbers_of(ends)).tolist()
    missing = column.as_floats(np.array([np.nan])).tolist()
    edges = tuple(numbers_of(ends[:-1]).tolist())
    return ColumnStep(INTERVALS, edges=edges, values=(*results, *missing))
