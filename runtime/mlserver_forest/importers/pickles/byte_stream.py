"""The bytes of a pickle: inflated as they are read, and never more than are there."""

import bz2
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import pyarrow as pa

from mlserver_forest.errors import UnsupportedEstimator, format_value

_PIECE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16
# lzma's largest preset takes 65 MB.
_LZMA_BYTES = 1 << 28
# A forest compresses to a fifth or a tenth; this is far beyond, and keeps a bomb from inflating.
MOST_INFLATION = 200
FEW_BYTES = 1 << 26
_HEAD_BYTES = 512
_PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# Protocols 0 and 1 begin with their object: one of a class, a dictionary, a list, or text.
_OLD_STARTS = re.compile(
    rb"(?:\(?c|\(i)[\w.]+\n|\([dl]p\d+\n|\((?:[FILSV][^\n]*\n|c[\w.]+\n)|[\]}]q\0"
    rb"|(?:V[^\n]*|S(['\"])[^\n]*\1)\np0\n"
)
_OLD_TEXT = b"X"
# joblib before 0.10 put the length of the data behind these bytes, in text.
_OLD_JOBLIB = b"ZF"
_OLD_JOBLIB_HEADER = len(_OLD_JOBLIB) + len(hex(1 << 64))
INFLATION_FAULTS = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException)


class ByteStream:
    """A stream of which exact numbers of bytes are read.

    Args:
        stream: a stream, inflated.
        most: the largest number of bytes that may be read.
    """

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._most = most
        self.position = 0

    def read(self, n_bytes: int) -> bytes:
        """Read some bytes.

        Memory is taken as the bytes come, so a length that is only declared costs nothing.

        Raises:
            UnsupportedEstimator: if there are fewer, or if there are too many in all.
        """
        self._count(n_bytes)
        if n_bytes <= _PIECE_BYTES:
            data = self._read(n_bytes)
        else:
            pieces = bytearray()
            while len(pieces) < n_bytes:
                piece = self._read(min(n_bytes - len(pieces), _PIECE_BYTES))
                if not piece:
                    break
                pieces += piece
            data = bytes(pieces)
        if len(data) < n_bytes:
            raise UnsupportedEstimator(
                f"the pickle ends at byte {self.position - n_bytes + len(data)}, in the middle of "
                "a value; it was cut off: copy it again"
            )
        return data

    def read_line(self, most: int) -> bytes:
        """Read up to a line feed, which is left out.

        Raises:
            UnsupportedEstimator: if there is none within ``most`` bytes.
        """
        try:
            line = self._stream.readline(most + 1)
        except INFLATION_FAULTS as error:
            raise self._damaged(error) from error
        self._count(len(line))
        if not line.endswith(b"\n"):
            raise UnsupportedEstimator(
                f"the pickle has a line of more than {most} bytes before byte {self.position}, or "
                "ends there; it is damaged"
            )
        return line[:-1]

    def _read(self, n_bytes: int) -> bytes:
        try:
            return self._stream.read(n_bytes)
        except INFLATION_FAULTS as error:
            raise self._damaged(error) from error

    def _count(self, n_bytes: int) -> None:
        self.position += n_bytes
        if self.position > self._most:
            raise UnsupportedEstimator(
                f"the pickle inflates to more than {self._most} bytes, {MOST_INFLATION} times its "
                "size; a model does not: it is damaged, or made to fill the memory"
            )

    def _damaged(self, error: Exception) -> UnsupportedEstimator:
        return UnsupportedEstimator(
            f"the pickle cannot be inflated after byte {self.position}: {error}; it is damaged"
        )


class _Inflating(io.RawIOBase):
    """A stream that inflates another one.

    Args:
        source: the compressed bytes.
        make: returns a decompressor of the standard library.
    """

    def __init__(self, source: BinaryIO, make: Callable[[], Any]) -> None:
        self._source = source
        self._make = make
        self._codec = make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, most: int) -> bytes:
        while True:
            if self._codec.eof:  # gzip, bz2 and xz may have several parts.
                rest = self._codec.unused_data or self._source.read(_BUFFER_BYTES)
                if not rest.strip(b"\0"):
                    return b""
                self._codec = self._make()
            else:
                rest = getattr(self._codec, "unconsumed_tail", b"")
                if not rest and getattr(self._codec, "needs_input", True):
                    rest = self._source.read(_BUFFER_BYTES)
                    if not rest:
                        raise EOFError("the compressed data end too early")
            if data := self._codec.decompress(rest, most):
                return cast("bytes", data)


def _inflate(make: Callable[[], Any]) -> Callable[[BinaryIO], BinaryIO]:
    return lambda source: cast(
        "BinaryIO", io.BufferedReader(_Inflating(source, make), _BUFFER_BYTES)
    )


def _arrow(codec: str) -> Callable[[BinaryIO], BinaryIO]:
    def inflate(source: BinaryIO) -> BinaryIO:
        stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), codec)
        return cast("BinaryIO", io.BufferedReader(stream, _BUFFER_BYTES))

    return inflate


_zlib = _inflate(lambda: zlib.decompressobj(wbits=47))  # zlib's header, or gzip's.


def _old_joblib(source: BinaryIO) -> BinaryIO:
    source.read(_OLD_JOBLIB_HEADER)
    if cast("io.BufferedReader", source).peek(1)[:1] == b" ":  # Python 2 wrote a blank more.
        source.read(1)
    return _zlib(source)


# The compressions that joblib offers, and zstd, by the first bytes of a file.
CODECS: Mapping[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": _zlib,
    b"\x78\x01": _zlib,
    b"\x78\x5e": _zlib,
    b"\x78\x9c": _zlib,
    b"\x78\xda": _zlib,
    b"BZh": _inflate(bz2.BZ2Decompressor),
    b"\xfd7zXZ": _inflate(lambda: lzma.LZMADecompressor(memlimit=_LZMA_BYTES)),
    b"\x5d\x00\x00": _inflate(lambda: lzma.LZMADecompressor(memlimit=_LZMA_BYTES)),
    b"\x04\x22\x4d\x18": _arrow("lz4"),
    b"\x28\xb5\x2f\xfd": _arrow("zstd"),
    _OLD_JOBLIB: _old_joblib,
}


def is_plain_pickle(head: bytes) -> bool:
    """Whether bytes begin a pickle that is not compressed, of any protocol."""
    if head.startswith(_PROTOCOLS):
        return True
    if head.startswith(_OLD_TEXT):  # Its length, the text, and the place where it is kept.
        end = 5 + int.from_bytes(head[1:5], "little")
        return head[end : end + 2] == b"q\0"
    return _OLD_STARTS.match(head) is not None


def _require_pickle(inflated: io.BufferedReader) -> None:
    try:
        head = inflated.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    except INFLATION_FAULTS as error:
        raise UnsupportedEstimator(f"it is damaged: it cannot be inflated ({error})") from error
    if not is_plain_pickle(head):
        start = format_value(head[:8].decode("latin-1"))
        raise UnsupportedEstimator(
            f"it is compressed, and holds no pickle but a file that starts with {start}; unpack "
            "it, as with gzip -d, and give that file"
        )


def open_stream(source: io.BufferedReader, n_bytes: int) -> ByteStream:
    """The bytes of a file, inflated if they are compressed.

    Args:
        source: the file, at its start.
        n_bytes: its size.
    """
    head = source.peek(8)
    for magic, inflate in CODECS.items():
        if head.startswith(magic):
            most = max(FEW_BYTES, MOST_INFLATION * n_bytes)
            inflated = inflate(cast("BinaryIO", source))
            _require_pickle(cast("io.BufferedReader", inflated))
            return ByteStream(inflated, most)
    return ByteStream(cast("BinaryIO", source), sys.maxsize)
