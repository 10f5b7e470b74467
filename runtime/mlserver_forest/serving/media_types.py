"""Content-Type and Accept, as HTTP defines them (RFC 9110, sections 8.3 and 12.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlserver_forest.errors import NotAcceptable, UnsupportedMediaType
from mlserver_forest.formats.quoting import quoted

CSV = "text/csv"
JSON = "application/json"
SUPPORTED = (CSV, JSON)


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


def content_type(header: str | None) -> MediaType:
    """The body's media type.

    Raises:
        UnsupportedMediaType: if it is absent or not one of ``SUPPORTED``.
    """
    media_type = parse(header or "")
    if media_type.essence not in SUPPORTED:
        came = f"Content-Type {quoted(media_type.essence)}" if header else "no Content-Type"
        raise UnsupportedMediaType(f"{came}; expected one of {', '.join(SUPPORTED)}")
    return media_type


def negotiate(header: str | None, default: str) -> str:
    """The supported media type that Accept prefers; ``default`` where it says nothing.

    Args:
        header: the Accept header, a list with q-values and wildcards.
        default: what to answer where the header is absent or leaves it open.

    Raises:
        NotAcceptable: if the header rules out all of ``SUPPORTED``.
    """
    ranges = [parse(item) for item in _split(header or "", ",") if item.strip(" \t;")]
    if not ranges:
        return default
    candidates = (default, *(name for name in SUPPORTED if name != default))
    qualities = [_quality(candidate, ranges) for candidate in candidates]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept {quoted(header)} allows none of the answers: {', '.join(SUPPORTED)}"
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
    parts, inside = [""], False
    for character in text:
        inside ^= character == '"'
        if character == separator and not inside:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
