"""Requests passed on to an ASGI application, and its responses."""

import asyncio

import pytest

from mlserver_forest.serving.http.asgi import Request
from mlserver_forest.serving.http.asgi_bridge import forward

HEADERS = {b"host": b"x", b"content-type": b"text/plain"}


def answer_of(app, method="POST", path=b"/v2/a%20b", query=b"q=1", body=b"abc"):
    request = Request(method, path, query, HEADERS, None)
    request.body = body
    return asyncio.run(forward(app, request))


def responding(*headers, status=200):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    return app


def test_the_application_is_given_the_whole_request():
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope, message=await receive())
        await responding()(scope, receive, send)

    answer_of(app)
    assert seen["message"] == {"type": "http.request", "body": b"abc"}
    assert (seen["method"], seen["path"], seen["raw_path"]) == ("POST", "/v2/a b", b"/v2/a%20b")
    assert (seen["query_string"], seen["http_version"]) == (b"q=1", "1.1")
    assert seen["headers"] == list(HEADERS.items())


def test_the_response_is_whole_and_leaves_its_framing_to_the_connection():
    sent = ((b"content-type", b"text/plain"), (b"Content-Length", b"7"), (b"x-a", b"1"))
    response = answer_of(responding(*sent, status=418))
    assert (response.status, response.body) == (418, b"one two")
    assert response.headers == ((b"content-type", b"text/plain"), (b"x-a", b"1"))


def test_an_application_may_listen_for_the_end_of_the_request_while_it_answers():
    """Starlette's streaming responses do."""

    async def app(scope, receive, send):
        await receive()
        listening = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await responding()(scope, receive, send)
        assert not listening.done()
        listening.cancel()

    assert answer_of(app).body == b"one two"


def test_a_header_cannot_break_out_of_its_line():
    with pytest.raises(ValueError, match="contains a line break"):
        answer_of(responding((b"x-a", b"1\r\nx-b: 2")))


def test_a_failure_is_left_to_the_caller():
    async def app(scope, receive, send):
        raise RuntimeError("secret detail")

    with pytest.raises(RuntimeError):
        answer_of(app)
