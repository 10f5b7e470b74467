"""Compressed bodies and answers over HTTP: every coding both ways, bounds, and what is refused."""

import gzip
import json
import zlib

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput, NotAcceptable
from mlserver_forest.serving.http.content_codings import Deflation, Inflation, preferred
from support import error_of, serving

ROW = b"5.9,3.0,5.1,1.8\n"
CSV = {"content-type": "text/csv", "accept-encoding": "identity"}


def raw_deflate(body):
    writer = zlib.compressobj(wbits=-15)
    return writer.compress(body) + writer.flush()


WRITERS = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "deflate": zlib.compress,
    "DEFLATE, identity": raw_deflate,
}


@pytest.fixture(scope="module")
def small_server(model_dir):
    """A server that takes a megabyte."""
    with serving(model_dir, MAX_CONTENT_LENGTH="1000000") as server:
        yield server


def post(server, content, path="/invocations", **headers):
    return httpx.post(server.url + path, content=content, headers={**CSV, **headers}, timeout=60)


@pytest.mark.parametrize("coding", WRITERS)
@pytest.mark.parametrize("n_rows", [1, 5_000, 60_000])  # In the event loop, in a thread, streamed.
def test_a_body_and_its_answer_are_the_same_when_they_are_compressed(small_server, coding, n_rows):
    body = ROW * n_rows
    plain = post(small_server, body, accept="application/json")
    sent = {"content-encoding": coding, "accept-encoding": coding.split(",")[0].lower()}
    answer = post(small_server, WRITERS[coding](body), accept="application/json", **sent)
    assert (answer.status_code, answer.content) == (200, plain.content)
    used = None if n_rows == 1 else {"x-gzip": "gzip"}.get(coding, coding.split(",")[0].lower())
    assert answer.headers.get("content-encoding") == used
    for response in (plain, answer):
        assert response.headers.get("vary") == (None if n_rows == 1 else "accept-encoding")
    chunks = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    assert post(small_server, chunks, accept="application/json").content == plain.content


def test_a_bomb_is_refused_before_its_memory_is_taken(small_server):
    bomb = gzip.compress(ROW * 4_000_000)
    for body in (bomb, iter([bomb])):
        response = post(small_server, body, **{"content-encoding": "gzip"})
        assert response.status_code == 413
        assert "when it is decompressed; at most 1000000 are accepted" in error_of(response)
    response = post(small_server, bomb, "/v2/repository/index", **{"content-encoding": "gzip"})
    assert response.status_code == 413
    assert "this route takes no rows" in error_of(response)
    exact = ROW * 62_500  # A megabyte.
    assert post(small_server, zlib.compress(exact), **{"content-encoding": "deflate"}).is_success
    more = zlib.compress(exact + b"\n")
    assert post(small_server, more, **{"content-encoding": "deflate"}).status_code == 413


@pytest.mark.parametrize(
    ("coding", "body", "status", "fault"),
    [
        ("gzip", gzip.compress(ROW)[:-9], 400, "the body is not valid gzip"),
        ("gzip", gzip.compress(ROW * 50_000)[:-1], 400, "it ends too early"),
        ("gzip", ROW, 400, "incorrect header check"),
        ("gzip", gzip.compress(ROW) + b"more", 400, "incorrect header check"),
        ("gzip", b"\x1f", 400, "it ends too early"),
        ("deflate", zlib.compress(ROW) + b"more", 400, "bytes follow its end"),
        ("deflate", ROW, 400, "the body is not valid deflate"),
        ("br", b"x", 415, "Content-Encoding 'br' is not read; expected one of gzip, deflate"),
        ("gzip, gzip", b"x", 415, "Content-Encoding 'gzip, gzip' is not read"),
        ("br", b"x" * 100_000, 415, "Content-Encoding 'br' is not read"),
    ],
)
def test_what_cannot_be_read_is_refused(small_server, coding, body, status, fault):
    response = post(small_server, body, **{"content-encoding": coding})
    assert response.status_code == status
    assert fault in error_of(response)
    accepted = "gzip, deflate" if status == 415 else None
    assert response.headers.get("accept-encoding") == accepted


def test_a_short_answer_is_compressed_if_it_has_to_be(small_server):
    response = post(small_server, ROW, **{"accept-encoding": "gzip, identity;q=0"})
    assert (response.headers["content-encoding"], response.text) == ("gzip", "virginica\n")
    refused = post(small_server, ROW, **{"accept-encoding": "br, identity;q=0"})
    assert refused.status_code == 406
    assert "allows none of the codings: gzip, deflate, identity" in error_of(refused)


def test_other_routes_compress_and_a_switch_turns_it_off(small_server, model_dir, start_serve):
    asked = {"headers": {"accept-encoding": "gzip"}}
    for path in ("/metrics", "/openapi.json", "/"):
        answers = [httpx.request(m, small_server.url + path, **asked) for m in ("GET", "HEAD")]
        assert {answer.headers["content-encoding"] for answer in answers} == {"gzip"}
    etag = answers[0].headers["etag"]
    assert etag.startswith('W/"')
    kept = httpx.get(small_server.url, headers={"if-none-match": etag})
    assert (kept.status_code, kept.content) == (304, b"")
    server = start_serve(model_dir, FOREST_COMPRESS="off").wait_until_ready()
    answer = httpx.get(server.url + "/openapi.json", **asked)
    assert not {"content-encoding", "vary"} & set(answer.headers)


def test_v2_counts_the_json_before_binary_tensors_as_it_was_before_compression(small_server):
    x = np.tile(np.array([5.9, 3.0, 5.1, 1.8], np.float32), (20_000, 1))
    tensor = {"name": "X", "shape": x.shape, "datatype": "FP32"}
    document = {"inputs": [{**tensor, "parameters": {"binary_data_size": x.nbytes}}]}
    text = json.dumps(document).encode()
    headers = {"inference-header-content-length": str(len(text)), "content-encoding": "gzip"}
    headers["content-type"] = "application/octet-stream"
    body = gzip.compress(text + x.tobytes())
    answer = post(small_server, body, "/v2/models/forest/infer", **headers)
    assert answer.json()["outputs"][0]["shape"] == [20_000, 1]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", (None, False)),
        (b"br", (None, False)),
        (b"gzip", ("gzip", False)),
        (b"deflate, gzip", ("gzip", False)),
        (b"deflate;q=1.0, gzip;q=0.5", ("deflate", False)),
        (b"*", ("gzip", False)),
        (b"gzip;q=0, *", ("deflate", False)),
        (b"identity, gzip;q=0.5", (None, False)),
        (b"identity;q=0.5, GZIP;Q=0.5", ("gzip", False)),
        (b"*;q=0, gzip", ("gzip", True)),
        (b"identity;q=0, x-gzip", ("gzip", True)),
        (b"gzip;q=x", (None, False)),
    ],
)
def test_the_coding_of_an_answer_is_what_the_client_prefers(header, expected):
    assert preferred(header) == expected


def test_a_client_may_exclude_every_coding():
    for header in (b"*;q=0", b"identity;q=0", b"br, *;q=0" + b" " * 300):
        with pytest.raises(NotAcceptable, match="allows none of the codings"):
            preferred(header)


@settings(max_examples=200)
@given(st.data())
def test_inflation_in_any_steps_is_what_zlib_reads(data):
    body = data.draw(st.binary(max_size=3000)) * data.draw(st.sampled_from([1, 40]))
    coding = data.draw(st.sampled_from(["gzip", "deflate"]))
    compressed = Deflation(coding).whole(body)
    cut = data.draw(st.integers(0, len(compressed)))
    flipped = bytearray(compressed)
    flipped[cut % len(compressed)] ^= data.draw(st.integers(0, 255))
    for sent in (compressed, compressed[:cut], bytes(flipped)):
        expected = None
        try:
            reader = zlib.decompressobj({"gzip": 31, "deflate": 15}[coding])
            expected = reader.decompress(sent)
            is_whole = reader.eof and not reader.unused_data
        except zlib.error:
            is_whole = False
        inflation = Inflation(sent, coding)
        if is_whole:
            while not inflation.is_complete:
                inflation.grow(len(inflation) + data.draw(st.integers(1, 5000)))
            assert inflation.take() == expected
        elif sent == compressed[:cut] or coding == "gzip":
            with pytest.raises(InvalidInput, match="is not valid"):
                inflation.grow(10**6)
