"""Text in a declared encoding, or with a byte order mark, as UTF-8."""

import codecs
import re
from typing import Protocol

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsePolicy

# The bytes of text that are converted at a time.
_STEP = 2**20
# Those in which people have tables. Other codecs of Python, such as punycode, take time that grows
# with the square of the text, or are not of text.
_KNOWN = re.compile(
    r"utf-8|utf-8-sig|utf-16(-le|-be)?|utf-32(-le|-be)?|ascii|iso8859-\d+|cp\d+|koi8-[ru]|"
    r"mac-\w+|hp-roman8|tis-620|shift_jis(_2004|x0213)?|euc_(jp|jis_2004|jisx0213|kr)|"
    r"iso2022_\w+|gb2312|gbk|gb18030|hz|big5(hkscs)?|johab"
)
# UTF-8's, which some programs write although UTF-8 has no byte order.
BYTE_ORDER_MARK = codecs.BOM_UTF8
_GZIP = b"\x1f\x8b"
_MARKS = (
    (BYTE_ORDER_MARK, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8 = {"utf-8", "utf-8-sig", "ascii"}
_UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def without_mark(text: Body) -> Body:
    """Text without a byte order mark; ``bytearray.removeprefix`` copies it even if it has none."""
    if not text.startswith(BYTE_ORDER_MARK):
        return text
    return text[len(BYTE_ORDER_MARK) :]


def encoding_named(name: str) -> str | None:
    """Python's name of an encoding of text; None if it is not known, or does not hold text."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _KNOWN.fullmatch(found) else None


def encoding_marked(head: bytes) -> str | None:
    """The encoding that a byte order mark declares; None without one."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    return None


def is_utf8(encoding: str | None) -> bool:
    """Whether text in this encoding can be read as UTF-8."""
    return encoding is None or encoding in _UTF8


def likely_encoding(text: bytes) -> str:
    """The encoding that text which is not UTF-8 probably has; empty if there is no good guess."""
    if wide := likely_wide(text):
        return wide
    runs = re.findall(rb"[\x80-\xff]+", text)
    if any(byte in text for byte in _UNDEFINED_IN_CP1252) or sum(map(len, runs)) > 2 * len(runs):
        return ""
    return "cp1252"


def likely_wide(text: bytes) -> str:
    """The encoding of text of two bytes for each character; empty if it probably is not such."""
    at_even, at_odd = text[::2].count(0), text[1::2].count(0)
    # A damaged file may have NUL bytes anywhere.
    if at_even + at_odd <= len(text) // 4 or 2 * min(at_even, at_odd) > max(at_even, at_odd):
        return ""
    return "utf-16-le" if at_odd > at_even else "utf-16-be"


class Readable(Protocol):
    """A stream that is only read."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most as many as asked for; none at the end."""
        ...


class Utf8Stream:
    """A stream of text, converted to UTF-8 as it is read.

    Args:
        stream: text in the encoding.
        encoding: its name in Python.
    """

    def __init__(self, stream: Readable, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most as many as asked for; none at the end.

        Raises:
            UnicodeDecodeError: if the text is not in the encoding.
        """
        parts, n_bytes = [self._text], len(self._text)
        while size < 0 or n_bytes < size:
            more = self._stream.read(_STEP)
            text = self._decoder.decode(more, final=not more).encode("utf-8", "replace")
            parts.append(text)
            n_bytes += len(text)
            if not more:
                break
        text = b"".join(parts)
        end = len(text) if size < 0 else size
        self._text = text[end:]
        return text[:end]


def not_utf8(place: str, error: UnicodeDecodeError, policy: ParsePolicy) -> ForestError:
    """The error for text that is not UTF-8, with the encoding that it probably has."""
    likely = likely_encoding(error.object)
    named = likely or "ENCODING"
    probably = f", and probably {likely}" if likely else ""
    step = f"send Content-Type: text/csv; charset={named}, or UTF-8"
    if policy.is_training:
        step = (
            f"set encoding={named}, or charset={named} in the channel's ContentType, or write the "
            "file in UTF-8"
        )
    elif policy.reads_files:
        step = f"write the file in UTF-8, for example with iconv -f {named} -t UTF-8"
    elif error.object.startswith(_GZIP):
        probably, step = ", but gzip", "send Content-Encoding: gzip with it"
    return policy.invalid(f"{place}, byte {error.start + 1} is not UTF-8{probably}; {step}")
