"""The first records of CSV: whether they begin with names, and which columns hold text."""

from collections.abc import Sequence
from itertools import islice
from typing import Literal

from mlserver_forest.errors import format_value
from mlserver_forest.formats.csv.csv_records import Record, Records
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.parsing import FoundColumns, ParsePolicy
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_blocks import TextBlock
from mlserver_forest.schema.categories import is_missing

# "auto": the first record holds names if a column has text there and numbers below, or if all
# of its fields are texts that do not occur again below. In a part that follows another one, it
# holds names if they are those of that part.
Header = Literal["auto", "present", "absent"]

_MOST_FIELDS = 20_000
_OTHER_SEPARATORS = ("\t", ";", "|")


def find_columns(
    block: TextBlock, header: Header, policy: ParsePolicy, source: Source
) -> tuple[FoundColumns, TextBlock]:
    """Look at the first records of a text.

    Args:
        block: the first block, which holds a record.
        header: whether the text begins with names.
        policy: limits, and the errors to raise.
        source: of the text; in training, its width and names are those of the part before this
            one, if there is one.

    Returns:
        The columns, and the block without the names.

    Raises:
        ForestError: the policy's error, if the block is not CSV.
    """
    records = Records(block, policy, source.width if header == "absent" else 0)
    iterator = iter(records)
    first = next(iterator)
    rest = TextBlock(block.name, memoryview(block.text)[records.position :], records.line)
    line, fields = first
    place = block.at_line(line)
    names = tuple(field.strip() for field in fields)
    if not policy.is_training:
        if header == "present":
            return FoundColumns(names, len(fields), "the header line"), rest
        return FoundColumns(None, len(fields), place), block
    _refuse_other_separator(fields, place, policy)
    if source.width and header == "auto":
        header = _header_of_later_part(names, source)
    rows: list[Record] = []
    if header == "auto" or not source.width:  # The first part shows which columns hold text.
        n_more = min(policy.sample_rows - 1, max(1, _MOST_FIELDS // len(fields)))
        rows = list(islice(iterator, n_more))
    if header == "present" or (header == "auto" and _are_names(names, rows, source)):
        rows = [row for row in rows if tuple(map(str.strip, row[1])) != names]
        return FoundColumns(names, len(fields), place, _texts(rows)), rest
    return FoundColumns(None, len(fields), place, _texts([first, *rows])), block


def _header_of_later_part(names: tuple[str, ...], source: Source) -> Header:
    """Decide by the first record alone, because a sample of 500 rows takes some milliseconds."""
    if source.names is not None and set(names) == set(source.names):
        return "present"
    return "auto" if any(map(_is_text, names)) else "absent"


def _refuse_other_separator(fields: Sequence[str], place: str, policy: ParsePolicy) -> None:
    found = [separator for separator in _OTHER_SEPARATORS if separator in fields[0]]
    if len(fields) == 1 and found:
        raise policy.invalid(
            f"{place}: {format_value(fields[0])} has {found[0]!r} where CSV has commas, and the "
            "lines differ in their number; write the file with commas between the fields, or set "
            f"delimiter={found[0]!r} to see which line differs"
        )


def _are_names(names: tuple[str, ...], rows: Sequence[Record], source: Source) -> bool:
    below = [tuple(map(str.strip, fields)) for _, fields in rows if len(fields) == len(names)]
    are_texts = [_is_text(name) for name in names]
    # The names may occur again where files were concatenated.
    columns = zip(*(row for row in below if row != names), strict=True)
    if any(
        is_text and _are_numbers(column)
        for is_text, column in zip(are_texts, columns, strict=False)
    ):
        return True
    # The first column often holds the target, whose labels are texts.
    if source.width or not all(are_texts[1:]) or len(names) < 2:
        return False
    columns = zip(*below, strict=True)
    is_new = all(name not in column for name, column in zip(names, columns, strict=False))
    return is_new and len(set(names)) == len(names)


def _texts(rows: Sequence[Record]) -> frozenset[int]:
    return frozenset(
        column for _, fields in rows for column, field in enumerate(fields) if _is_text(field)
    )


def _is_text(field: str) -> bool:
    return parse_number(field) is None


def _are_numbers(column: Sequence[str]) -> bool:
    """Whether there are numbers and no texts."""
    return not any(map(_is_text, column)) and not all(is_missing(f.strip()) for f in column)
