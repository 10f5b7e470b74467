"""Content-Type and Accept, as HTTP defines them (RFC 9110, sections 8.3 and 12.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlserver_forest.errors import NotAcceptable, UnsupportedMediaType, format_value
from mlserver_forest.formats import registry
from mlserver_forest.formats.registry import Format
from mlserver_forest.formats.text_encoding import encoding_named

# The type of this server's documents and errors, and of V2 messages.
JSON = "application/json"
# curl sends it with -d, unless it is told another type.
_FORM = "application/x-www-form-urlencoded"
_FORM_HINT = "; with curl, set it with -H 'Content-Type: ...'"
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


def format_of(essence: str) -> Format:
    """The format of a media type that ``content_type`` or ``negotiate`` returned."""
    found = registry.find(essence)
    if found is None:
        raise UnsupportedMediaType(f"the media type {format_value(essence)} is unknown")
    return found


def content_type(header: str | None) -> MediaType:
    """The body's media type.

    Raises:
        UnsupportedMediaType: if it is absent, if requests may not have it, or if its character
            set is not read.
    """
    media_type = parse(header or "")
    found = registry.find(media_type.essence)
    if found is None and (found := _by_short_name(media_type.essence)):
        media_type = MediaType(found.media_type, media_type.parameters)
    if found is None:
        came = f"Content-Type {format_value(media_type.essence)}" if header else "no Content-Type"
        known = ", ".join(known.media_type for known in registry.FORMATS)
        hint = _FORM_HINT if media_type.essence == _FORM else ""
        raise UnsupportedMediaType(f"{came}; expected one of {known}{hint}")
    charset = media_type.parameters.get("charset", "utf-8")
    if charset.lower() not in _CHARSETS and not (found.has_charsets and encoding_named(charset)):
        raise UnsupportedMediaType(f"charset {format_value(charset)} is not read; send UTF-8")
    return media_type


def _by_short_name(name: str) -> Format | None:
    """The format of a name without a slash, such as ``csv``, which AWS's images read too."""
    return next((each for each in registry.FORMATS if name in each.short_names), None)


def answer_to(sent: MediaType) -> str:
    """The media type of an answer in the request's own family."""
    return format_of(sent.essence).answered_by or sent.essence


def negotiate(header: str | None, default: str) -> str:
    """The media type that Accept prefers, or ``default`` if it has no preference.

    Args:
        header: the Accept header, a list with q-values and wildcards.
        default: the media type if the header is absent or leaves it open.

    Raises:
        NotAcceptable: if the header excludes all media types of answers.
    """
    if header is None or header == "*/*":
        return default
    ranges = [_range(item) for item in _split(header, ",") if item.strip(" \t;")]
    if not ranges:
        return default
    written = [found.media_types for found in registry.answer_formats()]
    known = [names[0] for names in written]
    aliases = [name for names in written for name in names[1:]]
    candidates = tuple(dict.fromkeys((default, *known, *aliases)))
    qualities = [_quality(candidate, ranges) for candidate in candidates]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept {format_value(header)} allows none of the answers: {', '.join(known)}"
        )
    return candidates[qualities.index(best)]


def _range(text: str) -> MediaType:
    """A media range; a lone asterisk, which Java's URLConnection sends, is all of them."""
    accepted = parse(text)
    if accepted.essence == "*":
        return MediaType("*/*", accepted.parameters)
    found = _by_short_name(accepted.essence)
    return MediaType(found.media_type, accepted.parameters) if found else accepted


def _quality(candidate: str, ranges: Sequence[MediaType]) -> float:
    """The q-value of the most specific range that matches; 0 if none does."""
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
    """Split at separators outside double quotes."""
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
