"""text/csv with categories: a row reads the same alone, in a batch, and by each reader."""

import csv
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.csv.readers import decode, use_policy, use_reader
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.parsing import SERVING
from mlserver_forest.schema.categories import BOOLEAN, MISSING_TEXTS, Categories
from mlserver_forest.schema.schema import Schema

WORDS = ("1", "a b", "blue", "red", "true", "é")
CATEGORIES = {"color": Categories(WORDS), "ok": BOOLEAN}
MIXED = Schema(("color", "size", "ok"), "regression", datatype="FP64", categories=CATEGORIES)
STRICT = Schema(
    ("color", "size", "ok"),
    "regression",
    datatype="FP64",
    categories={**CATEGORIES, "color": Categories(WORDS, refuses_unseen=True)},
)
NO_GAPS = Schema(
    ("color", "size", "ok"),
    "regression",
    datatype="FP64",
    categories=CATEGORIES,
    takes_missing=False,
)
ONLY = Schema(("color",), "regression", categories={"color": Categories(WORDS)})
TWO = Schema(("a", "b"), "regression", datatype="FP64")
NAN = float("nan")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("red,1,true", [[3, 1, 1]]),
        ("red,1,true\r\nblue,2,false\r\n", [[3, 1, 1], [2, 2, 0]]),
        (" red , 1 ,\tTRUE ", [[3, 1, 1]]),
        ('"red","1","0"\n1,2,"1"', [[3, 1, 0], [0, 2, 1]]),
        ("é,1,False\na b,2,FALSE\ntrue,3,True", [[5, 1, 0], [1, 2, 0], [4, 3, 1]]),
        (",,\nNA,null,None", [[NAN, NAN, NAN]] * 2),
        ("mauve,1,true\nRed,2,1\n1.0,3,0", [[NAN, 1, 1], [NAN, 2, 1], [0, 3, 0]]),
        ("\ufeffred,1,true", [[3, 1, 1]]),
    ],
)
@pytest.mark.parametrize("repeats", [1, 2000])
def test_words_become_their_positions(body, expected, repeats):
    ending = "" if body.endswith("\n") else "\n"
    content = body + ending + (body.removeprefix("\ufeff") + ending) * (repeats - 1)
    decoded = decode(content.encode(), MIXED, {})
    assert np.array_equal(decoded, expected * repeats, equal_nan=True)


@pytest.mark.parametrize("missing", sorted(MISSING_TEXTS))
@pytest.mark.parametrize("repeats", [1, 10, 5000])
def test_a_missing_value_is_spelt_alike_everywhere(missing, repeats):
    rows = f" {missing} ,1\n2,{missing}\n" * repeats
    expected = [[NAN, 1], [2, NAN]] * repeats
    assert np.array_equal(decode(rows.encode(), TWO, {}), expected, equal_nan=True)
    decoded = decode(f"{missing},{missing},1\n".encode() * repeats, MIXED, {})
    assert np.array_equal(decoded, [[NAN, NAN, 1]] * repeats, equal_nan=True)


def test_with_a_header_the_columns_stand_in_any_order():
    body = b"ok,color,size\n1,red,2\n0,blue,3\n"
    decoded = decode(body, MIXED, {"header": "present"})
    assert np.array_equal(decoded, [[3, 2, 1], [2, 3, 0]])
    many = decode(body + b"1,1,4\n" * 5000, MIXED, {"header": "present"})
    assert np.array_equal(many, [[3, 2, 1], [2, 3, 0]] + [[0, 4, 1]] * 5000)


def test_an_empty_line_is_a_missing_word_where_there_is_one_feature():
    expected = [[3], [NAN], [2]]
    for repeats in (1, 3000):
        decoded = decode(b"red\n\nblue\n" * repeats, ONLY, {})
        assert np.array_equal(decoded, expected * repeats, equal_nan=True)


@pytest.mark.parametrize(
    ("schema", "row", "fault"),
    [
        (
            STRICT,
            "mauve,1,1",
            (
                "column 1 (color): 'mauve' is not one of this model's categories: '1', 'a b', "
                "'blue', 'red', 'true', 'é'; send one of them, or an empty field (null in JSON) for"
            ),
        ),
        (MIXED, "red,1,yes", "column 3 (ok): 'yes' is not one of this model's categories"),
        (NO_GAPS, "mauve,1,1", "column 1 (color): 'mauve' is not one of this model's categories"),
        (NO_GAPS, ",1,1", "column 1 (color) is missing; this model's algorithm does not"),
        (MIXED, "red,one,1", "column 2 (size): 'one' is not a number"),
        (MIXED, "red,1e999,1", "column 2 (size): inf is not a finite FP64 number"),
        (MIXED, "red,1", "row {row} has 2 values; the model expects 3 (color, size, ok)"),
    ],
)
@pytest.mark.parametrize("n_before", [0, 3000])
def test_a_fault_is_named_with_its_place(schema, row, fault, n_before):
    body = "red,1,true\n" * n_before + row + "\nblue,2,false\n"
    with pytest.raises(InvalidInput) as caught:
        decode(body.encode(), schema, {})
    assert fault.format(row=n_before + 1) in str(caught.value)
    assert f"row {n_before + 1}" in str(caught.value)


def outcome(body, schema, parameters, reader="all", block=None):
    """The numbers to the last bit, or the refusal; with the ways and blocks that are asked for."""
    with pytest.MonkeyPatch.context() as patch:
        use_reader(patch, reader)
        if block is not None:
            use_policy(patch, block_bytes=block)
        try:
            decoded = decode(body, schema, parameters)
        except InvalidInput as error:
            return str(error)
    return decoded.shape, np.where(np.isnan(decoded), NAN, decoded).tobytes()


words = st.one_of(
    st.sampled_from([*WORDS, *sorted(MISSING_TEXTS), " red ", "mauve", "RED", "1.0", "\ufeff"]),
    st.text(st.characters(exclude_characters=',"\r\n', exclude_categories=["Cs"]), max_size=4),
)
numbers = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        [*sorted(MISSING_TEXTS), " 1 ", "+2", ".5", "1_0", "nan(1)", "é", "x", "\x0b3"]
    ),
    st.text("0123456789+-.eE_ naN", max_size=6),
)
booleans = st.sampled_from(
    ["true", "True", "TRUE", "false", "False", "FALSE", "0", "1", " 1 ", "", "NA", "tRUE", "2"]
)
quotings = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


def text_of(rows, quoting, end):
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)
    return file.getvalue().encode()


@settings(deadline=None)
@given(
    st.lists(st.tuples(words, numbers, booleans), min_size=1, max_size=8),
    st.sampled_from([MIXED, STRICT, NO_GAPS]),
    quotings,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.integers(1, 60),
)
def test_neither_way_nor_blocks_nor_quotes_change_an_answer(
    rows, schema, quoting, end, has_header, size
):
    parameters = {"header": "present"} if has_header else {}
    rows = [tuple(reversed(row)) for row in rows] if has_header else rows
    header = [("ok", "size", "color")] if has_header else []
    body = text_of([*header, *rows], quoting, end)
    expected = outcome(body, schema, parameters, "csv.reader")
    assert outcome(body, schema, parameters, "Arrow") == expected
    assert outcome(body, schema, parameters, "Arrow", size) == expected
    assert outcome(body, schema, parameters, "csv.reader", size) == expected
    bare = text_of([*header, *rows], csv.QUOTE_MINIMAL, "\n")
    if not bare.startswith(b"\xef\xbb\xbf"):  # The mark is not part of the first word.
        assert outcome(bare, schema, parameters, "Arrow") == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8),
    quotings,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 60),
)
def test_numbers_alone_are_read_alike_too(rows, quoting, end, size):
    """Where a missing value has another spelling than nan, or some fields stand in quotes."""
    body = text_of(rows, quoting, end)
    expected = outcome(body, TWO, {}, "csv.reader")
    assert outcome(body, TWO, {}, "Arrow") == expected
    assert outcome(body, TWO, {}, "Arrow", size) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(words, numbers, booleans), min_size=1, max_size=8), st.booleans())
def test_a_row_reads_the_same_alone_and_in_a_batch(rows, with_arrow):
    lines = [text_of([row], csv.QUOTE_MINIMAL, "\n") for row in rows]
    if lines[0].startswith(b"\xef\xbb\xbf"):
        return  # At the start of a body it is not part of the first word.
    alone = [outcome(b"1,1,1\n" + line, STRICT, {}, "csv.reader") for line in lines]
    together = outcome(
        b"1,1,1\n" + b"".join(lines), STRICT, {}, "Arrow" if with_arrow else "csv.reader"
    )
    if any(isinstance(found, str) for found in alone):
        assert isinstance(together, str)
    else:
        row_bytes = 3 * 8
        expected = alone[0][1][:row_bytes] + b"".join(found[1][row_bytes:] for found in alone)
        assert together == ((len(rows) + 1, 3), expected)


def test_large_bodies_are_read_in_blocks():
    rng = np.random.default_rng(0)
    n = 120_000
    colors, sizes = rng.choice([*WORDS, "mauve"], n), rng.normal(size=n)
    rows = list(zip(colors.tolist(), sizes.tolist(), rng.choice(["0", "1"], n), strict=True))
    body = text_of(rows, csv.QUOTE_MINIMAL, "\r\n")
    assert len(body) > 3 * SERVING.block_bytes
    decoded = decode(body, MIXED, {})
    places = {word: place for place, word in enumerate(WORDS)}
    expected = [[places.get(color, NAN), size, float(ok)] for color, size, ok in rows]
    assert np.array_equal(decoded, expected, equal_nan=True)
    quoted = text_of(rows[:30_000], csv.QUOTE_ALL, "\n")
    assert np.array_equal(decode(quoted, MIXED, {}), expected[:30_000], equal_nan=True)
    with pytest.raises(InvalidInput, match=r"row 120001, column 2 \(size\): 'x' is not a number"):
        decode(body + b"red,x,1", MIXED, {})


MANY = 8 * 2**20


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"x" * MANY, "line 1: a row of more than 262336 bytes begins here"),
        (b"red,1," + b"1" * MANY, "line 1: a row of more than 262336 bytes begins here"),
        (b"red,1,1\n" * 9999 + b"y" * 300_000 + b",1,1", "line 10000: a row of more than"),
        (b"red,1,1\n" * (MANY // 8) + b"red,1,maybe", "row 1048577, column 3 (ok): 'maybe'"),
        (b",,\n" * (MANY // 3) + b",", "has 2 values"),
        (b'"\n",' * (MANY // 4), "a row of more than"),
        (b"\xff,1,1\n" * (MANY // 8), "line 1, byte 1 is not UTF-8"),
    ],
)
def test_a_large_body_of_nonsense_is_refused_in_little_memory(body, fault):
    tracemalloc.start()
    with pytest.raises(InvalidInput) as caught:
        decode(body, MIXED, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 300
    assert peak < 12 * len(body) + 2**23  # The matrix alone has up to 8 bytes for each.
