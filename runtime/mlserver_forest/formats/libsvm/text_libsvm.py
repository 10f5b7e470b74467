"""text/libsvm: ``[label] [qid:n] index:value ...`` per line, in only.

In training the label may be ``label:weight``. A line may end with a ``#`` comment; a line without
anything else is skipped. Whether the first feature is 0 or 1 is declared, by the parameter
``index_base`` or by the model. Training, which has no model yet, takes the first index to be 0 if
an index 0 occurs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlserver_forest.errors import format_value
from mlserver_forest.formats.labeled_rows import FeaturePlan, LabeledRows
from mlserver_forest.formats.libsvm.libsvm_lines import Lines, read_lines, read_plain_lines
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_encoding import BYTE_ORDER_MARK

# 64 KB to 512 KB were as fast.
_BLOCK_BYTES = 2**17
_BASES = {"0": 0, "1": 1}


def parse(
    source: Source, plan: FeaturePlan, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[LabeledRows]:
    """Parse rows; see ``labeled_rows.ParseLabeled``."""
    declared = parameters.get("index_base")
    if declared is not None:
        if declared not in _BASES:
            raise policy.invalid(f"index_base is {format_value(declared)}; expected 0 or 1")
        plan = replace(plan, index_base=_BASES[declared])
    first_row = 1
    for line, block in _blocks(source, plan, policy):
        lines = read_plain_lines(block, plan)
        if lines is None:
            lines = read_lines(block, plan, policy, _Place(source, line, first_row))
        where = _locations(source, lines, line, first_row)
        if lines.entries.n_rows:
            is_raw = plan.index_base is None
            yield LabeledRows(
                where, lines.labels, lines.entries, _width(lines), is_raw, lines.weights
            )
        first_row += lines.entries.n_rows


class _Place:
    """The places of the rows of a block: rows are counted in a body, lines in a file."""

    def __init__(self, source: Source, first_line: int, first_row: int) -> None:
        self._source = source
        self._first_line = first_line
        self._first_row = first_row

    def __call__(self, line: int, row: int) -> str:
        """The place of a row, which stands in a line of the block; both counted from 0."""
        if not self._source.name:
            return f"row {self._first_row + row}"
        return f"{self._source.name}, line {self._first_line + line}"


def _locations(source: Source, lines: Lines, line: int, first_row: int) -> RowLocations:
    if not source.name:
        return RowLocations("", "row", first_row)
    if lines.numbers is None:
        return RowLocations(source.name, "line", line)
    return RowLocations.of_lines(source.name, [line + number for number in lines.numbers])


def _width(lines: Lines) -> int:
    return int(lines.entries.columns.max(initial=-1)) + 1


def _blocks(source: Source, plan: FeaturePlan, policy: ParsePolicy) -> Iterator[tuple[int, bytes]]:
    """Whole lines, some at a time, with the number of the first one."""
    stream, line = source.stream(), 1
    longest = policy.longest_row(len(plan.names))
    text = stream.read(_BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK)
    while more := stream.read(_BLOCK_BYTES):
        end = text.rfind(b"\n") + 1
        if end:
            yield line, text[:end]
            line += text.count(b"\n", 0, end)
        elif len(text) > longest:
            raise _too_long(source, line, longest, policy)
        text = text[end:] + more
    if len(text) > longest and len(max(text.split(b"\n"), key=len)) > longest:
        raise _too_long(source, line, longest, policy)
    if text:
        yield line, text


def _too_long(source: Source, line: int, longest: int, policy: ParsePolicy) -> Exception:
    return policy.invalid(
        f"{source.subject}, line {line} or a later one, has more than {longest} bytes, more than "
        "a row needs"
    )
