"""A real-time endpoint: /ping and /invocations, and SIGTERM when it is updated or deleted."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from mlserver_forest.doctor.http_client import Answer, ask, ask_on, finish
from mlserver_forest.doctor.rules import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    LARGE_BYTES,
    PING_SECONDS,
    STOP_SECONDS,
)
from mlserver_forest.doctor.sample import CSV, JSON, Sample
from mlserver_forest.doctor.target import RunningServer
from mlserver_forest.doctor.verdicts import CheckResult, failed, judged, passed

Check = Callable[[RunningServer, Sample], CheckResult]

_CONNECTIONS = 8
# Seconds between the halves of a request and the signal.
_PAUSE_SECONDS = 0.5
_GARBAGE = b'\x00\xff{"[,doctor' * 7
# Frameworks set text/html if a handler sets nothing; no model answers with HTML.
_NOT_AN_ANSWER = frozenset({"", "text/html"})


def invoke(
    server: RunningServer, sample: Sample, body: bytes | None = None, accept: str = "*/*"
) -> Answer:
    """Send a sample, or another body of its type, to /invocations.

    Raises:
        OSError: if there is no answer.
    """
    headers = {"Content-Type": sample.content_type, "Accept": accept}
    return ask(server.port, "POST", "/invocations", body or sample.body, headers)


def ping(server: RunningServer, sample: Sample) -> CheckResult:
    """Check /ping; the slowest of three answers counts."""
    answers = [ask(server.port, "GET", "/ping", seconds=5 * PING_SECONDS) for _ in range(3)]
    slowest = max(answers, key=lambda answer: (answer.status != 200, answer.seconds))
    is_kept = slowest.status == 200 and slowest.seconds <= PING_SECONDS
    return judged(is_kept, f"{slowest.status} after {slowest.seconds:.3f} s")


def ping_by_post(server: RunningServer, sample: Sample) -> CheckResult:
    """Check POST /ping, which some load balancers send."""
    answer = ask(server.port, "POST", "/ping", b"")
    return judged(answer.status == 200, str(answer.status))


def invocations(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that a body that the model expects is answered."""
    answer = invoke(server, sample)
    return judged(answer.is_success, f"{answer} ({answer.seconds:.3f} s)")


def content_type(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the body matches Content-Type, whatever Accept says."""
    answers = [(accept, invoke(server, sample, accept=accept)) for accept in ("*/*", CSV, JSON)]
    wrong = [f"Accept {accept}: {answer}" for accept, answer in answers if not _is_honest(answer)]
    if wrong:
        return failed("; ".join(wrong))
    return passed(", ".join(f"{accept}: {_type_of(answer)}" for accept, answer in answers))


def _type_of(answer: Answer) -> str:
    return answer.content_type if answer.is_success else str(answer.status)


def _is_honest(answer: Answer) -> bool:
    """Whether the body matches its Content-Type; a refusal may have any type."""
    if not answer.is_success:
        return True
    is_json = _is_json_container(answer.body)
    if answer.media_type == JSON:
        return is_json or _is_json(answer.body)
    return answer.media_type not in _NOT_AN_ANSWER and not (answer.media_type == CSV and is_json)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _is_json_container(body: bytes) -> bool:
    """Whether the body is an array or an object, which is not CSV; a number could be either."""
    return body.lstrip()[:1] in {b"[", b"{"} and _is_json(body)


def keep_alive(server: RunningServer, sample: Sample) -> CheckResult:
    """Check three requests on one connection, which may be closed if that is announced."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
    headers = {"Content-Type": sample.content_type}
    closed = 0
    try:
        for _ in range(3):
            answer = ask_on(connection, "POST", "/invocations", sample.body, headers)
            closed += answer.is_last
            if not answer.is_success:
                return failed(str(answer))
    finally:
        connection.close()
    how = f"{closed} closed, as announced" if closed else "on one connection"
    return passed(f"3 requests, {how}")


def chunked(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a chunked body, which a server without chunks may read as empty and answer."""
    half = len(sample.body) // 2
    parts = iter([sample.body[:half], sample.body[half:]])
    headers = {"Content-Type": sample.content_type}
    answer = ask(server.port, "POST", "/invocations", parts, headers)
    is_empty = not answer.body and bool(invoke(server, sample).body)
    return judged(answer.is_success and not is_empty, str(answer))


def concurrent(server: RunningServer, sample: Sample) -> CheckResult:
    """Check parallel requests: connections are opened before the first request; /ping is last."""
    connections = [
        HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
        for _ in range(_CONNECTIONS)
    ]
    try:
        slowest = max(map(_seconds_to_connect, connections))
        answers, pinged = _asked_at_once(server, sample, connections)
    finally:
        for connection in connections:
            connection.close()
    bad = [answer for answer in [*answers, pinged] if not answer.is_success]
    if bad:
        return failed(f"{len(bad)} of {_CONNECTIONS} and /ping: {bad[0]}")
    came = (
        f"{_CONNECTIONS} answers; connected within {slowest * 1000:.0f} ms, "
        f"/ping after {pinged.seconds:.3f} s"
    )
    return judged(slowest <= CONNECT_SECONDS, came)


def _asked_at_once(
    server: RunningServer, sample: Sample, connections: list[HTTPConnection]
) -> tuple[list[Answer], Answer]:
    headers = {"Content-Type": sample.content_type}
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        asked = [
            pool.submit(ask_on, one, "POST", "/invocations", sample.body, headers)
            for one in connections
        ]
        pinged = ask(server.port, "GET", "/ping")
        return [one.result() for one in asked], pinged


def _seconds_to_connect(connection: HTTPConnection) -> float:
    began = time.monotonic()
    connection.connect()
    return time.monotonic() - began


def unknown_route(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a route that no server has."""
    answer = ask(server.port, "GET", "/no-such-route-of-the-doctor")
    return judged(not answer.is_success, str(answer.status))


def unknown_type(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a media type that no server knows."""
    return _refused(server, "application/x-doctors-garbage")


def garbage(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a body that does not match its media type."""
    return _refused(server, sample.content_type)


def _refused(server: RunningServer, content_type: str) -> CheckResult:
    headers = {"Content-Type": content_type}
    answer = ask(server.port, "POST", "/invocations", _GARBAGE, headers)
    return judged(answer.is_refusal, str(answer))


def survival(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a valid request again, after all those that were refused."""
    answer = invoke(server, sample)
    is_well = ask(server.port, "GET", "/ping").status == 200
    return judged(answer.is_success and is_well, str(answer))


def large_body(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the largest body that an endpoint forwards; it may be refused."""
    body = sample.large(LARGE_BYTES)
    answer = invoke(server, sample, body)
    came = f"{len(body) / 1e6:.0f} MB: {answer.status} after {answer.seconds:.1f} s"
    if not (answer.is_success or answer.is_refusal):
        return failed(came)
    return judged(ask(server.port, "GET", "/ping").status == 200, came)


def sigterm_answer(server: RunningServer, sample: Sample) -> CheckResult:
    """Check a request during SIGTERM: half of the body is sent before the signal, half after."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=STOP_SECONDS)
    half = (len(sample.body) + 1) // 2
    began = time.monotonic()
    try:
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Type", sample.content_type)
        connection.putheader("Content-Length", str(len(sample.body)))
        connection.endheaders(sample.body[:half])
        time.sleep(_PAUSE_SECONDS)
        server.terminate()
        time.sleep(_PAUSE_SECONDS)
        connection.send(sample.body[half:])
        answer = finish(connection.getresponse(), began)
    except (OSError, HTTPException) as error:
        return failed(f"{str(error) or 'connection closed'} ({type(error).__name__})")
    finally:
        connection.close()
    return judged(answer.is_success, str(answer))


def sigterm_exit(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the server exits after the signal that the previous check sent."""
    began = server.terminate()
    code = server.wait(began + STOP_SECONDS - time.monotonic())
    if code is None:
        return failed(f"still running {STOP_SECONDS:.0f} s later")
    return passed(f"exit code {code} within {time.monotonic() - began:.0f} s")


CHECKS: Mapping[str, Check] = {
    "ping": ping,
    "ping-post": ping_by_post,
    "invocations": invocations,
    "content-type": content_type,
    "keep-alive": keep_alive,
    "chunked": chunked,
    "concurrent": concurrent,
    "unknown-route": unknown_route,
    "unknown-type": unknown_type,
    "garbage": garbage,
    "survival": survival,
    "large-body": large_body,
}
SIGTERM_CHECKS: Mapping[str, Check] = {
    "sigterm-answer": sigterm_answer,
    "sigterm-exit": sigterm_exit,
}
