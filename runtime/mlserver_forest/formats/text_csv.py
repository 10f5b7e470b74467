"""text/csv: rows of numbers in, one label or number per line out.

Fields are separated by commas; lines end with LF or CRLF; fields may be quoted; a
byte order mark is skipped; an empty field or ``nan`` is a missing value. With the
parameter ``header=present`` the first line names the columns, in any order.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.schema import Schema

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLAIN = b"0123456789+-.eE,\n"
# Above this many lines NumPy's parser beats Python's float(); measured at 4 to 28 columns.
_FEW_LINES = 32


def decode(body: bytes, schema: Schema, parameters: Mapping[str, str]) -> NDArray[np.float64]:
    """Read rows of numbers.

    Args:
        body: the text, UTF-8.
        schema: the features that the columns stand for, in their order.
        parameters: of the media type; ``header=present`` is the one that counts.

    Returns:
        float64 (n_samples, n_features), NaN where a field is empty.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK).replace(b"\r\n", b"\n")
    # With one feature an empty line is a row with a missing value; with more it is none.
    body = body.removesuffix(b"\n") if schema.n_features == 1 else body.rstrip(b"\n")
    if not body or body.isspace():
        raise InvalidInput(f"the body is empty; expected rows of {schema.describe()} values")
    if parameters.get("header", "").lower() == "present":
        return _decode_named(body, schema)
    schema = schema.of_width(body.partition(b"\n")[0].count(b",") + 1)
    if not body.translate(None, _PLAIN):
        numbers = _plain_numbers(body, schema.n_features)
        if numbers is not None:
            return numbers
    return _read_fields(_records(body), schema, schema.feature_names, first_row=1)


def encode(predictions: Predictions) -> bytes:
    """One label, number or row of numbers per line, each line ended, as AWS's sample answers."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        value if isinstance(value, list) else [value] for value in predictions.values
    )
    return text.getvalue().encode()


def parse_number(field: str) -> float | None:
    """The number that a field holds, NaN if the field is empty, None if it is no number."""
    text = field.strip()
    if not text:
        return float("nan")
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _plain_numbers(body: bytes, width: int) -> NDArray[np.float64] | None:
    """Parse digits, signs, points and commas fast; None where a closer look is needed."""
    lines = body.split(b"\n")
    try:
        if len(lines) <= _FEW_LINES:
            numbers = np.array([[float(field) for field in line.split(b",")] for line in lines])
        else:
            numbers = np.loadtxt(
                io.BytesIO(body), np.float64, delimiter=",", comments=None, ndmin=2
            )
    except ValueError:
        return None
    return numbers if numbers.shape == (len(lines), width) else None


def _decode_named(body: bytes, schema: Schema) -> NDArray[np.float64]:
    records = _records(body)
    names = [name.strip() for name in next(records)]
    positions = schema.positions(names, "the header line")
    return _read_fields(records, schema, names, first_row=2)[:, positions]


def _records(body: bytes) -> Iterator[list[str]]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"byte {error.start + 1} of the body is not UTF-8; send text/csv in UTF-8"
        ) from error
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            yield next(records)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidInput(f"line {records.line_num} is not CSV: {error}") from error


def _read_fields(
    records: Iterable[list[str]], schema: Schema, names: Sequence[str], first_row: int
) -> NDArray[np.float64]:
    rows = []
    for number, fields in enumerate(records, first_row):
        record = fields or [""] if len(names) == 1 else fields
        if len(record) != len(names):
            raise InvalidInput(
                f"row {number} has {len(record)} values; the model expects {schema.describe()}"
            )
        rows.append(_read_record(number, record, schema, names))
    if not rows:
        raise InvalidInput(f"there is no row; expected rows of {schema.describe()} values")
    return np.array(rows)


def _read_record(
    number: int, record: Sequence[str], schema: Schema, names: Sequence[str]
) -> list[float]:
    values = []
    for column, field in enumerate(record):
        value = parse_number(field)
        if value is None:
            hint = ""
            if {field.strip() for field in record} == set(schema.feature_names):
                hint = "; for a header line send Content-Type: text/csv; header=present"
            raise InvalidInput(
                f"row {number}, column {column + 1} ({names[column]}): "
                f"{quoted(field)} is not a number{hint}"
            )
        values.append(value)
    return values
