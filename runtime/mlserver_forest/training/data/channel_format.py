"""Which reader reads a channel: by its ContentType, else by the names of its files."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data import (
    csv_parts,
    json_parts,
    libsvm_parts,
    parquet_parts,
    recordio_parts,
)
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Known

Parameters = Mapping[str, str]
Read = Callable[[Iterator[Part], Known, Columns, Parameters], Generator[Block]]

_COMPRESSED = (".gz", ".gzip")


@dataclass(frozen=True)
class Format:
    """How the parts of a channel are read.

    Attributes:
        name: for messages.
        read: the parts -> blocks of rows.
        media_types: that mean this format, in lower case.
        extensions: that mean this format.
        splits: whether records of a framed stream are files of this format; else the
            reader knows such records.
        is_streamed: whether a stream of files one after the other can be read.
        has_columns: whether the target stands in one of the columns.
    """

    name: str
    read: Read
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    splits: bool = True
    is_streamed: bool = True
    has_columns: bool = True


CSV = Format("CSV", csv_parts.read, ("text/csv", "application/csv", "csv"), (".csv",))
FORMATS = (
    CSV,
    Format(
        "Parquet",
        parquet_parts.read,
        (
            "application/x-parquet",
            "application/parquet",
            "application/vnd.apache.parquet",
            "parquet",
        ),
        (".parquet", ".pq"),
        is_streamed=False,
    ),
    Format(
        "JSON",
        json_parts.read,
        ("application/json",),
        (".jsonl", ".ndjson", ".jsonlines", ".json"),
    ),
    Format(
        "JSON lines",
        json_parts.read_lines,
        (
            "application/jsonlines",
            "application/x-jsonlines",
            "application/jsonl",
            "application/x-ndjson",
        ),
        (),
    ),
    Format(
        "libsvm",
        libsvm_parts.read,
        ("text/libsvm", "text/x-libsvm", "libsvm"),
        (".libsvm", ".svmlight", ".svm"),
        has_columns=False,
    ),
    Format(
        "RecordIO-protobuf",
        recordio_parts.read,
        ("application/x-recordio-protobuf", "application/x-recordio", "recordio-protobuf"),
        (".recordio", ".rec", ".pbr", ".protobuf"),
        splits=False,
        has_columns=False,
    ),
)


def format_of(
    channel: Channel, paths: Sequence[Path], columns: Columns
) -> tuple[Format, Parameters]:
    """The format of a channel, and the parameters of its ContentType.

    Raises:
        InvalidData: for a content type that is not known, files of several formats, and
            what a format cannot do.
    """
    if channel.content_type and channel.content_type.strip():
        found, parameters = _by_content_type(channel, channel.content_type)
    else:
        found, parameters = _by_extension(channel, paths), {}
    if channel.mode == "Pipe" and not found.is_streamed and channel.record_wrapper != "RecordIO":
        raise InvalidData(
            f"channel {channel.name!r} has {found.name} files in Pipe mode, which come as one "
            "stream; use File or FastFile mode, or RecordWrapperType RecordIO"
        )
    if not found.has_columns:
        _refuse_columns(channel, found, columns)
    return found, parameters


def _by_content_type(channel: Channel, content_type: str) -> tuple[Format, Parameters]:
    media_type, *texts = content_type.split(";")
    pairs = (text.partition("=") for text in texts)
    parameters = {
        name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs
    }
    for found in FORMATS:
        if media_type.strip().lower() in found.media_types:
            _check(channel, parameters)
            return found, parameters
    known = ", ".join(found.media_types[0] for found in FORMATS)
    raise InvalidData(
        f"channel {channel.name!r} has ContentType {format_value(media_type.strip())}; expected "
        "one of "
        f"{known}, or none, where the names of the files tell"
    )


def _check(channel: Channel, parameters: Parameters) -> None:
    for name, allowed in (
        ("label_size", ("1",)),
        ("header", ("present", "absent")),
        ("index_base", ("0", "1")),
    ):
        value = parameters.get(name, allowed[0])
        if value not in allowed:
            raise InvalidData(
                f"channel {channel.name!r} has {name}={format_value(value)} in its ContentType; "
                f"expected {' or '.join(allowed)}"
            )


def _by_extension(channel: Channel, paths: Sequence[Path]) -> Format:
    examples: dict[str, Path] = {}
    for path in paths:
        examples.setdefault(_named_format(path.name).name, path)
    if len(examples) > 1:
        listed = ", ".join(f"{name} ({path})" for name, path in examples.items())
        raise InvalidData(
            f"channel {channel.name!r} has files of several formats: {listed}; give each format a "
            "channel of its own, or set the channel's ContentType"
        )
    return next((form for form in FORMATS if form.name in examples), CSV)


def _named_format(name: str) -> Format:
    name = name.lower()
    for extension in _COMPRESSED:
        name = name.removesuffix(extension)
    return next((form for form in FORMATS if name.endswith(form.extensions)), CSV)


def _refuse_columns(channel: Channel, found: Format, columns: Columns) -> None:
    for name, value, default in (
        ("target", columns.target, 0),
        ("weight", columns.weight, None),
        ("ignore", columns.ignore, ()),
    ):
        if value != default:
            raise InvalidData(
                f"{name} is {value!r}, but channel {channel.name!r} has {found.name}, whose rows "
                f"have their label apart and no columns to choose from; leave {name} out"
            )
