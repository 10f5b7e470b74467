"""Compressed request bodies; the first byte of an input chooses the coding."""

import gzip
import zlib

from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from mlserver_forest.errors import InvalidInput
    from mlserver_forest.serving.http.content_codings import Inflation

_CODINGS = ("gzip", "deflate")
_MOST = 1 << 20


def make_samples():
    """Bodies of one member and of several, of zlib and without its header, and a large one."""
    rows = b"5.9,3.0,5.1,1.8\n" * 40
    raw = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = [zlib.compress(rows), raw.compress(rows) + raw.flush(), zlib.compress(b"")]
    gzipped = [gzip.compress(rows), gzip.compress(rows) + gzip.compress(b""), gzip.compress(b"")]
    large = gzip.compress(bytes(4 * _MOST))
    return [*(b"\0" + body for body in (*gzipped, large)), *(b"\1" + body for body in deflated)]


def read(data):
    """Inflate in steps; what is read is what Python's own modules read at once."""
    coding, body = _CODINGS[data[0] % 2 if data else 0], bytes(data[1:])
    inflation, size = Inflation(body, coding), 1000
    while not inflation.is_complete and size <= _MOST:
        inflation.grow(size)
        assert len(inflation) <= size
        size *= 2
    if inflation.is_complete:
        assert bytes(inflation.take()) == (
            gzip.decompress(body) if coding == "gzip" else _at_once(body)
        )


def _at_once(body):
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)


TARGET = Target("content_codings", make_samples, read, (InvalidInput,))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
