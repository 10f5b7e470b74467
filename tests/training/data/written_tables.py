"""Random tables, and how the programs that people use write them to files."""

import csv
import io
import json
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
from hypothesis import strategies as st

from mlserver_forest.schema.categories import MISSING_TEXTS

NASTY = [
    "red", "dark, red", 'say "x"', "two\nlines", "a;b", "a\tb", "a|b", "naïve", "日本", "x=1",
    "1.5", "007", "1e5", "1,234", "0,5", "5%", "$5", "(5)", "-3", "NA", "None", "null", r"\N", "-",
    "?", "nan", "inf", "true", "False", "2024-01-01", "#1", "# a", "it's", "a\\", "=1+1",
    " padded ", "unknown", "year=2024", "\ufeffx", "1_000", "0x1F", "١٢",
]  # fmt: skip
ODD_NAMES = [
    "x", "2019", "a b", "größe", "a,b", 'the "x"', "a;b", "Unnamed: 3", "label.1", "0", "NA",
    "true", "x=1", "#", "price (€)", "1.5",
]  # fmt: skip
_FLOATS = (
    st.floats(-1000, 1000).map(lambda value: round(value, 3))
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.sampled_from([0.0, -0.0, 1e-30, 1e22, 123456789.125, 1 / 3])
)


def _values(encoding):
    """Strategies of the values of each kind; the words can be written in an encoding."""
    # NUL is refused, and Python's csv.writer does not quote a carriage return.
    characters = st.characters(codec=encoding, exclude_characters="\0\r")
    nasty = [word for word in NASTY if word.encode(encoding, "replace").decode(encoding) == word]
    letters = st.text(string.ascii_letters, min_size=1, max_size=5)
    return {
        "int": st.integers(-1000, 1000) | st.integers(-(2**53), 2**53),
        "float": _FLOATS,
        "bool": st.booleans(),
        "words": st.sampled_from(nasty) | letters | st.text(characters, max_size=8),
    }


@dataclass(frozen=True)
class Column:
    """A column: its name, the kind of its values, and these; None where one is missing."""

    name: str
    kind: str
    values: list


@dataclass(frozen=True)
class Frame:
    """A table whose target is ``label``, and whose column ``n`` counts the rows in some order."""

    columns: tuple

    def pandas(self):
        dtypes = {"int": "Int64", "float": "float64", "bool": "boolean", "words": object}
        return pd.DataFrame(
            {c.name: pd.Series(c.values, dtype=dtypes[c.kind]) for c in self.columns}
        )

    def arrow(self):
        types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "words": pa.string()}
        return pa.table({c.name: pa.array(c.values, types[c.kind]) for c in self.columns})

    def rows(self):
        return list(zip(*(column.values for column in self.columns), strict=True))

    def features(self):
        return Frame(tuple(c for c in self.columns if c.name != "label"))


@st.composite
def frames(draw, encoding="utf-8"):
    kinds = _values(encoding)
    n_rows = draw(st.integers(2, 12))
    names = draw(st.lists(st.sampled_from(ODD_NAMES), min_size=1, max_size=4, unique=True))
    columns = [Column("n", "int", draw(st.permutations(range(100, 100 + n_rows))))]
    for name in names:
        kind = draw(st.sampled_from(sorted(kinds)))
        values = draw(st.lists(kinds[kind], min_size=n_rows, max_size=n_rows))
        if draw(st.booleans()):
            gaps = draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows))
            gaps[0] = False  # Writers of JSON leave out a column without a value.
            values = [None if gap else value for gap, value in zip(gaps, values, strict=True)]
        columns.append(Column(name, kind, values))
    labels = draw(st.lists(st.sampled_from(["no", "yes"]), min_size=n_rows, max_size=n_rows))
    columns.insert(draw(st.integers(0, len(columns))), Column("label", "words", labels))
    return Frame(tuple(columns))


def _text(value, *, true="true", false="false", missing="", number=repr):
    if value is None:
        return missing
    if isinstance(value, bool):
        return true if value else false
    return value if isinstance(value, str) else number(value)


def pandas_csv(frame, **options):
    return {"a.csv": frame.pandas().to_csv(**options)}


def r_csv(frame, *, has_corner=True):
    """R's write.csv with row names, and write.table(sep=","), whose header is one short."""

    def quoted(text):
        return '"' + text.replace('"', '""') + '"'

    def field(value):
        text = _text(value, true="TRUE", false="FALSE", missing="NA")
        return quoted(text) if isinstance(value, str) else text

    head = [quoted(c.name) for c in frame.columns]
    lines = [['""', *head] if has_corner else head]
    lines += [[quoted(str(i)), *map(field, row)] for i, row in enumerate(frame.rows(), 1)]
    return {"a.csv": "".join(",".join(line) + "\n" for line in lines)}


def excel_csv(frame, encoding="utf-8-sig"):
    """Excel's CSV where decimals have commas; it quotes what it has to."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow([column.name for column in frame.columns])
    for row in frame.rows():
        writer.writerow(
            _text(v, true="TRUE", false="FALSE", number=lambda n: repr(n).replace(".", ","))
            for v in row
        )
    return {"a.csv": file.getvalue().encode(encoding)}


def _parts(frame, write, name):
    """Spark writes a folder of parts, and an empty file when it is done."""
    rows = frame.rows()
    middle = len(rows) // 2
    files = {
        name.format(part): write(some)
        for part, some in enumerate((rows[:middle], rows[middle:]))
        if some
    }
    return files | {"_SUCCESS": ""}


def spark_csv(frame, escape="\\"):
    """Spark's CSV with header; by default, a backslash escapes quotes."""
    names = [column.name for column in frame.columns]

    def field(value):
        text = _text(value)
        if isinstance(value, str) and (not text or set(text) & set(',"\n\r')):
            return '"' + text.replace("\\", "\\" * len(escape)).replace('"', escape + '"') + '"'
        return text

    def write(rows):
        return "".join(",".join(map(field, row)) + "\n" for row in [names, *rows])

    return _parts(frame, write, "part-{:05}-c000.csv")


def spark_json(frame):
    names = [column.name for column in frame.columns]

    def write(rows):
        documents = (dict(zip(names, row, strict=True)) for row in rows)
        kept = ({k: v for k, v in each.items() if v is not None} for each in documents)
        return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in kept)

    return _parts(frame, write, "part-{:05}-c000.json")


def spark_parquet(frame):
    names = [column.name for column in frame.columns]

    def write(rows):
        values = zip(*rows, strict=True)
        columns = [
            Column(c.name, c.kind, list(v)) for c, v in zip(frame.columns, values, strict=True)
        ]
        return parquet(Frame(tuple(columns)))["a.parquet"]

    assert names
    return _parts(frame, write, "part-{:05}.snappy.parquet")


def arrow_csv(frame):
    file = io.BytesIO()
    pyarrow.csv.write_csv(frame.arrow(), file)
    return {"a.csv": file.getvalue()}


def parquet(frame):
    file = io.BytesIO()
    pq.write_table(frame.arrow(), file)
    return {"a.parquet": file.getvalue()}


def partitioned(frame):
    """Folders by the values of a column that does not hold floats, as Spark and Hive write."""
    with tempfile.TemporaryDirectory() as base:
        pq.write_to_dataset(frame.arrow(), base, partition_cols=[partition_of(frame)])
        paths = [path for path in Path(base).rglob("*") if path.is_file()]
        return {str(path.relative_to(base)): path.read_bytes() for path in paths}


def partition_of(frame):
    """The column by which the rows are in folders."""
    columns = frame.features().columns
    # pyarrow does not escape "=" in names, as Spark does.
    fit = [c.name for c in columns if c.kind != "float" and "=" not in c.name]
    return fit[-1]


def pandas_parquet(frame):
    file = io.BytesIO()
    frame.pandas().to_parquet(file)
    return {"a.parquet": file.getvalue()}


def feather(frame):
    file = io.BytesIO()
    pyarrow.feather.write_feather(frame.arrow(), file)
    return {"a.feather": file.getvalue()}


def arrow_stream(frame):
    file = io.BytesIO()
    with pa.ipc.new_stream(file, frame.arrow().schema) as stream:
        stream.write_table(frame.arrow())
    return {"a.arrows": file.getvalue()}


def pandas_json(frame, *, lines):
    options = {"orient": "records", "lines": lines, "double_precision": 15}
    return {"a.jsonl" if lines else "a.json": frame.pandas().to_json(**options)}


def numbers(column, dtype):
    """The numbers of a column; NaN where one is missing."""
    return [float("nan") if v is None else float(np.dtype(dtype).type(v)) for v in column.values]


def words(column, kept=frozenset()):
    """The words of a column as every format reads them; None where one is missing."""
    stripped = [None if value is None else value.strip() for value in column.values]
    return [
        None if text is None or (text in MISSING_TEXTS and text not in kept) or not text else text
        for text in stripped
    ]


def read_json(frame, files):
    """The table as pandas wrote it, which rounds numbers."""
    (text,) = files.values()
    rows = json.loads(text) if text.startswith("[") else [*map(json.loads, text.splitlines())]
    columns = [Column(c.name, c.kind, [row[c.name] for row in rows]) for c in frame.columns]
    return Frame(tuple(columns))
