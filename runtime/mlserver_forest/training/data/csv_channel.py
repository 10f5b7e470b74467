"""The CSV files of a channel, parsed by a few threads, as rows in their order."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import cast

from mlserver_forest.errors import ForestError, InvalidData
from mlserver_forest.formats.csv.csv_header import Header
from mlserver_forest.formats.csv.csv_parser import BlockParser, parse_blocks
from mlserver_forest.formats.csv.csv_records import records_end
from mlserver_forest.formats.parsing import TRAINING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.text_blocks import TextBlock, blocks_of_stream
from mlserver_forest.resources import n_cpus
from mlserver_forest.training.data.layout import Columns, Roles, learn
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, KnownColumns, labeled_rows

BLOCK_BYTES = 2**22

_PARQUET = b"PAR1"

# Rows, the roles of their columns, and the fault that ends them.
_Outcome = tuple[ParsedRows, Roles, ForestError | None]


def read(
    parts: Iterator[Part], known: KnownColumns, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parts: one after the other.
        known: what is known of the columns; what the first rows show is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type; ``header`` is the one that counts.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    header = cast("Header", parameters.get("header", columns.header))
    n_threads = n_cpus()
    with ThreadPoolExecutor(n_threads, "csv") as pool:
        waiting: deque[Future[_Outcome]] = deque()
        for job in _jobs(parts, known, columns, header):
            waiting.append(pool.submit(job))
            if len(waiting) > n_threads + 1:
                yield from _taken(waiting.popleft(), known)
        while waiting:
            yield from _taken(waiting.popleft(), known)


def _taken(future: "Future[_Outcome]", known: KnownColumns) -> Iterator[Block]:
    """The rows of a job, once all rows before them have been learned from."""
    rows, roles, fault = future.result()
    if len(rows.x):
        yield labeled_rows(rows, roles, known)
    if fault is not None:
        raise fault


def _jobs(
    parts: Iterator[Part], known: KnownColumns, columns: Columns, header: Header
) -> Iterator[Callable[[], _Outcome]]:
    for part in parts:
        with part.inflated() as stream:
            texts = blocks_of_stream(stream, part.name, records_end, TRAINING, BLOCK_BYTES)
            file = _FileColumns(known, columns)
            earlier = None if known.is_empty else known.layout.found()
            parsers = parse_blocks(
                _refuse_parquet(texts), header, file.plan, TRAINING, earlier=earlier
            )
            for parser in parsers:
                yield partial(_parse, parser, file.roles)


def _refuse_parquet(blocks: Iterator[TextBlock]) -> Iterator[TextBlock]:
    first = next(blocks, None)
    if first is None:
        return iter(())
    if first.text[: len(_PARQUET)] == _PARQUET:
        raise InvalidData(
            f"{first.name} is a Parquet file; set the channel's ContentType to "
            "application/x-parquet, or give the file the extension .parquet"
        )
    return chain((first,), blocks)


def _parse(parser: BlockParser, roles: Roles) -> _Outcome:
    rows, fault = parser.parse()
    return rows, roles, fault


class _FileColumns:
    """The columns of one file as those of the table.

    Args:
        known: what is known of the columns of the table; a first file adds to it.
        columns: what the hyperparameters say about them.

    Attributes:
        roles: which columns of the file are read, once they were found.
    """

    def __init__(self, known: KnownColumns, columns: Columns) -> None:
        self.roles = known.layout.roles
        self._known = known
        self._columns = columns
        self._found: FoundColumns | None = None

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """What is wanted of each column, as far as it is known by now.

        Raises:
            InvalidData: if the columns do not fit.
        """
        known = self._known
        if self._found is None:
            self._found = found
            is_new = known.is_empty
            if is_new:
                known.layout = learn(found, self._columns)
            self.roles = known.layout.roles_of(found)
            if is_new:
                features = enumerate(self.roles.features)
                known.words |= {feature for feature, column in features if column in found.texts}
        roles = self.roles
        texts = [roles.features[feature] for feature in known.words]
        texts += [column for column in (roles.target, roles.weight) if column is not None]
        place = found.location.rpartition(", ")[2]
        expected = f"{place} has {found.width}; give all rows the same number of fields"
        return ColumnPlan(found.width, roles.features, texts, known.dtype, expected)
