"""Thousands of idle, slow and impatient clients: the constant load must not notice."""

from .load import Crowd, Drip, Leave, post
from .load.questions import head_of
from .scene import add_constant_load
from .table import Row

_IDLE, _SLOW, _HALF_OPEN, _LEAVING_PER_SECOND = 2_000, 200, 50, 20
_LARGE_ROWS = 20_000
_READ_BYTES = 100_000
_TIMES, _MORE_MILLISECONDS = 2, 5.0


def slow(scene):
    row = Row("slow")
    large = "".join(scene.rows[i % len(scene.rows)] + "\n" for i in range(_LARGE_ROWS)).encode()
    question = post("/invocations", large, "text/csv", "application/json")
    groups = (
        Drip(_IDLE),
        Drip(_SLOW, b"POST /invocations HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ", b"slow"),
        Drip(_SLOW, head_of("/invocations", 1_000_000, "text/csv"), b"5.1,3.5,1.4,0.2\n"),
        Drip(_HALF_OPEN),
        Leave(_LEAVING_PER_SECOND, question.request, _READ_BYTES),
    )
    with scene.serving() as server:
        scene.steady(server, 1)  # The first answers are slower.
        before = scene.steady(server, scene.overload_seconds).milliseconds(99)
        with Crowd(server.port, *groups) as crowd:
            counts = scene.steady(server, scene.overload_seconds)
            seen = crowd.stop()
        after = scene.steady(server, 2)
    row.add("p99 before", f"{before:.1f} ms")
    limit = _TIMES * before + _MORE_MILLISECONDS
    row.at_most("p99 during", counts.milliseconds(99), limit, " ms")
    add_constant_load(row, counts)
    row.add("slow connections", f"{seen.held}, closed by the server {seen.closed}")
    row.add("answers left", f"{seen.left}, not come {seen.unanswered}")
    row.add("after", after.summary(), "all right", after.right == len(after))
    yield row
