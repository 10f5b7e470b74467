"""Damaged data of every format is read, or refused with its location and without a traceback."""

import gzip
import random
from dataclasses import replace

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.parsing import TRAINING
from mlserver_forest.training.data import parsed_parts
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.targets import learn_target
from training.channel_files import channel
from training.data.test_labeled_parts import SDK_FLOAT32, SDK_FLOAT64, SDK_SPARSE, record
from training.data.test_parsed_parts import MIXED, json_lines, parquet

CSV = b'l,n,w,b\na,1.5,red,true\n"b, c",NA,"blue ""x""",FALSE\r\n\na,-2e3,,\n' * 3
SAMPLES = {
    "csv": ["a.csv", CSV, gzip.compress(CSV, mtime=0), b"\xef\xbb\xbf" + CSV],
    "parquet": ["a.parquet", parquet(MIXED), parquet(MIXED, compression="none")],
    "json": ["a.json", json_lines(MIXED).encode(), b"[[1, 2], [3, null]]", b'["a", 1]\n["b", 2]\n'],
    "libsvm": ["a.svm", b"1 1:0.5 3:2\n-1 2:1e3 # x\n\n0 qid:1 1:5\n" * 3],
    "recordio": [
        "a.rec",
        bytes.fromhex(SDK_FLOAT32 + SDK_FLOAT64),
        bytes.fromhex(SDK_SPARSE),
        record([1, 2]) * 3,
    ],
}
SPLICES = [
    b"",
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"1e999",
    b"nan",
    b"9" * 30,
    b"{",
    b"]",
    b":",
]
OPTIONS = [{}, {"target": 1}, {"target": "n"}, {"weight": "i"}, {"ignore": ("w",)}]
N_INPUTS = 400


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.choice(SPLICES)
            case 2:
                del data[at : at + rng.randrange(1, 20)]
            case _:
                data[at:at] = data[: rng.randrange(40)]
    return bytes(data)


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_data_are_read_or_refused_with_the_place(tmp_path, name, monkeypatch):
    rng = random.Random(name)  # noqa: S311  # It has to be seeded.
    file, *samples = SAMPLES[name]
    choices = OPTIONS if name in {"csv", "parquet", "json"} else [{}]
    n_refused = 0
    for _ in range(N_INPUTS):
        policy = replace(TRAINING, compile_bytes=rng.choice([0, 2**20]))
        monkeypatch.setattr(parsed_parts, "TRAINING", policy)
        found = channel(tmp_path, {file: damaged(rng, rng.choice(samples))})
        n_refused += is_refused(found, Columns(**rng.choice(choices)), str(tmp_path))
    assert 5 < n_refused < N_INPUTS - 5


def is_refused(found, columns, base):
    try:
        table = read_channel(found, columns, np.dtype(np.float32))
        learn_target(table, None).encode(table)
        fault = ""
    except InvalidData as error:
        fault = str(error)
    assert len(fault) < 1000
    if fault:
        return True
    assert not np.isinf(table.x).any()
    assert len(table.x) == len(table.labels) > 0
    assert table.place(len(table) - 1).startswith(base)
    return False
