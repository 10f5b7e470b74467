"""Compressed files are read as what they hold; files that are not tables are skipped or named."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.feather
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.files import compression
from training.channel_files import label_texts, notes_of, read, same

CSV = b"l,x\na,1\nb,2\n"
LINES = b'{"l":"a","x":1}\n{"l":"b","x":2}\n'
TO_CSV = "in pandas read_excel(file).to_csv(file, index=False)"


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def refused(base, files):
    with pytest.raises(InvalidData) as caught:
        read(base, files)
    return str(caught.value).replace(f"{base}/train/", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("a.csv.bz2", bz2.compress(CSV)),
        ("a.csv.bz2", bz2.compress(CSV[:8]) + bz2.compress(CSV[8:])),
        ("a.csv.xz", lzma.compress(CSV)),
        ("a.csv.zst", zstd(CSV)),
        ("a.csv.zst", zstd(CSV[:8]) + zstd(CSV[8:])),
        ("a.csv.zip", zipped(**{"t/a.csv": CSV})),
        ("a.zip", zipped(**{"a.csv": CSV, "__MACOSX/._a.csv": b"x", "README.md": b"x"})),
        ("a", lzma.compress(CSV)),
        ("a.jsonl.bz2", bz2.compress(LINES)),
        ("a.json.zip", zipped(**{"a.json": LINES})),
        ("a.jsonl.zst", zstd(LINES)),
    ],
)
def test_a_compressed_file_is_read_as_what_it_holds(tmp_path, name, content):
    table = read(tmp_path, {name: content})
    assert table.names == ("x",)
    assert same(table.x, [[1], [2]])
    assert label_texts(table) == ["a", "b"]


def test_libsvm_is_inflated_too(tmp_path):
    assert same(read(tmp_path, {"a.svm.xz": lzma.compress(b"1 1:2\n0 1:3\n")}).x, [[2], [3]])


@pytest.mark.parametrize("codec", ["lz4", "zstd", "uncompressed"])
def test_feather_is_read(tmp_path, codec):
    columns = {"l": pa.array(["a", "b"]).dictionary_encode(), "x": [1, 2]}
    file = io.BytesIO()
    pa.feather.write_feather(pa.table(columns), file, compression=codec, chunksize=1)
    for name in ("a.feather", "a.arrow"):
        table = read(tmp_path, {name: file.getvalue()}, name=name.replace(".", "_"))
        assert same(table.x, [[1], [2]])
        assert label_texts(table) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.zip",
            zipped(**{"a.csv": CSV, "b.csv": CSV}),
            (
                "a.zip is a ZIP archive of 2 files (a.csv, b.csv); expected one: unpack it, and "
                "use its files"
            ),
        ),
        (
            "a.xlsx",
            zipped(**{"[Content_Types].xml": b"x", "xl/workbook.xml": b"x"}),
            (
                f"a.xlsx is an Excel file or another document; save the sheet as CSV, {TO_CSV}, "
                "and use that file"
            ),
        ),
        (
            "a.xls",
            bytes.fromhex("d0cf11e0a1b11ae1") + b"x" * 600,
            f"a.xls is an Excel file, which is not read; save the sheet as CSV, {TO_CSV}",
        ),
        (
            "a.csv",
            b"\n<!DOCTYPE html><html></html>",
            (
                "a.csv is an HTML page, which is not read; download the data again, or move it out "
                "of the folder"
            ),
        ),
        (
            "a.csv",
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            (
                "a.csv is an XML document, which is not read; download the data again, or move it "
                "out of the folder"
            ),
        ),
        (
            "a.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a.csv is a pointer of Git LFS, which is not read; fetch the file with git lfs pull",
        ),
        (
            "a.csv",
            CSV.decode().encode("utf-16-le"),
            (
                "a.csv is not UTF-8, and probably utf-16-le without a byte order mark; set "
                "encoding=utf-16-le, or charset=utf-16-le in the channel's ContentType, or write "
                "the file in UTF-8"
            ),
        ),
        (
            "a.csv",
            b'[{"label": "a", "x": 1}]',
            (
                "a.csv is a JSON document; set the channel's ContentType to application/json, or "
                "give the file the extension .json"
            ),
        ),
        (
            "a.csv",
            b'{"label": "a", "x": 1}\n{"label": "b", "x": 2}\n',
            (
                "a.csv is JSON; set the channel's ContentType to application/jsonlines, or give "
                "the file the extension .jsonl"
            ),
        ),
        (
            "a.csv",
            b"ARROW1\0\0" + b"\xff\xff\xff\xff" * 9,
            (
                "a.csv is an Arrow file; set the channel's ContentType to "
                "application/vnd.apache.arrow.file, or give the file the extension .arrow"
            ),
        ),
        (
            "a.csv.lz4",
            bytes.fromhex("04224d18") + b"\x60\x40\x82",
            (
                "a.csv.lz4 is compressed with lz4, which is not read; decompress it, or use gzip "
                "or zstd"
            ),
        ),
        (
            "a.rda",
            gzip.compress(b"RDX3\nX\n\0\0", mtime=0),
            (
                "a.rda is an R data file, which is not read; write it as CSV, in R with "
                "write.csv(data, file, row.names=FALSE)"
            ),
        ),
        ("a.tgz", tarred(CSV), "a.tgz is a tar archive, which is not read; unpack it"),
        (
            "a.pkl",
            b"\x80\x04\x95abc",
            (
                "a.pkl is a pickle, which could run code, which is not read; write it as CSV "
                "or Parquet"
            ),
        ),
        (
            "a.csv.bz2",
            bz2.compress(CSV)[:-4],
            (
                "a.csv.bz2 is damaged: its compressed stream fails: Compressed file ended before "
                "the end-of-stream marker was reached"
            ),
        ),
        ("a.csv.zst", zstd(CSV)[:-4], "a.csv.zst cannot be read: Truncated compressed stream"),
        (
            "a.zip",
            zipped(**{"a.csv": CSV})[:-30],
            "a.zip is damaged: its compressed stream fails: File is not a zip file",
        ),
    ],
)
def test_what_is_not_read_is_named_with_the_step(tmp_path, name, content, fault):
    assert refused(tmp_path, {name: content}) == fault


def test_a_file_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    bounded = replace(compression.TRAINING, most_expanded=lambda _: 10_000)
    monkeypatch.setattr(compression, "TRAINING", bounded)
    content = lzma.compress(CSV + b"c,3\n" * 2**16)
    assert refused(tmp_path, {"a.csv.xz": content}) == (
        "a.csv.xz inflates to more than 10000 bytes; a table does not: it is damaged, or has to be "
        "given in parts"
    )


def test_files_that_are_not_tables_are_skipped_and_named(tmp_path):
    strays = {
        "README.md": "# x",
        "Thumbs.db": "x",
        ".ipynb_checkpoints/a.csv": "x",
        "_SUCCESS": "",
        ".DS_Store": "x",
    }
    table = read(tmp_path, {"a.csv": CSV, **strays})
    assert same(table.x, [[1], [2]])
    assert notes_of(table, tmp_path) == [
        f"skipped README.md, Thumbs.db in {tmp_path}/train, whose names are not those of tables"
    ]


def test_a_file_that_may_not_be_a_part_of_the_data_is_named(tmp_path):
    assert refused(tmp_path, {"a.csv": CSV, "notes": "see the wiki\n"}) == (
        "notes, line 1: 1 column; the training data have 2 ('l', 'x'); if this file is not a "
        "part of the data, move it out of the channel"
    )
