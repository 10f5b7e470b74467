"""SIGTERM: an endpoint is updated, scaled in or deleted."""

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from mlserver_forest.doctor.check_results import Outcome, failed, judged, passed
from mlserver_forest.doctor.endpoint_checks import Check
from mlserver_forest.doctor.http_client import finish
from mlserver_forest.doctor.rules import STOP_SECONDS
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import Server

_PAUSE_SECONDS = 0.5


def answers_what_is_under_way(server: Server, sample: Sample) -> Outcome:
    """Half of the body comes before the signal, half of it after."""
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


def exits(server: Server, sample: Sample) -> Outcome:
    began = server.terminate()
    code = server.wait(began + STOP_SECONDS - time.monotonic())
    if code is None:
        return failed(f"still running {STOP_SECONDS:.0f} s later")
    return passed(f"exit code {code} within {time.monotonic() - began:.0f} s")


CHECKS: Mapping[str, Check] = {
    "sigterm-answer": answers_what_is_under_way,
    "sigterm-exit": exits,
}
