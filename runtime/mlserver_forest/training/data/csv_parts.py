"""CSV: blocks of whole records, parsed in a few threads, kept in their order."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from mlserver_forest.errors import InvalidData
from mlserver_forest.resources import n_cpus
from mlserver_forest.training.data import csv_block
from mlserver_forest.training.data.csv_header import look_at
from mlserver_forest.training.data.csv_records import Lines, blocks, records_end
from mlserver_forest.training.data.layout import Columns, learn
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Known

Job = Callable[[], Block]

_PARQUET = b"PAR1"


def read(
    parts: Iterator[Part], known: Known, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parts: one after the other.
        known: what is known of the columns; what the first rows say is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type; ``header`` is the one that counts.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    header = parameters.get("header", columns.header)
    n_threads = n_cpus()
    with ThreadPoolExecutor(n_threads, "csv") as pool:
        waiting: deque[Future[Block]] = deque()
        for job in _jobs(parts, known, columns, header):
            waiting.append(pool.submit(job))
            if len(waiting) > n_threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _jobs(parts: Iterator[Part], known: Known, columns: Columns, header: str) -> Iterator[Job]:
    for part in parts:
        with part.inflated() as stream:
            lines = blocks(stream, part.name, records_end)
            first = next(lines, None)
            if first is None:
                continue
            if first.text.startswith(_PARQUET):
                raise InvalidData(
                    f"{part.name} is a Parquet file; set the channel's ContentType to "
                    "application/x-parquet, or give the file the extension .parquet"
                )
            yield from _part_jobs(first, lines, known, columns, header)


def _part_jobs(
    first: Lines, rest: Iterator[Lines], known: Known, columns: Columns, header: str
) -> Iterator[Job]:
    top = look_at(first, header, known.layout)
    is_new = known.is_empty
    if is_new:
        known.layout = learn(top.found, columns)
    roles = known.layout.roles_of(top.found)
    if is_new:
        known.words |= {f for f, place in enumerate(roles.features) if place in top.words}
    sheet = csv_block.Sheet(top.found, roles, known)
    if not top.rows.text.isspace() and top.rows.text:
        yield partial(csv_block.parse, top.rows, sheet, frozenset(known.words))
    for lines in rest:
        yield partial(csv_block.parse, lines, sheet, frozenset(known.words))
