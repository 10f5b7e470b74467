"""Faults for inputs of any form: bits, lengths, numbers, tokens, and parts of other inputs."""

import io
import re
import zipfile

_TOKENS = [
    *b"1e999 -1e999 1e-999 NaN nan Infinity -inf null true false 0x1 1_0 +1".split(),
    *b".5 1. - [] {}".split(),
    *(b'"" "1" "x" "\\ud800" \xff \xc3\xa9 \x00 -1 1.5 4294967296 9223372036854775807'.split()),
    *(b"18446744073709551616", b"9" * 400, b"1" * 5000, b"0." + b"0" * 400 + b"1"),
    *(b"[" * 2000, b'{"a":' * 500, b"," * 3000, b"\n" * 300, b'"', b"\r", b"\xef\xbb\xbf"),
]
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_INTEGERS = [0, 1, 2, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
_INTEGERS += [2**63, 2**64 - 1, 2**62, 2**40, 10**9, 10**12]


def mutate(body, samples, rng):
    """A body with some faults, now and then with none."""
    body = bytearray(body)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 4))):
        body = rng.choice(_MUTATIONS)(body, samples, rng)
    return body


def noise(rng):
    letters = rng.choice((bytes(range(256)), b'0123456789.,-+eE"\n []{}:naN', b"\x00\xff\x01"))
    return bytes(rng.choices(letters, k=rng.choice((0, 1, 3, 20, 300, 3000))))


def as_varint(number):
    """A whole number as protobuf and Thrift write it."""
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def mutate_archive(body, samples, rng):
    """A zip archive with faults in one member, whose checksums are right; or with any faults."""
    if rng.random() > 0.6 or not zipfile.is_zipfile(io.BytesIO(body)):
        return mutate(body, samples, rng)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as read, zipfile.ZipFile(file, "w") as archive:
        chosen = rng.choice(read.namelist())
        for entry in read.infolist():
            content = read.read(entry)
            if entry.filename == chosen:
                content = mutate(content, samples, rng)
            archive.writestr(entry, content)
    return file.getvalue()


def _place(body, rng):
    return rng.randrange(len(body) + 1)


def _span(body, rng):
    start = _place(body, rng)
    return start, min(start + rng.choice((1, 4, 8, 40, 400)), len(body))


def _flip(body, _, rng):
    for _ in range(rng.randint(1, 4) if body else 0):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return body


def _cut(body, _, rng):
    return body[: _place(body, rng)]


def _behead(body, _, rng):
    return body[_place(body, rng) :]


def _delete(body, _, rng):
    start, stop = _span(body, rng)
    return body[:start] + body[stop:]


def _repeat(body, _, rng):
    start, stop = _span(body, rng)
    times = rng.choice((1, 2, 30))
    return body[:start] + body[start:stop] * times + body[start:]


def _splice(body, samples, rng):
    return body[: _place(body, rng)] + (other := rng.choice(samples))[_place(other, rng) :]


def _double(body, samples, rng):
    return body + rng.choice(samples)


def _overwrite(body, _, rng):
    """An integer that may be a length."""
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice(_INTEGERS) % (1 << 8 * size)
    start = _place(body, rng)
    body[start : start + size] = number.to_bytes(size, rng.choice(("little", "little", "big")))
    return body


def _varint(body, _, rng):
    """The same as protobuf and Thrift write it."""
    start = _place(body, rng)
    return body[:start] + as_varint(rng.choice(_INTEGERS)) + body[start + rng.randint(0, 3) :]


def _token(body, _, rng):
    """Something else in the place of a number."""
    found = list(_NUMBER.finditer(body))
    if not found:
        return body
    chosen = rng.choice(found)
    other = rng.choice(_TOKENS) if rng.random() < 0.7 else str(rng.choice(_INTEGERS)).encode()
    return body[: chosen.start()] + other + body[chosen.end() :]


def _insert(body, _, rng):
    start = _place(body, rng)
    return body[:start] + rng.choice(_TOKENS) + body[start:]


_MUTATIONS = (
    *(_flip, _flip, _cut, _behead, _delete, _repeat, _splice, _double, _overwrite, _overwrite),
    *(_varint, _token, _token, _token, _insert),
)
