"""Requests from threads of a process of its own: large bodies over HTTP, and calls over gRPC.

wrk does not count the requests that are in flight when its time is over, and of large bodies
these are many; here a thread ends after its last answer, and every answer counts. What to do
is JSON, the first argument. It says ``ready``, waits for a line, and prints JSON.
"""

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

LOCAL = [("grpc.use_local_subchannel_pool", 1)]


def http_call(question, body):
    """A function that sends the body, and the answer that it expects ever after."""
    connection = http.client.HTTPConnection("127.0.0.1", question["port"], timeout=120)

    def call():
        connection.request("POST", question["path"], body, question["headers"])
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200 or len(answer) != question["answer_bytes"]:
            raise SystemExit(f"status {response.status}, {len(answer)} bytes: {answer[:300]!r}")

    return call


def grpc_call(question, body):
    channel = grpc.insecure_channel(f"127.0.0.1:{question['port']}", options=LOCAL)
    method = channel.unary_unary(question["path"])
    return lambda: method(body)


CALLS = {"http": http_call, "grpc": grpc_call}


def repeat(call, deadline):
    """The seconds that each call took, until the deadline is over."""
    found = []
    begun = time.perf_counter()
    while begun < deadline:
        call()
        ended = time.perf_counter()
        found.append(ended - begun)
        begun = ended
    return found


def main(question):
    body = Path(question["body"]).read_bytes()
    threads = question["threads"]
    calls = [CALLS[question["kind"]](question, body) for _ in range(threads)]
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, begun = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(repeat, calls, [begun + question["seconds"]] * threads))
    answer = {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - cpu,
        "latencies": [seconds for each in found for seconds in each],
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
