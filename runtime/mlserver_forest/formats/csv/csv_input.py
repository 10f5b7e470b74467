"""CSV in any encoding, with any separator, as the text that the parser reads: UTF-8 and commas.

Plain text comes back as it is. Records keep their lines, so that messages name those of the file.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO, cast

from mlserver_forest import cancellation
from mlserver_forest.errors import ForestError, format_value
from mlserver_forest.formats.csv.csv_dialect import (
    Decimals,
    Dialect,
    declared,
    fields_of,
    find_delimiter,
    single_quoted,
)
from mlserver_forest.formats.csv.csv_records import not_csv
from mlserver_forest.formats.csv.other_starts import starts_otherwise
from mlserver_forest.formats.libsvm.libsvm_head import is_libsvm
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_blocks import TextBlock, too_long
from mlserver_forest.formats.text_encoding import (
    BYTE_ORDER_MARK,
    Readable,
    Utf8Stream,
    encoding_marked,
    encoding_named,
    is_utf8,
    likely_wide,
)

# The start of a file that shows how its fields are separated.
_SAMPLE_BYTES = 2**16
_BLOCK_CHARACTERS = 2**17
_SEPARATOR_LINE = "sep="
_TITLES = {" ": "blanks", "\t": "tabs", ",": "commas"}


def plain(source: Source, policy: ParsePolicy, parameters: Mapping[str, str]) -> Source:
    """The source of the same rows in UTF-8, with commas between fields and points in numbers.

    Args:
        source: the text.
        policy: the errors to raise, and whether the first lines may decide what is not declared.
        parameters: of the media type; ``charset``, ``delimiter`` and ``decimal`` count, and in
            training ``skip_lines``.

    Raises:
        ForestError: the policy's error, for a parameter that is not known, and text that is not in
            the encoding.
    """
    dialect = declared(parameters, policy)
    charset = parameters.get("charset")
    encoding = None if charset is None else encoding_named(charset)
    if charset is not None and encoding is None:
        raise policy.invalid(
            f"the encoding {format_value(charset)} is not known; expected utf-8, cp1252, "
            "iso-8859-1, utf-16, shift_jis, or another one that Python knows"
        )
    if isinstance(source.content, bytes | bytearray):
        encoding = encoding or encoding_marked(bytes(source.content[:4]))
        if dialect.is_plain and is_utf8(encoding):
            return source
        stream, head = _decoded(source.stream(), encoding, source, policy)
        content = _Replayed(head, stream)
        if not dialect.is_plain:
            content = _translated(content, dialect, source, policy)
        return replace(source, content=content.read())
    stream, head = _decoded(source.content, encoding, source, policy)
    path = source.path if stream is source.content else None
    head = _below(head, int(parameters.get("skip_lines", 0)), source, policy)
    dialect, head = _learned(head, dialect, source, policy)
    content = _Replayed(head, stream)
    if not dialect.is_plain:
        content = _translated(content, dialect, source, policy)
    return replace(source, content=cast("BinaryIO", content), path=path)


def _decoded(
    stream: Readable, encoding: str | None, source: Source, policy: ParsePolicy
) -> tuple[Readable, bytes]:
    """The text in UTF-8: a stream, and its start, which was read from it."""
    head = stream.read(_SAMPLE_BYTES)
    encoding = encoding_marked(head) or encoding
    if encoding is None and not starts_otherwise(head) and (wide := likely_wide(head)):
        raise policy.invalid(
            f"{source.subject} is not UTF-8, and probably {wide} without a byte order mark; set "
            f"encoding={wide}, or charset={wide} in the channel's ContentType, or write the file "
            "in UTF-8"
        )
    if is_utf8(encoding):
        return stream, head.removeprefix(BYTE_ORDER_MARK)
    assert encoding is not None  # noqa: S101  # None is read as UTF-8.
    utf8 = Utf8Stream(_Replayed(head, stream), encoding)
    converted = _Checked(utf8, encoding, source, policy)
    return converted, converted.read(_SAMPLE_BYTES).removeprefix(BYTE_ORDER_MARK)


class _Checked:
    """A stream that is converted; its faults raise the policy's error."""

    def __init__(
        self, stream: Readable, encoding: str, source: Source, policy: ParsePolicy
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._subject = source.subject
        self._policy = policy

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except UnicodeDecodeError as error:
            raise self._policy.invalid(
                f"{self._subject} is not text in {self._encoding}: {error.reason}; declare the "
                "encoding that it was written in"
            ) from error


class _Replayed(io.RawIOBase):
    """A stream whose first bytes were read from it."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._stream.read(size)
        head, self._head = self._head, b""
        if size < 0:
            return head + self._stream.read()
        if size < len(head):
            head, self._head = head[:size], head[size:]
            return head
        return head + self._stream.read(size - len(head))

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # A writable buffer.
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def _below(head: bytes, n_lines: int, source: Source, policy: ParsePolicy) -> bytes:
    """The text without its first lines, which become blank, so that lines keep their numbers."""
    if not n_lines:
        return head
    lines = head.splitlines(keepends=True)
    if n_lines >= len(lines):
        raise policy.invalid(
            f"{source.subject} has {len(lines)} lines in its first {len(head)} bytes, but "
            f"skip_lines is {n_lines}; set the number of lines above the header"
        )
    return b"\n" * n_lines + b"".join(lines[n_lines:])


def _learned(
    head: bytes, dialect: Dialect, source: Source, policy: ParsePolicy
) -> tuple[Dialect, bytes]:
    """The dialect as the first lines show it, and these without Excel's ``sep=``."""
    first, end, _ = head[:64].partition(b"\n")
    text = first.decode("utf-8", "replace").strip().strip('"').lower()
    separator = text.removeprefix(_SEPARATOR_LINE) if text.startswith(_SEPARATOR_LINE) else ""
    if not separator and text == _SEPARATOR_LINE and end:
        separator = "\t"  # Stripped as white space.
    if len(separator) == 1 and end:
        # A blank line stays, so that lines keep their numbers.
        head = head[len(first.removesuffix(b"\r")) :]
        if dialect.delimiter is None:
            dialect = replace(dialect, delimiter=separator)
    # ``str.splitlines`` would end a line at U+2028 and the like, which may stand in a field.
    text = head.rstrip(b"\x1a\r\n").decode("utf-8", "replace")
    lines = io.StringIO(text, newline="").readlines()
    lines = lines[:-1] if len(lines) > 1 and len(head) >= _SAMPLE_BYTES else lines
    if is_libsvm(head):
        raise policy.invalid(
            f"{source.subject} looks like libsvm, {format_value(lines[0].rstrip())}, which is not "
            "CSV; set the channel's ContentType to text/libsvm"
        )
    if dialect.delimiter is None:
        dialect = replace(dialect, delimiter=find_delimiter(lines))
        if dialect.delimiter != ",":
            text = f"the fields are separated by {_title(dialect)}, as all its lines agree"
            text += "; set delimiter to say otherwise"
            source.note(Note(text, "delimiter", place=source.name))
    if quoted := single_quoted(lines, dialect.delimiter or ","):
        raise policy.invalid(
            f"{source.subject}: {format_value(quoted)} stands in single quotes, which are part of "
            "the text in CSV; write the file with double quotes, or without any, in pandas "
            'read_csv(file, quotechar="\'").to_csv(file, index=False)'
        )
    return dialect, head


def _title(dialect: Dialect) -> str:
    delimiter = dialect.delimiter or ","
    return _TITLES.get(delimiter, repr(delimiter))


def _translated(
    stream: Readable, dialect: Dialect, source: Source, policy: ParsePolicy
) -> "_Replayed":
    return _Replayed(b"", _Translation(stream, dialect, source, policy))


class _Translation:
    """Text with another separator, as a stream of text with commas."""

    def __init__(
        self, stream: Readable, dialect: Dialect, source: Source, policy: ParsePolicy
    ) -> None:
        self._delimiter = dialect.delimiter or ","
        self._source = source
        self._policy = policy
        self._decimals = Decimals(dialect.decimal, policy)
        self._line = 0
        self._n_bytes = 0
        self._has_escapes = False
        self._stream = stream
        self._blocks = self._translate()
        self._text = b""

    def read(self, size: int = -1) -> bytes:
        parts, n_bytes = [self._text], len(self._text)
        while size < 0 or n_bytes < size:
            block = next(self._blocks, b"")
            if not block:
                break
            parts.append(block)
            n_bytes += len(block)
        text = b"".join(parts)
        end = len(text) if size < 0 else size
        self._text = text[end:]
        return text[:end]

    def _translate(self) -> Iterator[bytes]:
        lines, n_characters = list[str](), 0
        head: list[list[str]] | None = []
        for fields in self._records():
            if head is not None:
                head.append(fields)
                if len(head) < self._policy.sample_rows:
                    continue
                lines.extend(self._begin(head))
                head = None
            else:
                lines.append(self._written(fields))
            n_characters += len(lines[-1])
            if n_characters > _BLOCK_CHARACTERS:
                cancellation.check()
                yield "".join(lines).encode("utf-8", "surrogateescape")
                lines, n_characters = [], 0
        if head is not None:
            lines.extend(self._begin(head))
        yield "".join(lines).encode("utf-8", "surrogateescape")
        if self._decimals.decimal == ",":
            text = "its numbers have decimal commas; set decimal=. if the commas separate thousands"
            self._source.note(Note(text, "decimal", place=self._source.name))

    def _begin(self, head: list[list[str]]) -> Iterable[str]:
        """The first records, which may show how decimals are written."""
        self._decimals.learn(head)
        last, self._line = self._line, 0
        for fields in head:
            self._line += 1 + sum(field.count("\n") for field in fields)
            yield self._written(fields)
        self._line = last

    def _written(self, fields: list[str]) -> str:
        at = TextBlock(self._source.name, b"").at_line(self._line)
        decimals = self._decimals
        return (
            ",".join(
                _quoted(decimals.read(field, at) if "," in field or "." in field else field)
                for field in fields
            )
            + "\n"
        )

    def _records(self) -> Iterator[list[str]]:
        reader = fields_of(self._lines(), self._delimiter, strict=True)
        try:
            for fields in reader:
                self._n_bytes = 0
                yield fields
        except csv.Error as error:
            place = TextBlock(self._source.name, b"").at_line(self._line)
            raise not_csv(place, error, self._policy, has_escapes=self._has_escapes) from error

    def _lines(self) -> Iterator[str]:
        buffered = io.BufferedReader(cast("io.RawIOBase", self._stream), _SAMPLE_BYTES)
        # Bytes that are not UTF-8 go on to the parser, which names their line.
        text = io.TextIOWrapper(buffered, "utf-8", "surrogateescape", newline="")
        for line in text:
            self._line += 1
            self._has_escapes = self._has_escapes or '\\"' in line
            self._n_bytes += len(line)
            if self._n_bytes > self._policy.longest_row(self._source.width):
                raise self._too_long()
            yield line

    def _too_long(self) -> ForestError:
        most = self._policy.longest_row(self._source.width)
        return too_long(self._source.name, self._line, self._policy, most)


def _quoted(field: str) -> str:
    if "," in field or '"' in field or "\n" in field or "\r" in field:
        return '"' + field.replace('"', '""') + '"'
    return field
