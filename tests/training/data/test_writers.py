"""What is read equals the table that was written, whatever program wrote it.

A table may be refused with a sentence that names a setting. With the settings that say what its
columns are, it is read as it was written. ``FOREST_WRITTEN_TABLES=1000`` tries so many
tables for each writer.
"""

import os
import re
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.categories import MISSING_TEXTS
from mlserver_forest.schema.schema import Schema
from training.channel_files import read
from training.data import written_tables as written
from training.data.written_tables import frames, numbers, words

N_TABLES = int(os.environ.get("FOREST_WRITTEN_TABLES", "12"))
KEPT = frozenset(MISSING_TEXTS - {""})
SETTING = re.compile(
    r"\b(categories|missing_values|ignore|header|delimiter|decimal)\b|leave the field empty"
)
UNTYPED = {
    "pandas CSV with its index": written.pandas_csv,
    "pandas CSV": partial(written.pandas_csv, index=False),
    "R's write.csv": written.r_csv,
    "R's write.table": partial(written.r_csv, has_corner=False),
    "Excel CSV": written.excel_csv,
    "Spark CSV": partial(written.spark_csv, escape='"'),
    "partition folders": written.partitioned,
    "pyarrow CSV": written.arrow_csv,
}
TYPED = {
    "Spark JSON": written.spark_json,
    "Spark Parquet": written.spark_parquet,
    "pyarrow Parquet": written.parquet,
    "pandas Parquet": written.pandas_parquet,
    "Feather": written.feather,
    "pandas JSON": partial(written.pandas_json, lines=False),
    "pandas JSON lines": partial(written.pandas_json, lines=True),
}
PANDAS_JSON = [writer for name, writer in TYPED.items() if name.startswith("pandas JSON")]


def found_in(table, name):
    """The values of a column in the order in which they were written."""
    order = np.argsort(table.x[:, table.names.index("n")])
    column = table.x[order, table.names.index(name)]
    if name not in table.categories:
        return column.tolist()
    names = table.categories[name].names
    return [None if np.isnan(code) else names[int(code)] for code in column]


def in_order(frame, values):
    n = next(column for column in frame.columns if column.name == "n").values
    return [values[i] for i in np.argsort(n)]


def same(found, expected):
    if any(isinstance(value, str) for value in (*found, *expected)):
        return found == expected
    return np.array_equal(np.array(found, float), np.array(expected, float), equal_nan=True)


def expected_of(frame, column, dtype, kept=frozenset()):
    if column.kind == "bool":
        values = [None if v is None else str(v).lower() for v in column.values]
    elif column.kind == "words":
        values = words(column, kept)
        if are_truths(values):
            values = [value and value.lower() for value in values]
    else:
        values = numbers(column, dtype)
    return in_order(frame, values)


def unlike(frame, table, dtype, kept=frozenset()):
    """The columns that were not read as they were written."""
    return [
        column
        for column in frame.features().columns
        if not same(found_in(table, column.name), expected_of(frame, column, dtype, kept))
    ]


def looks_otherwise(column):
    """Whether CSV cannot show that words are words, because they all are numbers."""
    texts = [text for text in words(column) if text is not None]
    return all(parse_number(text) is not None for text in texts)


def are_truths(values):
    """Whether words are true and false in any spelling, which are the two truth values."""
    return {value and value.lower() for value in values} <= {"true", "false", None}


def check(writer, frame, dtype, *, is_typed, written_as_missing=frozenset()):
    files = writer(frame)
    if writer in PANDAS_JSON:
        frame = written.read_json(frame, files)
    for name, content in files.items():
        files[name] = content if isinstance(content, bytes) else content.encode()
    with tempfile.TemporaryDirectory() as base:
        try:
            table = read(Path(base), files, target="label", dtype=dtype)
        except InvalidData as error:
            refusal = str(error)
            assert SETTING.search(refusal)  # Most tables are not refused.
        else:
            noted = {note.column for note in table.summary.notes}
            for column in unlike(frame, table, dtype):
                assert column.name in noted or (
                    column.kind == "words" and not is_typed and looks_otherwise(column)
                ), (column, found_in(table, column.name), table.summary.notes)
        used = {v.strip() for c in frame.columns if c.kind == "words" for v in c.values if v}
        kept = (used & KEPT) - written_as_missing
        declared = {
            "categories": tuple(c.name for c in frame.features().columns if c.kind == "words"),
            "kept": kept,
            "header": "present",
        }
        table = read(Path(base), files, target="label", dtype=dtype, **declared)
        wrong = unlike(frame, table, dtype, kept)
        assert not wrong, (wrong, [found_in(table, c.name) for c in wrong])


BOUNDED = settings(
    max_examples=N_TABLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("writer", UNTYPED)
@BOUNDED
@given(frame=frames(), dtype=st.sampled_from([np.float32, np.float64]))
def test_text_is_read_as_it_was_written(writer, frame, dtype):
    missing = frozenset({"NA"} if writer.startswith("R's") else ())
    check(UNTYPED[writer], frame, dtype, is_typed=False, written_as_missing=missing)


@pytest.mark.parametrize("writer", TYPED)
@BOUNDED
@given(frame=frames(), dtype=st.sampled_from([np.float32, np.float64]))
def test_typed_values_are_read_as_they_were_written(writer, frame, dtype):
    check(TYPED[writer], frame, dtype, is_typed=True)


SERVED = {
    "text/csv; header=present": partial(written.pandas_csv, index=False),
    'text/csv; header=present; delimiter=";"; decimal=","': written.excel_csv,
    "text/csv; header=present; charset=cp1252": lambda frame: {
        "a.csv": frame.pandas().to_csv(index=False).encode("cp1252")
    },
    "application/json": partial(written.pandas_json, lines=False),
    "application/jsonlines": partial(written.pandas_json, lines=True),
    "application/x-parquet": written.pandas_parquet,
    "application/vnd.apache.arrow.stream": written.arrow_stream,
}


@pytest.mark.parametrize("media_type", SERVED)
@BOUNDED
@given(frame=frames("cp1252"), dtype=st.sampled_from([np.float32, np.float64]))
def test_a_request_has_the_values_of_the_channel(tmp_path_factory, media_type, frame, dtype):
    """A model that learned a table reads the same table, without its target, as the same rows."""
    write = SERVED[media_type]
    categories = tuple(c.name for c in frame.features().columns if c.kind == "words")
    table = read(
        tmp_path_factory.mktemp("c"),
        write(frame),
        media_type,
        target="label",
        dtype=dtype,
        categories=categories,
        header="present",
    )
    schema = Schema(
        table.names,
        "regression",
        datatype="FP32" if dtype == np.float32 else "FP64",
        categories=table.categories,
        spellings=table.spellings,
    )
    (body,) = write(frame.features()).values()
    kind, *pairs = media_type.split("; ")
    parameters = {name: value.strip('"') for name, value in (pair.split("=") for pair in pairs)}
    x = decoder(kind)(body if isinstance(body, bytes) else body.encode(), schema, parameters)
    assert np.array_equal(x, table.x, equal_nan=True)
