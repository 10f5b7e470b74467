"""Media types: one row for each, with all that differs between them.

Everything else asks this table and names no media type itself. Functions are named by text and
imported when they are asked for, so that the table can be read without NumPy and pyarrow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

_FORMATS = "mlserver_forest.formats"


@dataclass(frozen=True)
class Format:
    """A media type.

    Attributes:
        name: for messages.
        media_types: the canonical name first, then aliases; an answer bears the name that the
            request asked for.
        extensions: of files that hold it, in lower case.
        parse: "module:function", which turns bytes into rows, for training and serving alike: a
            ``source.Parse``, or a ``labeled_rows.ParseLabeled`` unless ``has_columns``.
        plain_reader: "module:function" of a schema, which returns a ``source.ReadPlain``.
        read_array: "module:function" of a body, which views it as one array of numbers of any
            shape; None if it is a table with names.
        recognizes: "module:function" of the first bytes of a file that neither its name nor a
            content type says the format of, which returns whether they are of this one.
        read_as: the media type whose parser reads the files of a channel, which may then hold
            either format.
        write: "module:function", which turns predictions into blocks of bytes.
        chunks: "module:function", a ``chunk.ReadChunks``, which turns a file into chunks.
        spans: "module:function" of (source, policy, rows), which returns spans of a file that can
            be read apart, and the rows of each.
        write_file: "module:function", which turns the predictions of one or more consecutive chunks
            of rows into the blocks of a file.
        join: "module:function", which turns the paths of such files into the blocks of one file.
        read_row: "module:function", which turns a body that is plainly one row of numbers into a
            list of floats, and anything else into None.
        row_writer: "module:function" of (schema, whether the line is ended), which returns what
            writes the answer to one row, or None.
        short_names: names without a slash that a channel's ContentType may have, as those of
            SageMaker's built-in algorithms.
        answered_by: the media type of answers, for one that is only read.
        may_expand: whether a small body may hold many rows.
        has_one_value: whether a row of an answer is one value unless outputs are chosen by name.
        has_lines: whether each line is a record.
        has_charsets: whether text may have another encoding than UTF-8, which ``charset`` declares.
        has_messages: whether a request may be a message of the V2 protocol.
        is_streamed: whether a stream of several files, one after the other, can be read.
        splits: whether each record of a stream with RecordIO framing is a file of this format;
            if not, the parser reads such records itself.
        has_columns: whether the label is one of the columns; if not, it is separate.
        captured_as: the kind of text that SageMaker's data capture keeps readable; all else is
            captured as Base64.
    """

    name: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    parse: str = ""
    plain_reader: str = ""
    read_array: str = ""
    recognizes: str = ""
    read_as: str = ""
    write: str = ""
    chunks: str = ""
    spans: str = ""
    write_file: str = ""
    join: str = ""
    read_row: str = ""
    row_writer: str = ""
    short_names: tuple[str, ...] = ()
    answered_by: str = ""
    may_expand: bool = False
    has_one_value: bool = False
    has_lines: bool = False
    has_charsets: bool = False
    has_messages: bool = False
    is_streamed: bool = True
    splits: bool = True
    has_columns: bool = True
    captured_as: Literal["Csv", "Json", ""] = ""

    @property
    def media_type(self) -> str:
        """The canonical name."""
        return self.media_types[0]


FORMATS: tuple[Format, ...] = (
    Format(
        "CSV",
        ("text/csv", "application/csv"),
        (".csv", ".tsv", ".tab"),
        parse=f"{_FORMATS}.csv.text_csv:parse",
        plain_reader=f"{_FORMATS}.csv.text_csv:plain_reader",
        write=f"{_FORMATS}.csv.csv_writer:encode",
        chunks=f"{_FORMATS}.csv.csv_chunks:chunks",
        write_file=f"{_FORMATS}.csv.csv_writer:write_file",
        join=f"{_FORMATS}.csv.csv_writer:join",
        read_row=f"{_FORMATS}.csv.csv_row:read_row",
        row_writer=f"{_FORMATS}.csv.csv_writer:row_writer",
        short_names=("csv",),
        has_one_value=True,
        has_lines=True,
        has_charsets=True,
        captured_as="Csv",
    ),
    Format(
        "JSON",
        ("application/json",),
        (".json",),
        parse=f"{_FORMATS}.json.application_json:parse",
        write=f"{_FORMATS}.json.application_json:encode",
        read_row=f"{_FORMATS}.json.json_row:read_row",
        row_writer=f"{_FORMATS}.json.json_row:row_writer",
        has_messages=True,
        captured_as="Json",
    ),
    Format(
        "JSON lines",
        (
            "application/jsonlines",
            "application/x-jsonlines",
            "application/x-ndjson",
            "application/jsonl",
        ),
        (".jsonl", ".ndjson", ".jsonlines"),
        parse=f"{_FORMATS}.json.application_jsonlines:parse",
        write=f"{_FORMATS}.json.application_jsonlines:encode",
        chunks=f"{_FORMATS}.json.json_line_chunks:chunks",
        write_file=f"{_FORMATS}.json.application_jsonlines:write_file",
        join=f"{_FORMATS}.json.application_jsonlines:join",
        read_as="application/json",
        has_lines=True,
        captured_as="Json",
    ),
    Format(
        "NumPy",
        ("application/x-npy",),
        (".npy",),
        parse=f"{_FORMATS}.npy.x_npy:parse",
        read_array=f"{_FORMATS}.npy.x_npy:read_array",
        write=f"{_FORMATS}.npy.x_npy:encode",
        is_streamed=False,
        has_one_value=True,
    ),
    Format(
        "NumPy archive",
        ("application/x-npz",),
        (".npz",),
        parse=f"{_FORMATS}.npy.x_npz:parse",
        is_streamed=False,
        answered_by="application/x-npy",
        may_expand=True,
    ),
    Format(
        "Parquet",
        ("application/x-parquet", "application/vnd.apache.parquet", "application/parquet"),
        (".parquet", ".pq"),
        parse=f"{_FORMATS}.parquet.x_parquet:parse",
        write=f"{_FORMATS}.parquet.x_parquet:encode",
        chunks=f"{_FORMATS}.parquet.parquet_chunks:chunks",
        spans=f"{_FORMATS}.parquet.parquet_chunks:spans",
        write_file=f"{_FORMATS}.parquet.x_parquet:write_file",
        join=f"{_FORMATS}.parquet.x_parquet:join",
        short_names=("parquet",),
        may_expand=True,
        is_streamed=False,
    ),
    Format(
        "Arrow",
        ("application/vnd.apache.arrow.stream",),
        (".arrow", ".arrows", ".feather", ".ipc"),
        parse=f"{_FORMATS}.arrow.arrow_stream:parse",
        write=f"{_FORMATS}.arrow.arrow_stream:encode",
        chunks=f"{_FORMATS}.arrow.arrow_chunks:chunks",
        write_file=f"{_FORMATS}.arrow.arrow_stream:write_file",
        join=f"{_FORMATS}.arrow.arrow_stream:join",
        short_names=("application/vnd.apache.arrow.file", "feather"),
        may_expand=True,
        is_streamed=False,
    ),
    Format(
        "libsvm",
        ("text/libsvm", "text/x-libsvm"),
        (".libsvm", ".svmlight", ".svm"),
        parse=f"{_FORMATS}.libsvm.text_libsvm:parse",
        recognizes=f"{_FORMATS}.libsvm.libsvm_head:is_libsvm",
        short_names=("libsvm",),
        answered_by="text/csv",
        may_expand=True,
        has_lines=True,
        has_columns=False,
    ),
    Format(
        "RecordIO-protobuf",
        ("application/x-recordio-protobuf", "application/x-recordio"),
        (".recordio", ".rec", ".pbr", ".protobuf"),
        parse=f"{_FORMATS}.recordio.x_recordio_protobuf:parse",
        write=f"{_FORMATS}.recordio.x_recordio_protobuf:encode",
        short_names=("recordio-protobuf",),
        splits=False,
        has_columns=False,
    ),
)


def default() -> Format:
    """The format of text for which neither a content type nor an extension names one."""
    return FORMATS[0]


def find(media_type: str) -> Format | None:
    """The format that a media type names, itself or by an alias; None for an unknown one."""
    return next((found for found in FORMATS if media_type in found.media_types), None)


def find_by_file(name: str) -> Format | None:
    """The format that a file's extension names, None if it names none."""
    name = name.lower()
    return next((found for found in FORMATS if name.endswith(found.extensions)), None)


def recognize(head: bytes) -> Format | None:
    """The format of a text that is not plainly the default one; None if it is."""
    found = (known for known in FORMATS if known.recognizes and load(known.recognizes)(head))
    return next(found, None)


def answer_formats() -> tuple[Format, ...]:
    """Those that answers may have."""
    return tuple(found for found in FORMATS if found.write)


@cache
def load(function: str) -> Callable[..., Any]:
    """The function that a row names as "module:function"."""
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def load_for_serving() -> None:
    """Import all that requests may need, so that none of them waits for it."""
    for function in _serving_functions():
        load(function)


def _serving_functions() -> Iterator[str]:
    for found in FORMATS:
        functions = (
            found.parse,
            found.plain_reader,
            found.read_array,
            found.write,
            found.read_row,
            found.row_writer,
        )
        yield from filter(None, functions)
