"""Right bodies for each decoder, from the libraries that write them, and their mutations."""

import io
import json
import re
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from mlserver_forest.schema.schema import Schema

NAMES = ("a", "b", "c", "d")
SCHEMAS = (
    *[Schema(NAMES, "regression")] * 4,
    Schema(NAMES, "regression", datatype="FP64", absent_is_missing=True, index_base=1),
    Schema(NAMES[:1], "regression"),
    Schema(NAMES, "regression", takes_missing=False),
    Schema((), "unknown", datatype="FP64"),
)
_RNG = np.random.default_rng(0)
_MATRICES = [_RNG.normal(size=shape).round(3) for shape in ((1, 4), (3, 4), (3, 1), (60, 4))]

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


def csv_bodies():
    for matrix in _MATRICES:
        lines = [",".join(map(repr, row)) for row in matrix.tolist()]
        quoted = ['"' + line.replace(",", '","') + '"' for line in lines]
        header = ",".join(NAMES[: matrix.shape[1]][::-1])
        yield from ("\n".join(lines).encode(), "\r\n".join([*lines, ""]).encode())
        yield from ("\n".join(quoted).encode(), "\n".join([header, *lines]).encode())
        yield "\n".join(lines[:2] + quoted[:1] + [line[3:] for line in lines[:2]]).encode()


def json_documents():
    for matrix in _MATRICES:
        rows = matrix.tolist()
        names = NAMES[: matrix.shape[1]]
        records = [dict(zip(names, row, strict=True)) for row in rows]
        keys = list(range(matrix.shape[1]))
        sparse = {"keys": keys, "shape": [matrix.shape[1]], "values": rows[0]}
        split = {"columns": names, "index": list(range(len(rows))), "data": rows}
        yield from (rows, rows[0], {"instances": rows}, records, {"instances": records})
        yield {"instances": [{"features": row} for row in rows]}
        yield {"instances": [{"data": {"features": {"values": row}}} for row in rows]}
        yield {"instances": [{"data": {"features": sparse}}] * len(rows)}
        yield from (split, {"dataframe_split": split}, {"dataframe_records": records})


def json_bodies():
    for document in json_documents():
        yield json.dumps(document).encode()
    yield json.dumps({"instances": [[1, None, 2, 3]]}, indent=2).encode()


def jsonlines_bodies():
    for document in json_documents():
        instances = document.get("instances") if isinstance(document, dict) else document
        if isinstance(instances, list):
            yield "\n".join(json.dumps(instance) for instance in instances).encode()


def npy_bodies():
    for matrix in _MATRICES:
        for dtype in ("<f8", ">f4", "<f2", "<i8", "|u1", "|b1"):
            yield npy(matrix.astype(dtype) if dtype[1] in "fi" else (matrix > 0).astype(dtype))
        yield from (npy(np.asfortranarray(matrix)), npy(matrix, (2, 0)), npy(matrix[0]))
    yield from (npy(np.array([["1", "2"]])), npy(np.array([[1, None]], dtype=object)))
    yield npy(np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))


def npy(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def npz_bodies():
    for matrix in _MATRICES:
        for layout in ("csr", "csc", "coo", "bsr", "dia"):
            sparse = scipy.sparse.coo_matrix(matrix * (matrix > 0)).asformat(layout)
            for is_compressed in (True, False):
                file = io.BytesIO()
                scipy.sparse.save_npz(file, sparse, compressed=is_compressed)
                yield file.getvalue()
        file = io.BytesIO()
        np.savez_compressed(file, matrix)
        yield file.getvalue()


def tables():
    for matrix in _MATRICES:
        names = NAMES[: matrix.shape[1]]
        yield pa.table({name: matrix[:, column] for column, name in enumerate(names)})
        integers = (matrix * 100).astype(np.int32)
        some = [pa.array(integers[:, column]) for column in range(len(names))]
        some[0] = pa.array([None, *matrix[1:, 0]], pa.float64())
        yield pa.table(dict(zip(names, some, strict=True)))
        yield pa.table({name: pa.array(matrix[:, 0] > 0) for name in names[::-1]})
    yield pa.table({name: pa.array([1.0, 2.0, 1.0]).dictionary_encode() for name in NAMES})
    yield pa.table({name: pa.array(["1", "2"]) for name in NAMES})
    yield pa.table({name: pa.array([[1.0], [2.0]]) for name in NAMES})


def parquet_bodies():
    for table in tables():
        for codec, version in (
            ("none", "1.0"),
            ("snappy", "2.0"),
            ("zstd", "1.0"),
            ("gzip", "2.0"),
        ):
            file = io.BytesIO()
            pq.write_table(
                table, file, compression=codec, data_page_version=version, row_group_size=40
            )
            yield file.getvalue()


def arrow_bodies():
    for table in tables():
        for codec in (None, "lz4", "zstd"):
            file = io.BytesIO()
            options = pa.ipc.IpcWriteOptions(compression=codec)
            with pa.ipc.new_stream(file, table.schema, options=options) as writer:
                writer.write_table(table, max_chunksize=25)
            yield file.getvalue()


def libsvm_bodies():
    for matrix in _MATRICES:
        for base in (0, 1):
            rows = [
                " ".join(
                    f"{column + base}:{value!r}" for column, value in enumerate(row) if value > 0
                )
                for row in matrix.tolist()
            ]
            yield "\n".join(rows).encode()
            yield "\n".join(f"{row % 2} {text}" for row, text in enumerate(rows)).encode()
            yield "\n".join(f"1 qid:{row} {text} # x" for row, text in enumerate(rows)).encode()


def recordio_bodies():
    for matrix in _MATRICES:
        for tensor, letter in ((2, "f"), (3, "d")):
            rows = [record(tensor, struct.pack(f"<{len(row)}{letter}", *row)) for row in matrix]
            yield b"".join(map(framed, rows))
        keys = bytes(range(matrix.shape[1]))
        rows = [record(2, np.float32(row).tobytes(), keys, bytes([len(row)])) for row in matrix]
        yield b"".join(map(framed, rows))
        yield b"".join(framed(record(7, bytes([1, 2, 3, 4]))) for _ in matrix)


def record(tensor, values, keys=b"", shape=b""):
    """A Record of SageMaker's protobuf: features (1) -> "values" -> Value -> tensor."""
    parts = [(1, values), (2, keys), (3, shape)]
    content = b"".join(message(number, part) for number, part in parts if part)
    return message(1, message(1, b"values") + message(2, message(tensor, content)))


def message(number, content):
    """A field of wire type 2: tag, length, bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number):
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def framed(payload):
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


SAMPLES = {
    "text/csv": lambda: [*csv_bodies()],
    "application/json": lambda: [*json_bodies()],
    "application/jsonlines": lambda: [*jsonlines_bodies()],
    "application/x-npy": lambda: [*npy_bodies()],
    "application/x-npz": lambda: [*npz_bodies()],
    "application/x-parquet": lambda: [*parquet_bodies()],
    "application/vnd.apache.arrow.stream": lambda: [*arrow_bodies()],
    "text/libsvm": lambda: [*libsvm_bodies()],
    "application/x-recordio-protobuf": lambda: [*recordio_bodies()],
}
_PARAMETERS = {
    "text/csv": [{}, {}, {"header": "present"}, {"header": "absent", "label_size": "0"}],
    "text/libsvm": [{}, {"index_base": "0"}, {"index_base": "1"}],
}


def mutated(name, samples, rng):
    """A body with some faults, now and then with none, or pure noise; and parameters."""
    parameters = rng.choice(_PARAMETERS.get(name, [{}]))
    if rng.random() < 0.03:
        return _noise(rng), parameters
    body = rng.choice(samples)
    if name == "application/x-npz" and rng.random() < 0.6:
        body = _with_mutated_members(body, samples, rng)
    elif name == "application/x-recordio-protobuf" and rng.random() < 0.5:
        # The payload of the first record, its length made right again.
        length = int.from_bytes(body[4:8], "little")
        payload = _mutate(body[8 : 8 + length], samples, rng)
        body = framed(payload) + body[8 + length + -length % 4 :]
    else:
        body = _mutate(body, samples, rng)
    return (bytearray(body) if rng.random() < 0.2 else bytes(body)), parameters


def _with_mutated_members(body, samples, rng):
    """An archive whose checksums are right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as read, zipfile.ZipFile(file, "w") as archive:
        chosen = rng.choice(read.namelist())
        for entry in read.infolist():
            content = read.read(entry)
            if entry.filename == chosen:
                content = _mutate(content, samples, rng)
            archive.writestr(entry, content)
    return file.getvalue()


def _mutate(body, samples, rng):
    body = bytearray(body)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 4))):
        body = rng.choice(_MUTATIONS)(body, samples, rng)
    return body


def _noise(rng):
    letters = rng.choice((bytes(range(256)), b'0123456789.,-+eE"\n []{}:naN', b"\x00\xff\x01"))
    return bytes(rng.choices(letters, k=rng.choice((0, 1, 3, 20, 300, 3000))))


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
    return body[:start] + varint(rng.choice(_INTEGERS)) + body[start + rng.randint(0, 3) :]


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
