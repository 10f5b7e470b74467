"""Pipe mode: threads write to real FIFOs, one for each pass, late and in pieces."""

import contextlib
import gzip
import logging
import os
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.recordio.record_frames import framed
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.pipes import Pipe
from training.channel_files import NAN, label_texts, same, words_of
from training.data.test_labeled_parts import SDK_FLOAT32, SDK_SPARSE

RECORDIO = "application/x-recordio-protobuf"


@pytest.fixture
def write(tmp_path):
    """Write to the FIFOs of a channel as SageMaker does: it makes each one after the one before was
    read to its end.
    """
    threads = []

    def start(*passes, late=0.0, piece=2**16):
        def work():
            for epoch, data in enumerate(passes):
                time.sleep(late)
                path = tmp_path / f"train_{epoch}"
                os.mkfifo(path)
                with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as fifo:
                    for begin in range(0, len(data), piece):
                        fifo.write(data[begin : begin + piece])

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def read(base, content_type=None, like=None, **columns):
    parts = {"record_wrapper": columns.pop("record_wrapper", "None"), "mode": "Pipe"}
    channel = Channel("train", base / "train", content_type, **parts)
    return read_channel(channel, Columns(**columns), np.dtype(np.float32), like)


def test_a_stream_of_csv_is_read_to_its_end(tmp_path, write):
    write(b"a,1.5,x\nb,,y\n", piece=3)
    table = read(tmp_path, "text/csv")
    assert same(table.x, [[1.5, 0], [NAN, 1]])
    assert words_of(table) == {"feature_1": ("x", "y")}
    assert table.place(1) == f"{tmp_path}/train_0, line 2"
    assert table.summary.files == (f"{tmp_path}/train_0",)
    assert table.summary.n_bytes == 13


def test_a_fifo_may_come_late(tmp_path, write):
    write(b"a,1\nb,2\n", late=0.4)
    assert len(read(tmp_path)) == 2


def test_a_stream_may_be_gzip_and_repeat_its_header(tmp_path, write):
    write(gzip.compress(b"l,x\na,1\n", mtime=0) + gzip.compress(b"l,x\nb,2\n"))
    table = read(tmp_path)
    assert table.names == ("x",)
    assert same(table.x, [[1], [2]])


def test_another_pass_reads_the_next_fifo(tmp_path, write):
    """A category at the end of a column of numbers needs a second pass: 01 was read as 1."""
    rows = b"a,01,5\nb,2,6\n" * 400_000
    write(rows + b"c,x,7\n", rows + b"c,x,7\n")
    table = read(tmp_path, mixed_columns=1.0)
    assert words_of(table) == {"feature_0": ("01", "2", "x")}
    assert len(table) == 800_001
    assert table.x[[0, 1, -1]].tolist() == [[0, 5], [1, 6], [2, 7]]
    assert table.place(800_000) == f"{tmp_path}/train_1, line 800001"


def test_each_record_of_a_framed_stream_is_a_file(tmp_path, write):
    files = [b"l,x,w\na,1,p\n", b"x,w,l\n2,q,b\n", gzip.compress(b"l,x,w\nc,3,p", mtime=0)]
    write(b"".join(map(framed, files)), piece=5)
    table = read(tmp_path, "text/csv", record_wrapper="RecordIO")
    assert same(table.x, [[1, 0], [2, 1], [3, 0]])
    assert label_texts(table) == ["a", "b", "c"]
    assert table.place(2) == f"{tmp_path}/train_0, record 3, line 2"


def test_records_may_be_parquet_files(tmp_path, write):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"l": ["a", "b"], "x": [1, 2]}), sink)
    write(framed(sink.getvalue().to_pybytes()) * 2)
    table = read(tmp_path, "application/x-parquet", record_wrapper="RecordIO")
    assert same(table.x, [[1], [2], [1], [2]])
    assert table.place(3) == f"{tmp_path}/train_0, record 2, row 2"


@pytest.mark.parametrize("wrapper", ["None", "RecordIO"])
def test_records_of_protobuf_need_no_more_framing(tmp_path, write, wrapper):
    write(bytes.fromhex(SDK_FLOAT32), piece=7)
    table = read(tmp_path, RECORDIO, record_wrapper=wrapper)
    assert same(table.x, [[1, 2.5], [-3, 4]])


def test_records_may_be_files_of_records(tmp_path, write):
    sparse = bytes.fromhex(SDK_SPARSE)
    write(framed(sparse) + framed(sparse))
    table = read(tmp_path, RECORDIO, record_wrapper="RecordIO")
    assert same(table.x, [[0, 2.5, 0], [0, 0, 0], [1, 3, 0]] * 2)


def test_an_empty_stream_is_refused(tmp_path, write):
    write(b"")
    with pytest.raises(InvalidData, match=r"channel 'train' is empty: .*train_0 holds no data"):
        read(tmp_path)


def test_parquet_without_framing_is_refused_before_it_is_waited_for(tmp_path):
    with pytest.raises(InvalidData, match="has Parquet files in Pipe mode, which come as one stre"):
        read(tmp_path, "application/x-parquet")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (framed(b"a,1\n") + b"rest", r"train_0, record 2 starts with b'rest'; expected RecordIO"),
        (
            framed(b"a,1\n" * 9)[:-7],
            r"train_0, record 1 is cut off: it declares 36 bytes, of which",
        ),
        (
            framed(b"a,1\nb,1e99\n"),
            r"train_0, record 1, line 2, column 2 \(feature_0\): 1e\+99 is not",
        ),
    ],
)
def test_a_fault_in_a_framed_stream_is_named(tmp_path, write, data, fault):
    write(data)
    with pytest.raises(InvalidData, match=fault):
        read(tmp_path, "text/csv", record_wrapper="RecordIO")


def test_a_fifo_that_never_comes_is_given_up_and_said(tmp_path, caplog):
    pipe = Pipe(
        Channel("train", tmp_path / "train", mode="Pipe"),
        splits=True,
        longest_wait=0.5,
        message_every=0.2,
    )
    with caplog.at_level(logging.WARNING), pytest.raises(InvalidData) as caught:
        next(pipe.parts())
    assert f"channel 'train': {tmp_path}/train_0 does not exist after" in str(caught.value)
    assert len(caplog.messages) >= 2
    assert f"channel 'train': {tmp_path}/train_0 does not exist yet" in caplog.messages[0]


def test_a_fifo_without_a_writer_is_given_up(tmp_path):
    os.mkfifo(tmp_path / "train_0")
    pipe = Pipe(Channel("train", tmp_path / "train", mode="Pipe"), splits=True, longest_wait=0.3)
    with pytest.raises(InvalidData, match="train_0 has no writer after"):
        next(pipe.parts())


def test_a_writer_that_left_before_it_wrote_ends_the_stream(tmp_path, write):
    write(b"", b"a,1\n")
    with pytest.raises(InvalidData, match="holds no data"):
        read(tmp_path)
    assert len(read_second(tmp_path)) == 1


def read_second(base):
    """Read the second FIFO, as after a first pass."""
    pipe = Pipe(Channel("train", base / "train", mode="Pipe"), splits=True)
    pipe._epoch = 1
    return [part.stream.read() for part in pipe.parts()]
