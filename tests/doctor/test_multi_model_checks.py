"""The requests that ``forest doctor`` sends to a multi-model endpoint."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

from mlserver_forest.doctor import multi_model_checks
from mlserver_forest.doctor.sample import Sample


class Recorder(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers.append(self.headers)
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"0\n")

    def log_message(self, *args):
        pass


def test_an_invocation_names_its_model_in_sagemakers_header():
    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.headers = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            target = SimpleNamespace(port=server.server_port)
            result = multi_model_checks.invoke_one(
                target, Sample(body=b"1,2", content_type="text/csv")
            )
        finally:
            server.shutdown()
            thread.join()
    (headers,) = server.headers
    assert result.verdict == "PASS"
    assert headers["X-Amzn-SageMaker-Target-Model"] == "doctor/model.tar.gz"
