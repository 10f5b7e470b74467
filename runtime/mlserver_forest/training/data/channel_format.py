"""Which reader reads a channel: by its ContentType, else by the names of its files."""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats import registry
from mlserver_forest.formats.files.compression import format_by_name
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data import labeled_parts, parsed_parts
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.row_blocks import Block, KnownColumns

Parameters = Mapping[str, str]
Read = Callable[[Iterator[Part], KnownColumns, Columns, Parameters], Generator[Block]]

# A value in quotes may hold a semicolon.
_PARAMETER = re.compile(r'([^\s=;]+)\s*=\s*("[^"]*"|[^;]*)')
_HEAD_BYTES = 2**14


def reader(found: Format) -> Read:
    """The function that reads the parts of a channel of this format."""
    found = registry.find(found.read_as) or found
    read = parsed_parts.read if found.has_columns else labeled_parts.read
    return partial(read, load(found.parse))


def format_of(
    channel: Channel, paths: Sequence[Path], columns: Columns, note: Callable[[Note], None]
) -> tuple[Format, Parameters]:
    """The format of a channel, and the parameters of its ContentType.

    Args:
        channel: of the job.
        paths: of its files; none if it is a stream.
        columns: what the hyperparameters say about columns.
        note: is called if the format was found by the content of a file.

    Raises:
        InvalidData: for a content type that is not known, files of several formats, and
            what a format cannot do.
    """
    if channel.content_type and channel.content_type.strip():
        found, parameters = _by_content_type(channel, channel.content_type)
    else:
        found, parameters = _by_extension(channel, paths, note), {}
    if channel.mode == "Pipe" and not found.is_streamed and channel.record_wrapper != "RecordIO":
        raise InvalidData(
            f"channel {channel.name!r} has {found.name} files in Pipe mode, which come as one "
            "stream; use File or FastFile mode, or RecordWrapperType RecordIO"
        )
    if not found.has_columns:
        _refuse_columns(channel, found, columns)
    return found, parameters


def _by_content_type(channel: Channel, content_type: str) -> tuple[Format, Parameters]:
    media_type, _, texts = content_type.partition(";")
    parameters = {
        name.lower(): value.strip().strip('"').lower() for name, value in _PARAMETER.findall(texts)
    }
    name = media_type.strip().lower()
    for found in registry.FORMATS:
        if name in found.media_types or name in found.short_names:
            _check(channel, parameters)
            return found, parameters
    known = ", ".join(found.media_type for found in registry.FORMATS)
    raise InvalidData(
        f"channel {channel.name!r} has ContentType {format_value(media_type.strip())}; expected "
        f"one of {known}, or none: then the names of the files decide"
    )


def _check(channel: Channel, parameters: Parameters) -> None:
    for name, allowed in (
        ("label_size", ("1",)),
        ("header", ("present", "absent")),
        ("index_base", ("0", "1")),
    ):
        value = parameters.get(name, allowed[0])
        if value not in allowed:
            raise _unsuited(channel, name, value, " or ".join(allowed))
    if not (lines := parameters.get("skip_lines", "0")).isdecimal():
        raise _unsuited(channel, "skip_lines", lines, "a number of lines")


def _unsuited(channel: Channel, name: str, value: str, expected: str) -> InvalidData:
    return InvalidData(
        f"channel {channel.name!r} has {name}={format_value(value)} in its ContentType; expected "
        f"{expected}"
    )


def _by_extension(channel: Channel, paths: Sequence[Path], note: Callable[[Note], None]) -> Format:
    examples: dict[str, tuple[Format, Path]] = {}
    for path in paths:
        found = named_format(path.name)
        examples.setdefault(found.read_as or found.media_type, (found, path))
    if len(examples) > 1:
        listed = ", ".join(f"{found.name} ({path})" for found, path in examples.values())
        raise InvalidData(
            f"channel {channel.name!r} has files of several formats: {listed}; give each format a "
            "channel of its own, or set the channel's ContentType"
        )
    found = next((found for found, _ in examples.values()), registry.default())
    if not paths or any(format_by_name(path.name) for path in paths):
        return found
    return _recognized(paths[0], note)


def _recognized(path: Path, note: Callable[[Note], None]) -> Format:
    """The format of files whose names leave it open, by the first bytes of one."""
    try:
        stored = path.open("rb", buffering=0)
    except OSError:  # Reading it will say so.
        return registry.default()
    with stored:
        part = Part(str(path), cast("BinaryIO", stored), path)
        with part.inflated() as stream:
            found = registry.recognize(stream.read(_HEAD_BYTES))
    if found is None:
        return registry.default()
    text = f"{path} is read as {found.media_type}, as its lines look"
    note(Note(f"{text}; set ContentType to say otherwise", "ContentType"))
    return found


def named_format(name: str) -> Format:
    """The format that a file's name names, whatever compresses it; the default if it names none."""
    return format_by_name(name) or registry.default()


def _refuse_columns(channel: Channel, found: Format, columns: Columns) -> None:
    for name, value, default in (
        ("target", columns.target, 0),
        ("categories", columns.categories, ()),
        ("weight", columns.weight, None),
        ("ignore", columns.ignore, ()),
    ):
        if value != default:
            raise InvalidData(
                f"{name} is {value!r}, but channel {channel.name!r} has {found.name}, whose rows "
                f"have their label apart and no columns to choose from; leave {name} out"
            )
