"""A chunk of rows -> answers, and the rows that cannot be answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, InvalidInput, format_value
from mlserver_forest.formats.chunk import Chunk
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.files.partitions import PartitionColumns
from mlserver_forest.formats.parsing import ColumnPlan, FoundColumns, ParsedRows, PlanColumns
from mlserver_forest.formats.predictions import KeptColumn, Predictions
from mlserver_forest.model import named_outputs
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import SKIP_EXTRA
from mlserver_forest.scoring.scoring_options import ScoringOptions

# A chunk is small; what a file may decode to was decided when it was read.
_ANY_BYTES = 1 << 40
# Of so many rows one should be good, or the file is not what the model reads.
_FEW_BAD_ROWS = 100
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out.

    Attributes:
        file: its name.
        place: such as "line 17".
        reason: a sentence that names the file and the place, too.
    """

    file: str
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scored:
    """The answers to a chunk.

    Attributes:
        predictions: of the rows that could be read; None if there are none.
        n_rows: how many there are.
        bad_rows: the other rows.
    """

    predictions: Predictions | None
    n_rows: int
    bad_rows: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows that could be read: (n, n_features) numbers, and what is kept of them."""

    x: NDArray[Any]
    kept: Mapping[str, KeptColumn]


class Scorer:
    """Answers chunks of rows, in any thread.

    Args:
        model: the model.
        options: the outputs, and what is kept.

    Raises:
        InvalidInput: naming an output that the model does not have.
        InvalidData: if a column to keep has the name of an output.
    """

    def __init__(self, model: Model, options: ScoringOptions) -> None:
        schema = model.schema
        named_outputs.check_names(options.outputs, schema)
        self._model, self._options = model, options
        self._names = options.outputs or named_outputs.default_names(schema, only_first=False)
        self._v2_names = named_outputs.v2_names(self._names, schema)
        if both := [name for name in options.keep if name in self._names]:
            raise InvalidData(
                f"{format_value(both[0])} is a column to keep and an output; choose other outputs, "
                "or give the column another name"
            )
        self._decoder = RequestDecoder(
            replace(
                schema,
                ignored=(*schema.ignored, *options.keep),
                ignores_extra=schema.ignores_extra or options.ignores_extra,
            )
        )
        self._known = {*schema.feature_names, *schema.ignored, *options.keep}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features of the model."""
        return self._model.schema.feature_names

    def partition_of(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Those of the columns that a file's folders give which are read or kept."""
        return {name: value for name, value in columns.items() if name in self._known}

    def planner(self, partition: Mapping[str, str]) -> PlanColumns:
        """Plans the columns of a file.

        Args:
            partition: as from ``partition_of``.
        """
        columns = self._columns(partition)
        return lambda found: columns.plan(self._plan(columns.add_to(found)))

    def score(self, chunk: Chunk, file: str, partition: Mapping[str, str]) -> Scored:
        """Answer the rows of a chunk.

        Args:
            chunk: of a file.
            file: its name.
            partition: as from ``partition_of``.

        Raises:
            InvalidInput: naming the first bad row, unless bad rows are skipped.
            InvalidData: if the columns are not those of the model, or all of many rows are bad.
        """
        bad: list[BadRow] = []
        good = []
        for rows in self._good(chunk, file, partition, bad):
            if bad and not self._options.skips_bad_rows:
                break
            good.append(rows)
        if bad and not self._options.skips_bad_rows:
            raise InvalidInput(bad[0].reason)
        if len(bad) > _FEW_BAD_ROWS and not any(len(rows.x) for rows in good):
            raise InvalidData(
                f"none of {len(bad)} consecutive rows can be read; the first: {bad[0].reason}"
            )
        return self._answered(good, bad)

    def _answered(self, rows: Sequence[_Rows], bad: list[BadRow]) -> Scored:
        rows = [each for each in rows if len(each.x)]
        if not rows:
            return Scored(None, 0, bad)
        x = rows[0].x if len(rows) == 1 else np.concatenate([each.x for each in rows])
        arrays = self._model.answer(x, self._v2_names)
        found = named_outputs.predictions(self._names, arrays, self._model.schema, selected=True)
        kept = {name: _joined([each.kept[name] for each in rows]) for name in self._options.keep}
        return Scored(replace(found, kept=kept), len(x), bad)

    def _good(
        self, chunk: Chunk, file: str, partition: Mapping[str, str], bad: list[BadRow]
    ) -> Iterator[_Rows]:
        """The rows that can be read; a chunk with a bad one is looked through half by half."""
        try:
            yield self._read(chunk, partition)
        except InvalidInput as error:
            halves = chunk.halves()
            if not halves:
                bad.append(BadRow(file, chunk.place, str(error)))
            for half in halves:
                yield from self._good(half, file, partition, bad)

    def _columns(self, partition: Mapping[str, str]) -> PartitionColumns:
        """The features among the columns that folders give."""
        features = self._model.schema.feature_names
        return PartitionColumns({n: value for n, value in partition.items() if n in features})

    def _plan(self, found: FoundColumns) -> ColumnPlan:
        """Plan the columns of a file.

        Raises:
            InvalidData: naming the columns that are missing, or unknown and not kept.
            InvalidInput: the same, if these are the columns of a row rather than of the file.
        """
        try:
            return self._decoder.plan(found)
        except InvalidInput as error:
            names = found.names or ()
            extra = [
                name
                for column, name in enumerate(names)
                if name not in self._known and column not in found.index_columns
            ]
            kind = InvalidData if names and found.are_ordered else InvalidInput
            if len(set(extra)) == len(set(names)) or not extra or self._options.ignores_extra:
                raise kind(str(error)) from error
            listed = ",".join(extra[:_NAMES_SHOWN])
            raise kind(
                f"{str(error).removesuffix(SKIP_EXTRA)}; write columns beside the answers with "
                f"--keep {listed}, or leave out all that are not features with --extra ignore"
            ) from error

    def _read(self, chunk: Chunk, partition: Mapping[str, str]) -> _Rows:
        def rows(plan_columns: PlanColumns) -> Iterator[ParsedRows]:
            columns = self._columns(partition)

            def plan(found: FoundColumns) -> ColumnPlan:
                every = columns.add_to(found)
                self._plan(every)  # Its errors say what to do.
                return columns.plan(plan_columns(every))

            return map(columns.fill_in, chunk.parse(plan))

        x = self._decoder.matrix(rows, _ANY_BYTES, may_be_empty=True)
        own = [name for name in self._options.keep if name not in partition]
        kept = dict(chunk.kept(own)) if own else {}
        for name in self._options.keep:
            if name in partition:
                kept[name] = pa.repeat(pa.scalar(partition[name] or None, pa.string()), len(x))
        if any(len(values) != len(x) for values in kept.values()):
            raise InvalidData(f"{chunk.place}: the rows of the kept columns are others")
        return _Rows(x, kept)


def _joined(columns: Sequence[KeptColumn]) -> KeptColumn:
    if len(columns) == 1:
        return columns[0]
    if isinstance(columns[0], list):
        return [value for column in columns for value in column]
    return pa.concat_arrays(columns)
