"""gzip and deflate: bodies that come compressed, and answers that leave so (RFC 9110, 8.4).

A compressed body may become a thousand times as long, so it is inflated in steps, each of which is
allowed before its memory is taken.
"""

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from mlserver_forest import cancellation
from mlserver_forest.errors import (
    InvalidInput,
    NotAcceptable,
    UnsupportedCoding,
    format_value,
)
from mlserver_forest.formats.matrix import Body

# The preferred coding first, with what zlib calls its window.
_WINDOWS: Mapping[str, int] = {"gzip": 31, "deflate": 15}
_ALIASES = {"x-gzip": "gzip"}
_RAW_WINDOW = -15  # What some clients call deflate: no header of zlib's around it (8.4.1.2).
_IDENTITY, _ANY = "identity", "*"
CODINGS = ", ".join(_WINDOWS)
# Fast: 9 ns a byte, and an eighth of the text of probabilities is left; level 6 takes four times
# as long for a fourth less.
_LEVEL = 1
# What is inflated, and what is read for it, at a time.
_PIECE_BYTES = 1 << 16
_MOST_CACHED = 256
_LONGEST_CACHED = 256


def coding_of(header: bytes | None) -> str | None:
    """The one coding of a body; None if it comes as it is.

    Args:
        header: Content-Encoding, a list.

    Raises:
        UnsupportedCoding: naming what is read, if it is another one, or several.
    """
    if header is None:
        return None
    text = header.decode("latin-1")
    names = [name.strip().lower() for name in text.split(",")]
    found = [_ALIASES.get(name, name) for name in names if name not in ("", _IDENTITY)]
    if not found:
        return None
    if len(found) > 1 or found[0] not in _WINDOWS:
        raise UnsupportedCoding(
            f"Content-Encoding {format_value(text)} is not read; expected one of {CODINGS}, or "
            "send the body uncompressed"
        )
    return found[0]


class Preference(NamedTuple):
    """What a client wants of an answer's coding.

    Attributes:
        coding: the coding that it prefers, of those that are written; None for none.
        is_required: whether an answer that is not compressed is unacceptable.
    """

    coding: str | None
    is_required: bool


def preferred(header: bytes) -> Preference:
    """The coding that Accept-Encoding prefers, by its q-values.

    Raises:
        NotAcceptable: if it excludes every coding that is written, and answers as they are.
    """
    read = _preferred if len(header) <= _LONGEST_CACHED else _preferred.__wrapped__
    preference: Preference | None = read(header)
    if preference is None:
        raise NotAcceptable(
            f"Accept-Encoding {format_value(header.decode('latin-1'))} allows none of the codings: "
            f"{CODINGS}, {_IDENTITY}"
        )
    return preference


NO_PREFERENCE = Preference(None, is_required=False)


@lru_cache(_MOST_CACHED)
def _preferred(header: bytes) -> Preference | None:
    qualities: dict[str, float] = {}
    for item in header.decode("latin-1").split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        qualities[_ALIASES.get(name, name)] = _quality(parameters)
    any_other = qualities.get(_ANY, 0.0)
    quality, coding = max(
        ((qualities.get(name, any_other), name) for name in _WINDOWS), key=lambda found: found[0]
    )
    # What is not named is acceptable for answers as they are, unless * excludes it.
    as_it_is = qualities.get(_IDENTITY, any_other if _ANY in qualities else 1.0)
    if quality <= 0:
        return None if as_it_is <= 0 else NO_PREFERENCE
    if _IDENTITY in qualities and as_it_is > quality:
        return NO_PREFERENCE
    return Preference(coding, is_required=as_it_is <= 0)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


class Deflation:
    """Compresses the blocks of an answer.

    Args:
        coding: as ``preferred`` returns it.
    """

    def __init__(self, coding: str) -> None:
        self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOWS[coding])

    def block(self, block: bytes) -> bytes:
        """Compress a block; what is returned may be empty."""
        return self._deflater.compress(block)

    def last(self) -> bytes:
        """The end of the body."""
        return self._deflater.flush()

    def whole(self, body: bytes) -> bytes:
        """Compress a whole body."""
        return self.block(body) + self.last()


class Inflation:
    """A compressed body, inflated as far as is allowed.

    Args:
        body: the body as it came.
        coding: as ``coding_of`` returns it.

    Attributes:
        n_compressed: how many bytes came.
        is_complete: whether all of it is inflated.
    """

    def __init__(self, body: Body, coding: str) -> None:
        self.n_compressed = len(body)
        self._left = memoryview(body)
        self._coding = coding
        self._window = _WINDOWS[coding]
        if coding == "deflate" and not _is_zlib(body):
            self._window = _RAW_WINDOW
        self._inflater = zlib.decompressobj(self._window)
        self._pending = b""  # Input that has been taken and not been inflated.
        self._inflated = bytearray()
        self.is_complete = False

    def __len__(self) -> int:
        """How many bytes are inflated."""
        return len(self._inflated)

    def grow(self, n_bytes: int) -> None:
        """Inflate until there are so many bytes, or all.

        Raises:
            InvalidInput: if the body is damaged.
        """
        while not self.is_complete and len(self._inflated) < n_bytes:
            cancellation.check()
            try:
                self._inflated += self._piece(min(n_bytes - len(self._inflated), _PIECE_BYTES))
            except zlib.error as error:
                raise self._damage(str(error)) from error

    def take(self) -> bytearray:
        """The body, once it is complete."""
        return self._inflated

    def _piece(self, n_bytes: int) -> bytes:
        if not self._pending:
            self._pending = bytes(self._left[:_PIECE_BYTES])
            self._left = self._left[_PIECE_BYTES:]
        inflater = self._inflater
        piece = inflater.decompress(self._pending, n_bytes)
        self._pending = inflater.unconsumed_tail
        if inflater.eof:
            self._pending = inflater.unused_data
            self._end_member()
        elif not piece and not self._pending and not self._left:
            raise self._damage("it ends too early")
        return piece

    def _end_member(self) -> None:
        """The end, or another member; only gzip has several (RFC 1952, 2.2)."""
        if not self._pending and not self._left:
            self.is_complete = True
        elif self._coding != "gzip":
            raise self._damage("bytes follow its end")
        else:
            self._inflater = zlib.decompressobj(self._window)

    def _damage(self, why: str) -> InvalidInput:
        return InvalidInput(
            f"the body is not valid {self._coding}, as Content-Encoding says: {why}; compress it "
            "again, or leave Content-Encoding out"
        )


def _is_zlib(body: Body) -> bool:
    """Whether bytes begin with a header of zlib's (RFC 1950, 2.2)."""
    return len(body) > 1 and body[0] & 15 == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
