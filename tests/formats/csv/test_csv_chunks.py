"""Chunks of CSV: they give all rows, and each bad one is found alone, at its line."""

import csv
import io
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.chunk import ChunkedFile
from mlserver_forest.formats.csv.csv_chunks import chunks
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.parsing import SCORING
from mlserver_forest.formats.source import Source
from mlserver_forest.schema.schema import Schema

SCHEMA = Schema(("a", "b"), "regression", datatype="FP64", ignored=("text",))
TEXTS = st.text(st.sampled_from('x,"\n é;'), max_size=8)
ROWS = st.lists(
    st.tuples(st.sampled_from(["1.5", "", "tall", "-3"]), TEXTS, st.sampled_from(["2", "1e400"])),
    min_size=1,
    max_size=40,
)


def chunks_of(text, block_bytes):
    policy = SCORING if block_bytes is None else replace(SCORING, block_bytes=block_bytes)
    source = Source("new.csv", io.BufferedReader(io.BytesIO(text)), width=2, names=("a", "b"))
    return chunks(ChunkedFile(source, None, ["text"], policy, {"header": "auto"}))


def read(chunk, found, bad):
    decoder = RequestDecoder(SCHEMA)
    try:
        x = decoder.matrix(chunk.parse, 2**30, may_be_empty=True)
        found.extend(zip(x.tolist(), chunk.kept(["text"])["text"].to_pylist(), strict=True))
    except InvalidInput as error:
        halves = chunk.halves()
        for half in halves:
            read(half, found, bad)
        if not halves:
            bad.append((chunk.place, str(error).split(", ")[:2]))


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, block_bytes=st.sampled_from([None, 40]), end=st.sampled_from(["\n", "\r\n"]))
def test_good_rows_are_read_and_bad_ones_found_at_their_lines(rows, block_bytes, end):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end)
    writer.writerow(("a", "text", "b"))
    good, lines = [], []
    for row in rows:
        if row[0] == "tall" or row[2] == "1e400":
            lines.append(f"line {file.getvalue().count(chr(10)) + 1}")
        else:
            good.append(([float(row[0] or "nan"), float(row[2])], row[1]))
        writer.writerow(row)
    found, bad = [], []
    for chunk in chunks_of(file.getvalue().encode(), block_bytes):
        read(chunk, found, bad)
    assert bad == [(line, ["new.csv", line]) for line in lines]
    assert [text for _, text in found] == [text for _, text in good]
    assert np.array_equal([x for x, _ in found], [x for x, _ in good], equal_nan=True)
