"""What drives a server for some seconds: wrk for small requests, ``sender`` for the others."""

import json
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.benchmarks.peers.environment import program
from tests.support import ROOT

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}
SCRIPT = """\
wrk.method = "POST"
wrk.body = io.open({body}, "rb"):read("*a")
"""


@dataclass(frozen=True)
class Driven:
    """What a driver saw; ``cpu_seconds`` is what it took itself."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu_seconds: float


def children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wrk(server, request, connections, seconds, folder):
    """HTTP on connections that stay open; a status that is not 200, or an error, ends us."""
    script = Path(folder, "request.lua")
    headers = [f'wrk.headers["{name}"] = "{value}"\n' for name, value in request.headers.items()]
    body = json.dumps(str(request.saved_in(folder)))
    script.write_text(SCRIPT.format(body=body) + "".join(headers))
    command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    before = children_cpu_seconds()
    done = subprocess.run(
        [*command, "--timeout", "10s", "-s", script, server.url + request.path],
        capture_output=True,
        text=True,
        check=True,
    )
    cpu_seconds = children_cpu_seconds() - before
    if re.search(r"Non-2xx|Socket errors", done.stdout):
        raise SystemExit(f"{server.name} fails:\n{done.stdout}")
    requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
    rate = float(re.search(r"Requests/sec: +([\d.]+)", done.stdout)[1])
    p50, p99 = (latency(done.stdout, percent) for percent in (50, 99))
    return Driven(requests, requests / rate, p50, p99, cpu_seconds)


def latency(printed, percent):
    return seconds_of(re.search(rf"^ +{percent}% +([\d.]+\w+) *$", printed, re.MULTILINE)[1])


def threads(server, request, connections, seconds, folder, n_processes=1):
    """The same by ``sender``, in one process or more."""
    question = {
        "kind": request.kind,
        "port": server.grpc_port if request.kind == "grpc" else server.http_port,
        "path": request.path,
        "headers": request.headers,
        "body": str(request.saved_in(folder)),
        "answer_bytes": request.answer_bytes[server.name],
        "threads": connections // n_processes,
        "seconds": seconds,
    }
    command = [sys.executable, "-m", "tests.benchmarks.peers.sender", json.dumps(question)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(n_processes)]
    try:
        for process in processes:
            process.stdout.readline()  # All are ready.
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    if any(process.returncode for process in processes):
        raise SystemExit(f"{server.name} fails: the sender's message stands above")
    answers = [json.loads(text) for text in printed]
    latencies = [seconds for answer in answers for seconds in answer["latencies"]]
    p50, p99 = np.percentile(latencies, [50, 99])
    longest = max(answer["seconds"] for answer in answers)
    cpu_seconds = sum(answer["cpu_seconds"] for answer in answers)
    return Driven(len(latencies), longest, p50, p99, cpu_seconds)


def h2load(server, request, connections, seconds, folder):
    """gRPC by nghttp2's client in C; a status that is not 200, or an error, ends us.

    It prints neither percentile, so the mean and the longest time stand for them.
    """
    body = Path(folder, "request.grpc")
    if not body.exists():  # One message, not compressed (gRPC's "Length-Prefixed-Message").
        body.write_bytes(b"\0" + len(request.body).to_bytes(4, "big") + request.body)
    command = [program("h2load", "nghttp2-client"), f"-c{connections}", "-t1", "-m1"]
    command += [f"-D{seconds}", "-d", body]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    url = f"http://127.0.0.1:{server.grpc_port}{request.path}"
    before = children_cpu_seconds()
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    cpu_seconds = children_cpu_seconds() - before
    if not re.search(r" 0 failed, 0 errored", done.stdout):
        raise SystemExit(f"{server.name} fails:\n{done.stdout}")
    requests = int(re.search(r"(\d+) succeeded", done.stdout)[1])
    rate = float(re.search(r"([\d.]+) req/s", done.stdout)[1])
    times = re.search(r"time for request: +(.*)%", done.stdout)[1].split()
    longest, mean = (seconds_of(text) for text in times[1:3])
    return Driven(requests, requests / rate, mean, longest, cpu_seconds)


def seconds_of(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * UNITS[unit]
