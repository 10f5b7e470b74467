"""Valid request bodies of each media type, from the libraries that write them."""

import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from fuzz.mutations import as_varint
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
    return as_varint(number << 3 | 2) + as_varint(len(content)) + content


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
