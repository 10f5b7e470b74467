"""A row means the same in training and in serving, whatever the format and its spelling.

``FORMATS`` lists samples by format. The same bytes go through training's reading, as those of
a validation channel whose columns are known, and through serving's decoding. Each value has to
be the same, or both have to refuse the bytes for the same reason.

In a format whose label stands in a column, serving reads that column as the first feature.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import ForestError, InvalidData, InvalidInput, PayloadTooLarge
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import BOOLEAN, MISSING_TEXTS, Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.training.data.layout import Layout, Roles
from mlserver_forest.training.data.table import Summary, Table, TargetLabels
from training.channel_files import read

# The first column holds the label; the others are features.
NAMES = ("target", "size", "color", "is_new")
CATEGORIES = {
    "target": Categories(("a", "b"), refuses_unseen=True),
    "color": Categories(("1", "blue", "dark, red", 'say "x"', "two\nlines")),
    "is_new": BOOLEAN,
}
MIXED = Schema(NAMES, "regression", datatype="FP64", categories=CATEGORIES)
STRICT = Schema(
    NAMES,
    "regression",
    categories={**CATEGORIES, "color": Categories(("blue", "red"), refuses_unseen=True)},
)
NUMBERS = Schema(("target", "x", "y"), "regression", categories={"target": CATEGORIES["target"]})
TEXTS = Schema(
    ("target", "color"),
    "regression",
    categories={"target": CATEGORIES["target"], "color": Categories(("blue", "red"))},
)


@dataclass(frozen=True)
class Sample:
    """Some bytes, and the model that reads them.

    Attributes:
        schema: of the model; the first feature is the label if the format has it in a column.
        body: the bytes.
        parameters: of the media type.
    """

    schema: Schema
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How both sides read a format.

    Attributes:
        media_type: a training channel's ContentType.
        decode: serving's decoder.
        samples: by name.
        generated: a hypothesis strategy of samples.
        label_is_a_column: else serving's decoder skips the label.
    """

    media_type: str
    decode: Callable[[bytes, Schema, Mapping[str, str]], Any]
    samples: Mapping[str, Sample]
    generated: st.SearchStrategy[Sample]
    label_is_a_column: bool = True


# Messages that both sides give, each in its own words.
REASONS = {
    "no row": r"is empty|there is no row|holds no data|holds only empty lines|header and no row",
    "not UTF-8": r"is not UTF-8",
    "not CSV": r"is not CSV",
    "not JSON": r"is not JSON",
    "not a category": r"is not a category",
    "width": r"\d+ values?; |has \d+ values?\b|\d+ columns?\b",
    "columns": r"missing '|unknown '|repeated '|twice",
    "not finite": r"is not a finite",
    "not a number": r"is not a number",
    "unknown category": r"not one of this model's categories|does not occur in the training data",
    "too large": r"more than \d+ bytes",
    "another shape": r"has (shape|keys?|\"data\") |; the first row is|are not read|; expected ",
}


def reason(error: ForestError) -> str:
    """Why bytes are refused, and the value that is shown."""
    found = [name for name, pattern in REASONS.items() if re.search(pattern, str(error))]
    assert found, f"no reason is known for: {error}"
    value = re.search(r"(?:: |\) ?)('[^']*')[^:]* (?:is|does)", str(error))
    return f"{found[0]} {value[1] if value else ''}"


def like(schema: Schema, *, label_is_a_column: bool) -> Table:
    """The training table of a model, without rows."""
    columns = schema.feature_names
    names = columns[1:] if label_is_a_column else columns
    layout = Layout(
        columns if label_is_a_column else None,
        len(names) + 1,
        Roles(0, None, tuple(range(1, len(names) + 1))),
        names,
    )
    return Table(
        names=names,
        has_names=True,
        categories={name: found for name, found in schema.categories.items() if name in names},
        x=np.empty((0, len(names)), schema.dtype),
        labels=TargetLabels((), np.empty(0, np.int32), None),
        weight=None,
        summary=Summary((), 0, {}),
        places=TableLocations(),
        layout=layout,
        index_base=schema.index_base,
    )


def in_training(base, form: Format, sample: Sample) -> Any:
    """The rows as a validation channel has them, or why they are refused."""
    parameters = "".join(f"; {name}={value}" for name, value in sample.parameters.items())
    known = like(sample.schema, label_is_a_column=form.label_is_a_column)
    options = {} if sample.parameters or form.media_type != "text/csv" else {"header": "absent"}
    try:
        table = read(
            base,
            {"data": sample.body},
            form.media_type + parameters,
            like=known,
            dtype=sample.schema.dtype,
            **options,
        )
    except InvalidData as error:
        return reason(error)
    x = table.x
    if form.label_is_a_column:
        labels = [table.labels.distinct[code] for code in table.labels.codes]
        categories = sample.schema.categories[sample.schema.feature_names[0]]
        x = np.column_stack([categories.codes(labels), x])
    return values(x)


def in_serving(form: Format, sample: Sample) -> Any:
    """The rows as a request has them, or why they are refused."""
    try:
        return values(form.decode(sample.body, sample.schema, sample.parameters))
    except (InvalidInput, PayloadTooLarge) as error:
        return reason(error)


def values(x: Any) -> list[list[float | None]]:
    """A matrix as lists, None where a value is missing."""
    return np.where(np.isnan(x), None, np.asarray(x, np.float64)).tolist()


HEADER = {"header": "present"}
WIDE = b"a," + b"9" * 140_000 + b",2\n"


CSV_SAMPLES = {
    "one row": Sample(NUMBERS, b"a,1,2"),
    "LF": Sample(NUMBERS, b"a,1,2\nb,3,4\n"),
    "CRLF": Sample(NUMBERS, b"a,1,2\r\nb,3,4\r\n"),
    "CR": Sample(NUMBERS, b"a,1,2\rb,3,4\r"),
    "a byte order mark": Sample(NUMBERS, b"\xef\xbb\xbfa,1,2\nb,3,4"),
    "a byte order mark alone": Sample(NUMBERS, b"\xef\xbb\xbf"),
    "a byte order mark before a header": Sample(
        NUMBERS, b"\xef\xbb\xbftarget,x,y\na,1,2\n", HEADER
    ),
    "many rows": Sample(NUMBERS, b"a,1,2\n" * 200_000),
    "17 digits": Sample(NUMBERS, b"a,0.12345678901234567,1e-7\n" * 3000),
    "white space": Sample(MIXED, b" a , 1 ,\tblue , TRUE \n"),
    "spellings of numbers": Sample(NUMBERS, b"a,+1,.5\na,1.,1e5\nb,-0,-1E-3\nb,00,1e-400\n"),
    "empty fields": Sample(MIXED, b"a,,,\nb,1,blue,true\n"),
    **{
        f"missing: {text!r}": Sample(MIXED, f"a,{text},{text}, {text} \n".encode())
        for text in sorted(MISSING_TEXTS)
    },
    "booleans": Sample(
        MIXED, b"a,1,blue,true\na,1,blue,True\na,1,blue,TRUE\na,1,blue,1\nb,1,blue,0\n"
    ),
    "another boolean": Sample(MIXED, b"a,1,blue,yes\n"),
    "categories that look like numbers": Sample(MIXED, b"a,1,1,1\nb,2,1.0,0\n"),
    "an unknown category": Sample(MIXED, b"a,1,green,1\n"),
    "a category that is refused": Sample(STRICT, b"a,1,blue,1\na,1,green,1\n"),
    "a category that is refused, in many rows": Sample(
        STRICT, b"a,1,blue,1\n" * 5000 + b"a,1,green,1\n"
    ),
    "quotes": Sample(MIXED, b'"a","1","blue","true"\n'),
    "quoted commas and quotes": Sample(MIXED, b'a,1,"dark, red",1\nb,2,"say ""x""",0\n'),
    "a quoted line end": Sample(MIXED, b'a,1,"two\nlines",1\nb,"2\n",blue,0\n'),
    "quoted line ends in many rows": Sample(MIXED, b'a,1,"two\nlines",1\n' * 200_000),
    "a quote within a field": Sample(MIXED, b'a,1,b"lue,1\n'),
    "text behind a quoted field": Sample(MIXED, b'a,1,"blue"x,1\n'),
    "a quote left open": Sample(MIXED, b'a,1,blue,1\na,1,"blue,1\n'),
    "an empty body": Sample(NUMBERS, b""),
    "nothing but line ends": Sample(NUMBERS, b"\n\r\n\n"),
    "nothing but white space": Sample(NUMBERS, b"  \n \n"),
    "empty lines at the end": Sample(NUMBERS, b"a,1,2\n\n\n"),
    "blank lines": Sample(NUMBERS, b"\n\na,1,2\n\nb,3,4\r\n \r\n\t\na,5,6\n"),
    "blank lines among many rows": Sample(NUMBERS, b"a,1,2\nb,3,4\n\n" * 50_000),
    "blank lines around a header": Sample(NUMBERS, b"\ntarget,x,y\n\na,1,2\n", HEADER),
    "a line of an empty field in quotes": Sample(NUMBERS, b'a,1,2\n""\n'),
    "a blank line within quotes": Sample(MIXED, b'a,1,"two\n\nlines",1\n'),
    "a repeated header": Sample(NUMBERS, b"target,x,y\na,1,2\ntarget,x,y\nb,3,4\n", HEADER),
    "a repeated header of categories": Sample(
        TEXTS, b"target,color\n" + b"a,blue\n" * 3000 + b"target, color\nb,red\n", HEADER
    ),
    "a row too short": Sample(NUMBERS, b"a,1,2\nb,3\n"),
    "a row too long": Sample(NUMBERS, b"a,1,2\nb,3,4,5\n"),
    "all rows too long": Sample(NUMBERS, b"a,1,2,3\n" * 2),
    "not UTF-8": Sample(NUMBERS, b"a,1,2\na,1,\xff\n"),
    "a category that is not UTF-8": Sample(MIXED, b"a,1,bl\xe9,1\n"),
    "not a number": Sample(NUMBERS, b"a,1,2\na,1,red\n"),
    "a boolean among numbers": Sample(NUMBERS, b"a,1,true\n"),
    "digits with underscores": Sample(NUMBERS, b"a,1_0,2\n"),
    "digits of another script": Sample(NUMBERS, "a,\N{ARABIC-INDIC DIGIT ONE},2\n".encode()),
    "a hexadecimal number": Sample(NUMBERS, b"a,0x10,2\n"),
    "a payload of a NaN": Sample(NUMBERS, b"a,nan(1),2\n"),
    "a null byte": Sample(NUMBERS, b"a,1\x00,2\n"),
    "too large for float32": Sample(NUMBERS, b"a,1,2\na,1e39,2\n"),
    "too large for float64": Sample(MIXED, b"a,1e999,blue,1\n"),
    "infinite": Sample(NUMBERS, b"a,1,-inf\n"),
    "a number late in many rows": Sample(NUMBERS, b"a,1,2\n" * 200_000 + b"a,red,2\n"),
    "a long category": Sample(MIXED, b"a,1," + b"x" * 100_000 + b",1\n"),
    "a long number": Sample(NUMBERS, b"a,0." + b"1" * 100_000 + b",1\n"),
    "a field that is too long": Sample(NUMBERS, WIDE),
    "a field that is too long, in many rows": Sample(NUMBERS, b"a,1,2\n" * 20_000 + WIDE),
    "a header": Sample(NUMBERS, b"target,x,y\na,1,2\n", HEADER),
    "a header in another order": Sample(NUMBERS, b"y,target,x\n1,a,2\n", HEADER),
    "a header with white space and quotes": Sample(NUMBERS, b' target ,"x", y\na,1,2\n', HEADER),
    "a header of one more name": Sample(NUMBERS, b"target,x,y,z\na,1,2,3\n", HEADER),
    "a header that lacks a name": Sample(NUMBERS, b"target,x\na,1\n", HEADER),
    "a header with a name twice": Sample(NUMBERS, b"target,x,y,y\na,1,2,3\n", HEADER),
    "a header without rows": Sample(NUMBERS, b"target,x,y\n", HEADER),
    "a header, and a row that is too short": Sample(NUMBERS, b"target,x,y\na,1,2\na\n", HEADER),
}

_NUMBERS = st.one_of(
    st.floats(allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**17), 10**17).map(str),
    st.sampled_from(["", " 1 ", "+1", "NA", "nan", ".5", "1.", "-0", "1e5", "null"]),
)
_COLORS = st.sampled_from(
    ["1", "blue", " blue ", "dark, red", 'say "x"', "two\nlines", "", "NA", "green", "é", "1.0"]
)
_FAULTS = st.sampled_from(["x", "1_0", "1e999", "0x1", "nan(1)", "٣", "--1", "1,2", "true"])


@st.composite
def csv_tables(draw: Any) -> Sample:
    """Rows in any order of columns, in any quotes, with at most one fault."""
    order = draw(st.permutations(range(4))) if draw(st.booleans()) else range(4)
    fields = st.tuples(
        st.sampled_from(["a", "b", " a "]),
        _NUMBERS,
        _COLORS,
        st.sampled_from(["true", "False", "TRUE", "0", " 1", "", "None"]),
    )
    rows = [list(row) for row in draw(st.lists(fields, min_size=1, max_size=12))]
    if draw(st.integers(0, 4)) == 0:
        draw(st.sampled_from(rows))[1] = draw(_FAULTS)
    rows *= draw(st.sampled_from([1, 1, 1, 300]))
    blank = draw(st.sampled_from(["", "", "\n", "\r\n", " \n", "\t\r\n"]))
    file = io.StringIO(newline="")
    writer = csv.writer(
        file,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    has_header = list(order) != [0, 1, 2, 3] or draw(st.booleans())
    if has_header:
        writer.writerow([NAMES[place] for place in order])
    for row in rows:
        writer.writerow([row[place] for place in order])
        file.write(blank)
    return Sample(MIXED, file.getvalue().encode(), HEADER if has_header else {})


def sparse(keys: Any, values: Any, shape: Any = (3,)) -> Any:
    return {"data": {"features": {"keys": keys, "shape": list(shape), "values": values}}}


def dense(*values: Any) -> Any:
    return {"data": {"features": {"values": list(values)}}}


ROWS = [["a", 1, None], ["b", 2.5, -3e-7]]
OBJECTS = [dict(zip(("target", "x", "y"), row, strict=True)) for row in ROWS]
SPLIT = {"columns": ["y", "target", "x"], "index": [0, 1], "data": [[1, "a", 2], [None, "b", 3]]}
MIXED_ROWS = [["a", 1, "blue", True], ["b", None, "1", False], ["a", 2, 1, 1], ["b", 3, None, "0"]]
# Each is a row of three columns, or none.
JSON_ROWS: Mapping[str, Any] = {
    "lists": ROWS,
    "objects": OBJECTS,
    "objects in another order": [dict(reversed(row.items())) for row in OBJECTS],
    "features": [{"features": row} for row in ROWS],
    "dense tensors": [dense(*row) for row in ROWS],
    "sparse tensors": [sparse([0, 2], ["a", 2]), sparse([0, 1], ["b", None])],
    "lists in several envelopes": [ROWS[0], {"features": ROWS[1]}, dense("a", 1, 2)],
    "texts that mean a missing value": [["a", "", "NA"], ["b", " nan ", 1]],
    "booleans among numbers": [["a", True, False]],
    "large integers": [["a", 2**53 + 1, 2**100]],
    "a text among numbers": [["a", 1, 2], ["a", 1, "2"]],
    "a list among numbers": [["a", 1, [2]]],
    "too large for float32": [["a", 1, 2], ["a", 1, 1e39]],
    "a row too short": [["a", 1, 2], ["a", 1]],
    "a row too long": [["a", 1, 2], ["a", 1, 2, 3]],
    "all rows too long": [["a", 1, 2, 3]],
    "an empty row": [[]],
    "an object of one more name": [OBJECTS[0], {**OBJECTS[1], "z": 1}],
    "a list among objects": [OBJECTS[0], ROWS[0]],
    "an object among lists": [ROWS[0], OBJECTS[0]],
    "a key twice": [sparse([0, 0], ["a", "b"])],
    "a key out of range": [sparse([3], [1])],
    "another shape": [sparse([0], ["a"], (4,))],
    "no shape": [sparse([0], ["a"], ())],
    "a tensor without values": [{"data": {"features": {}}}],
}
JSON_MIXED_ROWS: Mapping[str, Any] = {
    "categories": MIXED_ROWS,
    "an unknown category": [["a", 1, "green", True]],
    "a fraction as a category": [["a", 1, 1.0, True]],
    "another boolean": [["a", 1, "blue", "yes"]],
    "sparse categories": [sparse([0, 2], ["a", "blue"], (4,)), sparse([0, 3], ["b", True], (4,))],
}


def json_text(rows: Any) -> bytes:
    return json.dumps(rows).encode()


def json_lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json_text(row) + b"\n" for row in rows)


def of_rows(write: Callable[[Any], bytes]) -> dict[str, Sample]:
    """The same rows in one spelling."""
    samples = {title: Sample(NUMBERS, write(rows)) for title, rows in JSON_ROWS.items()}
    samples |= {title: Sample(MIXED, write(rows)) for title, rows in JSON_MIXED_ROWS.items()}
    refused = [["a", 1, "blue", 1], ["a", 1, "green", 1]]
    return samples | {"a category that is refused": Sample(STRICT, write(refused))}


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
JSON_SAMPLES = {
    **of_rows(json_text),
    "one row": Sample(NUMBERS, json_text(ROWS[0])),
    "one object": Sample(NUMBERS, json_text(OBJECTS[0])),
    "instances": Sample(NUMBERS, json_text({"instances": ROWS})),
    "instances of one row": Sample(NUMBERS, json_text({"instances": ROWS[0]})),
    "instances and no configuration": Sample(
        NUMBERS, json_text({"instances": ROWS, "configuration": {}})
    ),
    "instances and another member": Sample(NUMBERS, json_text({"instances": ROWS, "id": 1})),
    "records": Sample(NUMBERS, json_text({"dataframe_records": OBJECTS})),
    "split": Sample(NUMBERS, json_text(SPLIT)),
    "an enveloped split": Sample(NUMBERS, json_text({"dataframe_split": SPLIT})),
    "a split without names": Sample(NUMBERS, json_text({"columns": [0, 1, 2], "data": ROWS})),
    "a split of other names": Sample(
        NUMBERS, json_text({"columns": ["target", "x", "z"], "data": ROWS})
    ),
    "indented": Sample(NUMBERS, json.dumps({"instances": ROWS}, indent=2).encode()),
    "many rows": Sample(NUMBERS, json_text(ROWS * 20_000)),
    "a fault in many rows": Sample(NUMBERS, json_text([*ROWS * 20_000, ["a", 1, "x"]])),
    "lines": Sample(NUMBERS, json_lines(ROWS)),
    "many lines": Sample(NUMBERS, json_lines(OBJECTS * 20_000)),
    "lines with blank ones": Sample(NUMBERS, json_lines(ROWS).replace(b"\n", b"\r\n\r\n")),
    "a byte order mark": Sample(NUMBERS, BYTE_ORDER_MARK + json_text(ROWS)),
    "a byte order mark before lines": Sample(NUMBERS, BYTE_ORDER_MARK + json_lines(ROWS)),
    "nothing": Sample(NUMBERS, b""),
    "nothing but white space": Sample(NUMBERS, b" \n"),
    "no row": Sample(NUMBERS, b"[]"),
    "a number alone": Sample(NUMBERS, b"1"),
    "an unfinished list": Sample(NUMBERS, b'[["a", 1, 2]'),
    "a NaN": Sample(NUMBERS, b'[["a", 1, NaN]]'),
    "text behind the document": Sample(NUMBERS, json_text(ROWS) + b" x"),
    "not UTF-8": Sample(NUMBERS, b'[["\xff", 1, 2]]'),
}
JSON_LINES_SAMPLES = {
    **of_rows(json_lines),
    "one row": Sample(NUMBERS, json_text(ROWS[0]) + b"\n"),
    "CRLF": Sample(NUMBERS, json_lines(ROWS).replace(b"\n", b"\r\n")),
    "no line end": Sample(NUMBERS, json_lines(ROWS).removesuffix(b"\n")),
    "blank lines": Sample(NUMBERS, b"\n" + json_lines(ROWS).replace(b"\n", b"\n \n\n")),
    "many rows": Sample(NUMBERS, json_lines(OBJECTS * 20_000)),
    "a fault in many rows": Sample(NUMBERS, json_lines([*ROWS * 20_000, ["a", 1, "x"]])),
    "a byte order mark": Sample(NUMBERS, BYTE_ORDER_MARK + json_lines(ROWS)),
    "nothing": Sample(NUMBERS, b""),
    "nothing but blank lines": Sample(NUMBERS, b"\n \r\n"),
    "an unfinished line": Sample(NUMBERS, json_lines(ROWS) + b'["a", 1\n'),
    "a comma behind a line": Sample(NUMBERS, b'["a", 1, 2]\n["a", 1, 2],\n'),
    "a NaN": Sample(NUMBERS, b'["a", 1, 2]\n["a", 1, NaN]\n'),
    "not UTF-8": Sample(NUMBERS, b'["a", 1, 2]\n["\xff", 1, 2]\n'),
}

_JSON_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.sampled_from([None, True, False, 0, "", "NA", " null "]),
)
_JSON_FAULTS = st.sampled_from(["x", "1", [1], {}, [None]])


@st.composite
def json_rows(draw: Any, write: Callable[[Any], bytes]) -> Sample:
    """Rows in any of their shapes, with at most one fault."""
    values = st.tuples(
        st.sampled_from(["a", "b", " a "]),
        _JSON_NUMBERS,
        st.sampled_from(["1", 1, "blue", " blue ", None, "", "NA", "green", "é"]),
        st.sampled_from([True, False, 0, 1, "true", "TRUE", " 1", None, ""]),
    )
    rows = [list(row) for row in draw(st.lists(values, min_size=1, max_size=12))]
    if draw(st.integers(0, 4)) == 0:
        draw(st.sampled_from(rows))[draw(st.integers(1, 3))] = draw(_JSON_FAULTS)
    shape = draw(st.sampled_from(["list", "object", "features", "dense", "sparse"]))
    shapes: Mapping[str, Callable[[Any], Any]] = {
        "list": list,
        "object": lambda row: dict(zip(NAMES, row, strict=True)),
        "features": lambda row: {"features": row},
        "dense": lambda row: dense(*row),
        "sparse": lambda row: sparse([0, 1, 2, 3], row, (4,)),
    }
    return Sample(MIXED, write([shapes[shape](row) for row in rows]))


FORMATS: Mapping[str, Format] = {
    "text/csv": Format("text/csv", decoder("text/csv"), CSV_SAMPLES, csv_tables()),
    "application/json": Format(
        "application/json", decoder("application/json"), JSON_SAMPLES, json_rows(json_text)
    ),
    "application/jsonlines": Format(
        "application/jsonlines",
        decoder("application/jsonlines"),
        JSON_LINES_SAMPLES,
        json_rows(json_lines),
    ),
}


def cases() -> Sequence[Any]:
    return [
        pytest.param(form, sample, id=f"{name}: {title}")
        for name, form in FORMATS.items()
        for title, sample in form.samples.items()
    ]


@pytest.mark.parametrize(("form", "sample"), cases())
def test_a_sample_means_the_same_in_training_and_in_serving(tmp_path, form, sample):
    assert in_training(tmp_path, form, sample) == in_serving(form, sample)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_generated_table_means_the_same_in_training_and_in_serving(tmp_path_factory, name, data):
    form = FORMATS[name]
    sample = data.draw(form.generated)
    base = tmp_path_factory.mktemp("generated")
    assert in_training(base, form, sample) == in_serving(form, sample)
