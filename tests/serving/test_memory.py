"""Memory is used for the bytes that arrived, not for those that were announced."""

import re
import socket
import time
from pathlib import Path

import httpx

ROW = b"5.9,3.0,5.1,1.8\n"
CSV = {"content-type": "text/csv"}


def resident_megabytes(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024


def test_bodies_that_are_announced_take_no_memory_before_they_come(start_serve, model_dir):
    server = start_serve(model_dir, MODEL_SERVER_WORKERS="1").wait_until_ready()
    url = server.url + "/invocations"
    for _ in range(3):  # Memory that a busy server reuses is not backed by zero pages.
        assert httpx.post(url, content=ROW * 500_000, headers=CSV, timeout=60).status_code == 200
    (worker,) = server.workers()
    before = resident_megabytes(worker)
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
    head += b"content-length: 12000000\r\n\r\n"
    connections = []
    try:
        for _ in range(60):
            connection = socket.create_connection(("127.0.0.1", server.http_port))
            connection.sendall(head + ROW * 10)
            connections.append(connection)
        time.sleep(0.5)
        announced = 60 * 12
        assert resident_megabytes(worker) - before < announced / 8
        assert httpx.post(url, content=ROW, headers=CSV).text == "virginica\n"
    finally:
        for connection in connections:
            connection.close()
