"""text/csv: rows of numbers and text, in only; ``csv_writer`` writes answers.

With the parameter ``header=present`` the first line names the columns, in any order.
``csv_parser`` says what a field means.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, cast

from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.csv import csv_kernel, csv_row
from mlserver_forest.formats.csv.csv_header import Header
from mlserver_forest.formats.csv.csv_input import plain
from mlserver_forest.formats.csv.csv_parser import BlockParser, Outcome, columns_of, find_blocks
from mlserver_forest.formats.csv.csv_records import records_end
from mlserver_forest.formats.csv.other_starts import refuse_other_start
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import (
    SERVING,
    FoundColumns,
    ParsedRows,
    ParsePolicy,
    PlanColumns,
)
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import ReadPlain, Source
from mlserver_forest.formats.text_blocks import TextBlock, text_blocks
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.schema import Schema

_HEAD_BYTES = 64


def parse(
    source: Source, plan_columns: PlanColumns, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[ParsedRows]:
    """Parse rows; see ``source.Parse``.

    Args:
        source: the text, in UTF-8 unless a byte order mark or ``charset`` says otherwise.
        plan_columns: called for each block, in their order.
        policy: limits, and the errors to raise.
        parameters: of the media type; ``header`` ("present" or "absent", and "auto" in training),
            ``label_size``, ``charset``, ``delimiter`` and ``decimal`` count.
    """
    if source.is_blank():
        width = f"{source.width} ({', '.join(source.names or ())})"
        raise policy.invalid(f"the body is empty; expected rows of {width} values")
    source = plain(source, policy, parameters)
    found = blocks_of(source, policy, parameters)
    if policy.uses_threads:
        outcomes = _in_threads(BlockParser.of(*each, plan_columns, policy) for each in found)
    else:
        outcomes = _in_turn(found, plan_columns, policy, source)
    for rows, fault in outcomes:
        if len(rows):
            yield rows
        if fault is not None:
            raise fault


def blocks_of(
    source: Source, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[tuple[TextBlock, FoundColumns]]:
    """The blocks of records of a text that ``plain`` gave, and its columns.

    Raises:
        ForestError: the policy's, if the text is not CSV.
    """
    blocks = _refusing_others(text_blocks(source, records_end, policy), source, policy)
    return find_blocks(blocks, _header(parameters, policy), policy, source)


def parse_fields(
    records: Sequence[Sequence[str]], plan_columns: PlanColumns
) -> Iterator[ParsedRows]:
    """Rows of a request whose fields are separate already, each read as a field of CSV.

    Args:
        records: (n_samples, n_features) texts, all rows of the same width.
        plan_columns: called once.
    """
    plan = plan_columns(FoundColumns(None, len(records[0]) if records else 0, "the request"))
    yield ParsedRows(RowLocations("", "row", 1), *columns_of(records, plan))


def plain_reader(schema: Schema) -> ReadPlain:
    """What reads a body that is one block at most; None if the body is not plain.

    ``parse`` takes 20 us more, which is as long as it takes to parse a kilobyte.
    """
    n_features, names, dtype = schema.n_features, schema.names_as_row, schema.dtype
    categories = schema.categories_by_column
    found = [categories.get(feature) for feature in range(n_features)]
    values_of = [each.code if each else parse_number for each in found]

    def read(body: Body) -> NDArray[Any] | None:
        if not n_features or (names and _holds_names(body, names)):
            return None
        is_short = len(body) < csv_row.MOST_BYTES
        if categories:
            return csv_row.read_values(body, values_of) if is_short and n_features > 1 else None
        if is_short:
            return csv_row.read_rows(body, n_features)
        is_block = len(body) <= SERVING.block_bytes
        return csv_kernel.parse_numbers(body, n_features, dtype) if is_block else None

    return read


def _holds_names(body: Body, names: frozenset[bytes]) -> bool:
    end = body.find(b"\n")
    line = bytes(body if end < 0 else body[:end])
    return {field.strip() for field in line.split(b",")} == names


def _header(parameters: Mapping[str, str], policy: ParsePolicy) -> Header:
    header = parameters.get("header", "absent").lower()
    if policy.is_training:  # The parameters of a channel were checked.
        return cast("Header", header)
    # AWS's XGBoost image takes label_size=1, which is about training, and reads features alone.
    label_size = parameters.get("label_size", "0")
    if label_size not in {"0", "1"}:
        raise policy.invalid(
            f"label_size is {format_value(label_size)}; rows to be predicted have no label: "
            "send the features alone, and label_size=0 or none"
        )
    if header not in {"present", "absent"} and not (header == "auto" and policy.reads_files):
        raise policy.invalid(
            f"header is {format_value(header)}; expected header=present or header=absent"
        )
    return cast("Header", header)


def _refusing_others(
    blocks: Iterator[TextBlock], source: Source, policy: ParsePolicy
) -> Iterator[TextBlock]:
    first = next(blocks, None)
    if first is None:
        return iter(())
    refuse_other_start(bytes(first.text[:_HEAD_BYTES]), source, policy)
    return chain((first,), blocks)


def _in_turn(
    found: Iterator[tuple[TextBlock, FoundColumns]],
    plan_columns: PlanColumns,
    policy: ParsePolicy,
    source: Source,
) -> Iterator[Outcome]:
    """Parse block by block; rows are counted, and those of the whole body are estimated."""
    n_rows = n_read = n_names = 0
    for block, columns in found:
        if n_read:
            n_expected = n_rows * len(source.buffer()) * 33 // (n_read * 32)
            parser = BlockParser.of(
                block, columns._replace(n_rows=n_expected), plan_columns, policy
            )
        else:
            n_names = int(columns.names is not None)
            parser = BlockParser.of(block, columns, plan_columns, policy)
        outcome = parser.parse(n_names + n_rows)
        yield outcome
        n_rows += len(outcome[0])
        n_read += len(block.text)


def _in_threads(parsers: Iterator[BlockParser]) -> Iterator[Outcome]:
    """Parse some blocks at a time; their outcomes come in the order of the blocks."""
    first = list(islice(parsers, 2))
    if len(first) < 2:
        yield from (parser.parse() for parser in first)
        return
    n_threads = n_cpus()
    with ThreadPoolExecutor(n_threads, "csv") as pool:
        waiting: deque[Future[Outcome]] = deque()
        for parser in chain(first, parsers):
            waiting.append(pool.submit(parser.parse))
            if len(waiting) > n_threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
