"""A small server that keeps SageMaker's contract, but for the one fault that it is told to have.

With the argument ``train`` behind the fault it is a training job.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULT = sys.argv[1]
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
ML = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):
        if FAULT == "yes to all" or self.path == "/ping":
            self.ping()
        elif FAULT == "too much" and self.path == "/execution-parameters":
            document = {"MaxConcurrentTransforms": 17, "MaxPayloadInMB": 6}
            self.answer(200, json.dumps(document), "application/json")
        else:
            self.answer(404, "{}", "application/json")

    def do_POST(self):
        body = self.body()
        if FAULT == "yes to all" or self.path == "/ping":
            self.ping()
        elif self.path == "/invocations":
            self.answer(*self.invoke(body))
        else:
            self.answer(404, "{}", "application/json")

    def do_DELETE(self):
        self.do_GET()

    def ping(self):
        if FAULT == "slow ping":
            time.sleep(2.2)
        status = int(FAULT.split()[1]) if FAULT.startswith("ping ") else 200
        self.answer(status, "", "text/html")

    def invoke(self, body):
        if self.headers["Content-Type"] != "text/csv":
            return 415, "unknown type", "text/plain"
        try:
            rows = body.decode().splitlines()
            [float(cell) for row in rows[:10] for cell in row.split(",")]
        except ValueError:
            if FAULT == "dies of garbage":
                os._exit(3)
            return 500 if FAULT == "500 for garbage" else 400, "garbage", "text/plain"
        if FAULT == "one line" and len(rows) > 1:
            return 200, ",".join("0" for _ in rows), "text/csv"
        if FAULT == "500 for rows":
            return 500, "IndexError: 5", "text/plain"
        content_type = "text/csv"
        if FAULT == "no type":
            content_type = None
        return 200, "0\n" * len(rows), content_type

    def body(self):
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        if FAULT == "no chunks":
            self.close_connection = True
            return b""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status, text, content_type):
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # A request under way is finished.
    request_queue_size = 64  # With the default, 5, connections wait for a second.


def outside_of_the_range():
    while PORT <= (server := Server((HOST, 0), Handler)).server_port <= PORT + 100:
        server.server_close()
    return server


def train():
    channels = ML / "input" / "data"
    if FAULT == "lists channels":
        files = [file for channel in channels.iterdir() for file in channel.iterdir()]
    else:
        files = list((channels / "training").iterdir())
    if FAULT == "fails to train":
        (ML / "output" / "failure").write_text("AlgorithmError: the label is not a number")
        sys.exit(255)
    (ML / "model" / "model.txt").write_text(" ".join(map(str, files)))


def want_it_all():
    multiprocessing.Lock()
    Path("/var/cache/started").touch()
    Path(os.environ["HOME"]).stat()


def want_memory():
    """1.2 GB, which a serverless endpoint with 1024 MB does not have."""
    assert len(b"\1" * (1200 << 20)) == 1200 << 20


def main():
    if FAULT == "wants it all":
        want_it_all()
    if FAULT == "does not start":
        sys.exit("wrong_server: no model of mine")
    if FAULT == "writes":
        (ML / "model" / "cache").write_text("compiled")
    if FAULT == "does nothing":
        time.sleep(600)
    if FAULT == "wants memory":
        want_memory()
    if FAULT == "silent":
        with socket.create_server((HOST, PORT)):
            time.sleep(600)
    host = "127.0.0.1" if FAULT == "on loopback" else HOST
    server = Server((host, 0 if FAULT == "elsewhere" else PORT), Handler)
    if FAULT == "another port":
        server.others = [outside_of_the_range()]
    if FAULT != "dies of SIGTERM":
        stop = lambda *args: threading.Thread(target=server.shutdown).start()  # noqa: E731
        signal.signal(signal.SIGTERM, stop)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if sys.argv[2:] == ["train"] and FAULT != "only serves":
    train()
else:
    main()
