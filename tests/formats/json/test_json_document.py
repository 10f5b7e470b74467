"""JSON in blocks against orjson on the whole, with blocks of some bytes."""

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.json import json_document
from mlserver_forest.formats.json.json_document import LargeArray
from mlserver_forest.formats.json.json_source import JsonSource, Sizes

LONGEST = 10**6
tiny_sources = st.builds(
    Sizes,
    whole=st.just(0),
    small_array=st.integers(0, 12),
    block=st.integers(2, 16),
    longest=st.just(LONGEST),
).map(lambda sizes: JsonSource(sizes=sizes))
TINY = JsonSource(sizes=Sizes(whole=0, small_array=4, block=8, longest=LONGEST))
SHORT = JsonSource(sizes=Sizes(whole=16, small_array=4, block=8, longest=64))

texts = st.text(st.sampled_from('ab\\"[]{},: é\U0001f600\n'), max_size=6)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(texts | st.sampled_from(["inputs", "data"]), inner, max_size=4)
    ),
    max_leaves=40,
)
spaces = st.text(st.sampled_from(" \t\r\n"), max_size=3)


def write(value, draw):
    """A document as text, with space and escapes where they may be."""
    space = draw(spaces)
    if isinstance(value, list):
        inner = ",".join(write(item, draw) for item in value)
        return f"{space}[{inner}{space}]{space}"
    if isinstance(value, dict):
        inner = ",".join(f"{write(k, draw)}:{write(v, draw)}" for k, v in value.items())
        return f"{space}{{{inner}{space}}}{space}"
    return space + json.dumps(value, ensure_ascii=draw(st.booleans())) + space


@st.composite
def documents(draw):
    return write(draw(values), draw).encode()


@st.composite
def damaged_documents(draw):
    """Documents with some bytes cut out, put in, or doubled."""
    body = draw(documents())
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 3)) | st.just(len(body)))
        body = body[:start] + draw(st.sampled_from(PIECES)) + body[end:]
    return body


PIECES = [b"", b",", b"[", b"]", b"{", b"}", b'"', b"\\", b":", b"1", b" ", b"\xff", b"NaN", b"],["]


def whole(value):
    """A document without large arrays."""
    if isinstance(value, LargeArray):
        return [whole(item) for block in value.blocks() for item in block]
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


def outcome(load, body):
    try:
        return repr(load(body))
    except (InvalidInput, orjson.JSONDecodeError):
        return "refused"


@settings(max_examples=120, deadline=None)
@given(documents(), tiny_sources)
@example(b'{"inputs": [{"data": [1, 2, 3, 4, 5]}, {"data": [[1, 2], [3, 4]]}]}', TINY)
@example(b'{"a": [1, 2, 3, 4], "a": [5, 6, 7, 8]}', TINY)
@example(b'["\\\\\\\\\\\\\\"", "\\\\\\\\\\\\\\\\", "]"]', TINY)
@example(b"[               ]", TINY)
def test_a_document_is_the_same_in_blocks(body, source):
    assert repr(whole(json_document.loads(body, source))) == repr(orjson.loads(body))
    assert repr(whole(json_document.loads(bytearray(body), source))) == repr(orjson.loads(body))


@settings(max_examples=250, deadline=None)
@given(damaged_documents(), tiny_sources)
@example(b"[1, 2, 3, 4, 5] x", TINY)
@example(b"[1, 2,, 3, 4, 5]", TINY)
@example(b"[1, 2, 3, 4, 5,]", TINY)
@example(b"[, 1, 2, 3, 4, 5]", TINY)
@example(b"[1, 2, 3, 4, 5}", TINY)
@example(b"[1, 2, 3, 4, 5", TINY)
@example(b"[[1, 2, 3], [4, 5}, 6]", TINY)
@example(b"{[1, 2, 3, 4, 5]: 1}", TINY)
@example(b"1[1, 2, 3, 4, 5]", TINY)
@example(b"[1, 2, 3, 4][1, 2, 3, 4]", TINY)
@example(b'{"a": [1, 2, 3, 4 5], "a": 1}', TINY)
@example(b"[\\", TINY)
@example(b'[1, 2, 3, "\\', TINY)
@example(b"[1, 2, 3, 4], [5]", TINY)
def test_a_damaged_document_fails_when_it_fails_as_a_whole(body, source):
    assert outcome(lambda body: whole(json_document.loads(body, source)), body) == outcome(
        orjson.loads, body
    )


@pytest.mark.parametrize("depth", [1000, 1022, 1023, 1024, 1025, 20_000])
@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_the_depth_has_the_limit_of_the_parser(depth, opening, closing):
    def is_refused(load):
        try:
            load(body)
        except (InvalidInput, orjson.JSONDecodeError):
            return True
        return False

    def load_all(body):
        json_document.read_rest({"all": json_document.loads(body, TINY)})

    body = opening * (depth - 1) + b"[0, 1, 2, 3, 4]" + closing * (depth - 1)
    assert is_refused(load_all) == is_refused(orjson.loads) == (depth > 1024)


def test_objects_nested_too_deeply_are_refused_at_the_limit():
    with pytest.raises(InvalidInput, match="depth limit exceeded: near byte 5122"):
        json_document.loads(b'{"a":' * 100_000)


def test_large_arrays_are_found_and_the_rest_is_plain():
    body = b'{"a": {"rows": [[1, 2], [3, 4], [5, 6]]}, "names": [], "n": 1}'
    document = json_document.loads(body, TINY)
    rows = document["a"].pop("rows")
    assert document == {"a": {}, "names": [], "n": 1}
    assert isinstance(rows, LargeArray)
    assert list(rows.blocks()) == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert list(rows) == rows.whole() == [[1, 2], [3, 4], [5, 6]]
    assert rows.n_bytes == len("[[1, 2], [3, 4], [5, 6]]")
    assert repr(rows) == "[an array of 24 bytes]"


def test_the_tensors_of_a_v2_request_stay_a_list():
    tensor = {"name": "x", "data": list(range(500))}
    document = json_document.loads(json.dumps({"inputs": [tensor, tensor]}).encode(), TINY)
    assert [list(found["data"]) for found in document["inputs"]] == [list(range(500))] * 2
    assert all(isinstance(found["data"], LargeArray) for found in document["inputs"])


def test_a_list_under_inputs_that_holds_no_objects_is_large():
    document = json_document.loads(b'{"inputs": [[1, 2], [3, 4]]}', TINY)
    assert isinstance(document["inputs"], LargeArray)


def test_what_nobody_reads_is_checked_too():
    document = json_document.loads(b'{"a": {"b": [1, 2, 3, 4,, 5]}, "c": [1, 2, 3, 4]}', TINY)
    with pytest.raises(InvalidInput, match="the body is not JSON"):
        json_document.read_rest(document)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[[1, 2], [3, x], [5, 6]]", "unexpected character, expected a JSON value: near byte 14"),
        (b"[[1, 2], [3, NaN]]", "send null for a missing value"),
        (b"[[1, 2], [3, -Infinity]]", "send null for a missing value"),
        (b"[[1, 2], [3, 1e999]]", "number is infinity"),
        (b"[[1, 2], [3, 4]", "the array that begins at byte 1 does not end"),
        (b"[[1, 2],, [3, 4]]", "trailing comma is not allowed: near byte 8"),
        (b"[1234567,]", "no element before byte 10"),
        (b"[[1, 2], [3, 4]] 1", "unexpected content after document: near byte 18"),
        (b'{"n": [1, 2, 3, 4], "m": NaN}', "near byte 26; JSON has no NaN"),
    ],
)
def test_a_fault_is_named_with_its_place(body, fault):
    with pytest.raises(InvalidInput) as caught:
        json_document.read_rest({"all": json_document.loads(body, TINY)})
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[[1, 2], [" + b"1, " * 50 + b"1], 4]", "the element that begins at byte 9"),
        (b"[" * 200, "the element that begins at byte 2"),
        (b'{"a": "' + b"x" * 100 + b'"}', "more than 64 bytes outside of lists of rows"),
        (b'{"a": ' + b" " * 100 + b"1}", "more than 64 bytes outside"),
        (b"{" * 100, "more than 64 bytes outside"),
        (b'{"a": 1,' * 20, "more than 64 bytes outside"),
    ],
)
def test_what_cannot_be_read_in_blocks_is_too_large(body, fault):
    with pytest.raises(PayloadTooLarge) as caught:
        json_document.loads(body, SHORT)
    assert fault in str(caught.value)


def test_a_list_that_must_be_whole_is_bounded():
    array = json_document.loads(b"[" + b"1, " * 50 + b"1]", SHORT)
    with pytest.raises(PayloadTooLarge, match="send a list for each row"):
        json_document.whole(array)


@pytest.mark.parametrize(
    "body",
    [
        b'[["' + b"\\" * 400_001 + b'"]]',
        b"[" + b'"\\\\\\"",' * 60_000 + b"1]",
        b'{"a":' + b"[[],[[" * 1000 + b"1",
        b'["' + b"[" * 300_000 + b'"]',
        b"[" + b"{}," * 100_000 + b"{}]",
        b'{"a":"' + b"\xff" * 300_000 + b'"}',
    ],
)
def test_bodies_of_the_real_sizes_are_as_in_a_whole(body):
    assert outcome(lambda body: whole(json_document.loads(body)), body) == outcome(
        orjson.loads, body
    )
