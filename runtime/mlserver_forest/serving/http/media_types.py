"""Content-Type and Accept, as HTTP defines them (RFC 9110, sections 8.3 and 12.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlserver_forest.errors import NotAcceptable, UnsupportedMediaType, format_value

CSV = "text/csv"
JSON = "application/json"
JSONLINES = "application/jsonlines"
LIBSVM = "text/libsvm"
NPY = "application/x-npy"
NPZ = "application/x-npz"
PARQUET = "application/x-parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
RECORDIO = "application/x-recordio-protobuf"

READ = (CSV, JSON, JSONLINES, NPY, NPZ, PARQUET, ARROW_STREAM, LIBSVM, RECORDIO)
WRITTEN = (CSV, JSON, JSONLINES, NPY, PARQUET, ARROW_STREAM, RECORDIO)
# Other names that clients use; an answer bears the name that was asked for.
ALIASES: Mapping[str, str] = {
    "application/x-jsonlines": JSONLINES,
    "application/x-ndjson": JSONLINES,
    "application/vnd.apache.parquet": PARQUET,
    "text/x-libsvm": LIBSVM,
}
# What answers a type that is only read.
_FAMILY: Mapping[str, str] = {NPZ: NPY, LIBSVM: CSV}
_EXPANDING = (NPZ, PARQUET, ARROW_STREAM, LIBSVM)
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type's essence in lower case, and its parameters."""

    essence: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> MediaType:
    """Parse ``type/subtype; name=value; ...``; names and essence in lower case."""
    essence, *rest = _split(text, ";")
    parameters = {}
    for parameter in rest:
        name, _, value = parameter.partition("=")
        parameters[name.strip().lower()] = _unquote(value.strip())
    return MediaType(essence.strip().lower(), parameters)


def format_of(essence: str) -> str:
    """The format that a media type names, itself or by an alias."""
    return ALIASES.get(essence, essence)


def content_type(header: str | None) -> MediaType:
    """The body's media type.

    Raises:
        UnsupportedMediaType: if it is absent, not one of ``READ`` or in another
            character set than UTF-8.
    """
    media_type = parse(header or "")
    if format_of(media_type.essence) not in READ:
        came = f"Content-Type {format_value(media_type.essence)}" if header else "no Content-Type"
        raise UnsupportedMediaType(f"{came}; expected one of {', '.join(READ)}")
    charset = media_type.parameters.get("charset", "utf-8")
    if charset.lower() not in _CHARSETS:
        raise UnsupportedMediaType(f"charset {format_value(charset)} is not read; send UTF-8")
    return media_type


def may_expand(sent: MediaType) -> bool:
    """Whether a small body may hold many rows."""
    return format_of(sent.essence) in _EXPANDING


def answer_to(sent: MediaType) -> str:
    """The media type of an answer in the request's own family."""
    return _FAMILY.get(format_of(sent.essence), sent.essence)


def negotiate(header: str | None, default: str) -> str:
    """The media type that Accept prefers; ``default`` where it says nothing.

    Args:
        header: the Accept header, a list with q-values and wildcards.
        default: what to answer where the header is absent or leaves it open.

    Raises:
        NotAcceptable: if the header rules out all of ``WRITTEN``.
    """
    if header is None or header == "*/*":
        return default
    ranges = [parse(item) for item in _split(header, ",") if item.strip(" \t;")]
    if not ranges:
        return default
    named = [name for name, known in ALIASES.items() if known in WRITTEN]
    candidates = tuple(dict.fromkeys((default, *WRITTEN, *named)))
    qualities = [_quality(candidate, ranges) for candidate in candidates]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept {format_value(header)} allows none of the answers: {', '.join(WRITTEN)}"
        )
    return candidates[qualities.index(best)]


def _quality(candidate: str, ranges: Sequence[MediaType]) -> float:
    """The q-value of the most specific range that matches; 0 where none does."""
    for pattern in (candidate, candidate.partition("/")[0] + "/*", "*/*"):
        matches = [_q(accepted) for accepted in ranges if accepted.essence == pattern]
        if matches:
            return max(matches)
    return 0.0


def _q(accepted: MediaType) -> float:
    try:
        quality = float(accepted.parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _split(text: str, separator: str) -> list[str]:
    """Split outside double quotes."""
    if '"' not in text:
        return text.split(separator)
    parts, start, inside = [], 0, False
    for place, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif character == separator and not inside:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
