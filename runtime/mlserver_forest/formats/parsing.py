"""The arguments and the result of a parser: a policy, a plan of the columns, parsed rows.

A parser turns bytes of one media type into ``ParsedRows``, block by block. Training, serving
and batch scoring share it. They differ in the policy, and in the plan that they make of the columns
that the parser found.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError, InvalidData, InvalidInput, PayloadTooLarge
from mlserver_forest.formats.matrix import most_expanded
from mlserver_forest.formats.row_locations import RowLocations


@dataclass(frozen=True)
class ParsePolicy:
    """How bytes are parsed in training or in serving: limits, errors, threads.

    Attributes:
        is_training: whether the rows have labels, and the parameters of the media type are those
            of a channel.
        invalid: the error that faults in the bytes raise.
        too_large: the error that bytes out of proportion raise.
        unit: what error messages count: the rows of a request body, or the lines of a file.
        row_bytes: the bytes that a row of text may have, whatever its columns.
        field_bytes: the bytes that it may have in addition for each column.
        sample_rows: the rows at the start that show which columns hold text.
        compile_bytes: the length of text from which a compiled loop pays. A training process
            may have to compile it first, which takes seconds; a server has it ready.
        block_bytes: the text to parse at a time.
        uses_threads: whether a parser may parse several blocks at a time; a server's CPUs belong
            to other requests.
        most_expanded: returns the bytes that compressed bytes of a length may inflate to.
        bounds_texts: whether encodings are refused in which a few bytes may stand for a long text.
    """

    is_training: bool
    invalid: type[ForestError]
    too_large: type[ForestError]
    unit: Literal["row", "line"]
    row_bytes: int
    field_bytes: int
    sample_rows: int
    compile_bytes: int
    block_bytes: int
    uses_threads: bool
    most_expanded: Callable[[int], int] = most_expanded
    bounds_texts: bool = True

    @property
    def reads_files(self) -> bool:
        """Whether files are read, of which nobody declares more than their names."""
        return self.unit == "line"

    def longest_row(self, width: int) -> int:
        """The bytes that a row of text with ``width`` columns may have."""
        return self.row_bytes + self.field_bytes * width


SERVING = ParsePolicy(
    is_training=False,
    invalid=InvalidInput,
    too_large=PayloadTooLarge,
    unit="row",
    row_bytes=2**18,
    field_bytes=64,
    sample_rows=1,
    compile_bytes=0,
    # Blocks of 512 KB to 2 MB of CSV were as fast; 64 KB took one and a half times as long.
    block_bytes=2**20,
    uses_threads=False,
)
TRAINING = ParsePolicy(
    is_training=True,
    invalid=InvalidData,
    too_large=InvalidData,
    unit="line",
    row_bytes=2**26,  # A longer row is most likely a quote that was left open.
    field_bytes=0,
    sample_rows=500,
    compile_bytes=2**20,
    block_bytes=2**22,
    uses_threads=True,
    # A job reads its owner's data, which may compress well: the bound is for damaged files.
    most_expanded=lambda n_bytes: max(2**36, 1000 * n_bytes),
    bounds_texts=False,
)
# Files whose rows are predicted, read as a server reads them, from their owner.
SCORING = replace(
    SERVING,
    unit="line",
    row_bytes=2**22,
    sample_rows=TRAINING.sample_rows,
    compile_bytes=2**18,
    uses_threads=True,
    most_expanded=TRAINING.most_expanded,
    bounds_texts=False,
)


class FoundColumns(NamedTuple):
    """The columns that a parser found at the start of its bytes.

    Attributes:
        names: of all columns, if the bytes name them.
        width: how many there are.
        location: of the names, or of the first row, for error messages.
        texts: the columns that hold text in some of the rows at the start.
        booleans: the columns of which the bytes say that they hold booleans.
        n_rows: the rows that the bytes declare, or that they hold by an estimate; 0 if unknown.
        index_columns: the columns that hold nothing but pandas' index, unless a feature has their
            name.
        are_ordered: whether the columns have an order, so that a model that names no features reads
            them by position; the members of an object do not.
        may_grow: whether rows leave out columns, so that later ones may have more.
        are_chosen: whether a person chose the names, as in a header; if not, columns with other
            names may be matched by position.
        has_types: whether the bytes tell a string from a number.
    """

    names: tuple[str, ...] | None
    width: int
    location: str
    texts: frozenset[int] = frozenset()
    booleans: frozenset[int] = frozenset()
    n_rows: int = 0
    index_columns: frozenset[int] = frozenset()
    are_ordered: bool = True
    are_chosen: bool = True
    may_grow: bool = False
    has_types: bool = True


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How each column that a parser found is to be read; columns that it omits are skipped.

    Attributes:
        width: how many columns the bytes have.
        features: for each column of ``ParsedRows.x``, the column of the bytes that it holds;
            a range if it is each of them in turn.
        texts: the columns to return as text, such as categories and labels. Their columns of
            ``ParsedRows.x`` are NaN.
        dtype: of ``ParsedRows.x``.
        expected: the expected row, for error messages, such as "line 1 has 3 (a, b, c)".
        spelled: the columns in which a number with decimals has a text, such as labels, because
            they hold no categories. Those that are not among ``texts`` may come as text.
        mixed: the columns in which both text and any number may come: categories that look like
            numbers, and numbers that are spelled in a special way.
        dates: the columns of ``mixed`` in which types of dates may come too; in a column of
            numbers of a plan that ``learns``, they may.
        learns: whether a column of numbers may turn out to hold text or booleans, and then comes
            as text. If not, such a text is refused, and booleans are 0 and 1.
        absent: the value that a sparse row leaves out, in a column of numbers.
        names: of all columns, for error messages.
        by_position: whether a column was chosen by its position, so that objects with their keys
            in another order are refused.
        is_exact: whether white space around a text belongs to it, as categories need that are known
            by their hashes alone; otherwise a reader may drop it.
    """

    width: int
    features: Sequence[int]
    texts: Collection[int]
    dtype: np.dtype[Any]
    expected: str
    spelled: Collection[int] = ()
    mixed: Collection[int] = ()
    dates: Collection[int] = ()
    learns: bool = False
    absent: float = 0.0
    names: Sequence[str] = ()
    by_position: bool = False
    is_exact: bool = False


# Called for each block, because training learns while it reads which columns hold categories;
# raises the policy's error if the columns do not fit.
PlanColumns = Callable[[FoundColumns], ColumnPlan]


@dataclass(frozen=True, eq=False, slots=True)
class ParsedRows:
    """Some consecutive rows.

    Attributes:
        locations: of the rows.
        x: (n, n_features) numbers, NaN where a value is missing, in the plan's dtype; in another
            dtype if the bytes have it, or if some number is infinite or too large for the plan's,
            which whoever reads these rows refuses.
        texts: by column of the bytes, (n,), a list of strings, empty where a value is missing; or
            a pyarrow array of strings or of a dictionary of strings, null where one is missing;
            a column that was expected to hold numbers is here too if some field is not a number;
            (n,) float64 for a label in a format that does not spell numbers.
    """

    locations: RowLocations
    x: NDArray[Any]
    texts: Mapping[int, Any]

    def __len__(self) -> int:
        return len(self.x)
