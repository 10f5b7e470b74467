"""Helpers for tests of reading: a channel's files in a folder, and the table read from them."""

import numpy as np

from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.layout import Columns

NAN = float("nan")


def channel(base, files, content_type=None, name="train", **attributes):
    """A channel of files: name -> text or bytes."""
    directory = base / name
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Channel(name, directory, content_type, **attributes)


def read(base, files, content_type=None, like=None, dtype=np.float32, name="train", **columns):
    return read_channel(
        channel(base, files, content_type, name), Columns(**columns), np.dtype(dtype), like
    )


def notes_of(table, base, name="train"):
    """The notes about a table as the log has them, without the channel's folder."""
    return [note.line.replace(f"{base}/{name}/", "") for note in table.summary.notes]


def warnings_of(table, base):
    """The warnings about a table, without their titles and the channel's folder."""
    found = [note.sentence for note in table.summary.notes if note.title]
    return [sentence.replace(f"{base}/train/", "") for sentence in found]


def words_of(table):
    return {name: found.names for name, found in table.categories.items()}


def label_texts(table):
    return [table.labels.distinct[code] for code in table.labels.codes]


def same(x, rows):
    return x.flags.c_contiguous and np.array_equal(x, np.array(rows, x.dtype), equal_nan=True)
