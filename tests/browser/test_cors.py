"""CORS as a browser sees it: Chromium calls from a page of another origin; and exact headers."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from support import serving

CALL = """async ([url, headers]) => {
    try {
        const answer = await fetch(url + "/invocations", {
            method: "POST", body: "5.9,3.0,5.1,1.8", headers});
        return [answer.status, await answer.text(),
                answer.headers.get("x-amzn-sagemaker-custom-attributes")];
    } catch (error) { return [String(error)]; }
}"""
HEADERS = {"content-type": "text/csv", "x-amzn-sagemaker-custom-attributes": "trace=7"}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>x</title>")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def origin():
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def cors_server(model_dir, origin):
    with serving(model_dir, FOREST_CORS_ORIGINS=f"https://example.com,{origin}") as server:
        yield server


def test_a_page_of_an_allowed_origin_calls_and_another_does_not(
    chromium, cors_server, iris_server, origin
):
    page = chromium.new_page()
    page.goto(origin)
    assert page.evaluate(CALL, [cors_server.url, HEADERS]) == [200, "virginica\n", "trace=7"]
    (status, text, _) = page.evaluate(CALL, [cors_server.url, {"content-type": "x/y"}])
    assert (status, "expected one of" in text) == (415, True)
    assert page.evaluate(CALL, [iris_server.url, HEADERS]) == ["TypeError: Failed to fetch"]
    page.goto(origin.replace("127.0.0.1", "localhost"))  # Another origin.
    assert page.evaluate(CALL, [cors_server.url, HEADERS]) == ["TypeError: Failed to fetch"]
    page.close()


def test_a_preflight_is_answered_by_route(cors_server, iris_server, origin):
    asked = {"origin": origin, "access-control-request-method": "POST"}
    more = {**asked, "access-control-request-headers": "content-type,authorization"}
    answer = httpx.options(cors_server.url + "/v2/models/forest/infer", headers=more)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    found = {key: value for key, value in answer.headers.items() if key.startswith("access-")}
    assert found == {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type,authorization",
        "access-control-max-age": "600",
        "access-control-expose-headers": found["access-control-expose-headers"],
    }
    assert answer.headers["vary"] == "origin"
    other = httpx.options(cors_server.url + "/ping", headers={**asked, "origin": "https://oak"})
    assert not [key for key in other.headers if key == "access-control-allow-origin"]
    assert httpx.options(cors_server.url + "/ping").status_code == 405
    assert httpx.options(cors_server.url + "/oak", headers=asked).status_code == 404
    off = httpx.options(iris_server.url + "/invocations", headers=asked)
    assert off.status_code == 405
    assert not [key for key in off.headers if key.startswith("access-")]


def test_all_origins_may_be_allowed(model_dir, start_serve):
    server = start_serve(model_dir, FOREST_CORS_ORIGINS="*").wait_until_ready()
    answer = httpx.get(server.url + "/ping", headers={"origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "vary" not in answer.headers
