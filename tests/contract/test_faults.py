"""Nothing is lost: the faults of ``python -m tests.benchmarks faults`` in short form.

Durations are not asserted; what became of each request is.
"""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sklearn.ensemble import RandomForestClassifier

import support
from benchmarks.faults.load import Crowd, Drip, Leave, Load, Plan, get, post
from benchmarks.faults.load.questions import head_of
from benchmarks.faults.scene import Scene
from support import error_of


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("faults") / "model"
    forest = RandomForestClassifier(25, random_state=0)
    return Scene.of_iris(support, forest, model_dir, rate=200)


@pytest.fixture
def server(scene):
    with scene.serving() as running:
        yield running


def test_sigterm_under_load_loses_nothing(scene):
    with scene.serving() as server, scene.load(server, ends_when_refused=True) as load:
        time.sleep(1)
        server.signal(signal.SIGTERM)
        pings = [200]
        while pings[-1] == 200:  # Until the signal has arrived.
            pings.append(httpx.get(f"http://127.0.0.1:{server.port}/ping").status_code)
        code = server.exit_code(30)
        counts = load.stop()
    assert pings[-1] == 503
    assert code == 0
    assert (counts.lost, counts.wrong, counts.timed_out) == (0, 0, 0)
    assert counts.right > 200
    assert counts.right + counts.refused == len(counts)


def test_slow_silent_and_impatient_clients_disturb_nobody(scene, server):
    large = "".join(scene.rows[i % 150] + "\n" for i in range(20_000)).encode()
    leaving = post("/invocations", large, "text/csv", "application/json")
    groups = (
        Drip(300),
        Drip(50, b"POST /invocations HTTP/1.1\r\nhost: x\r\nx-slow: ", b"slow"),
        Drip(50, head_of("/invocations", 1_000_000, "text/csv"), b"5.1,3.5,1.4,0.2\n"),
        Leave(5, leaving.request, 100_000),
    )
    with Crowd(server.port, *groups) as crowd:
        counts = scene.steady(server, 3)
        seen = crowd.stop()
    assert counts.right == len(counts)
    assert seen.left > 0
    assert seen.closed == 0


def test_bodies_that_are_refused_leave_no_memory(scene):
    """The last row is wrong, so that all of the body has been read and decoded."""
    row = f"{scene.rows[0]}\n".encode()
    body = row * (2**23 // len(row)) + b"5.1,x,1.4,0.2\n"
    with scene.serving(MODEL_SERVER_WORKERS="1") as server:
        after = []
        for _ in range(12):
            answer = httpx.post(
                f"{server.running.url}/invocations",
                content=body,
                headers={"content-type": "text/csv"},
                timeout=60,
            )
            assert (answer.status_code, "not a number" in error_of(answer)) == (400, True)
            after.append(server.anonymous_memory())
    assert after[-1] < after[1] + 8


def test_out_of_file_descriptors_it_still_answers(scene):
    with scene.serving(descriptors=160) as server:
        with Crowd(server.port, Drip(400)) as crowd:
            time.sleep(0.5)
            counts = scene.steady(server, 2)
            crowd.stop()
        after = scene.steady(server, 1)
    assert (counts.lost, counts.wrong) == (0, 0)
    assert counts.right == len(counts)
    assert after.right == len(after)


def test_too_many_large_requests_are_refused_at_once_and_the_others_are_right(scene, server):
    """Far more than can be answered: each is answered rightly, or told when to come again."""
    rows = [scene.rows[i % 150] for i in range(20_000)]
    labels = [scene.labels[i % 150] for i in range(20_000)]
    right = "".join(label + "\n" for label in labels).encode()
    question = post(
        "/invocations", "".join(row + "\n" for row in rows).encode(), "text/csv", right=right
    )
    crowd = Plan(server.port, (question,), rate=600, pool=60, most=60, seconds=3, timeout=30)
    with Load(Plan(server.port, (get("/ping", right=b""),), rate=20, seconds=3)) as probe:
        counts = Load(crowd).run()
        pings = probe.wait()
    assert (counts.lost, counts.wrong, counts.timed_out) == (0, 0, 0)
    assert counts.right > 0
    assert counts.busy > 0
    assert pings.right == len(pings)
    after = scene.steady(server, 1)
    assert after.right == len(after)


def test_a_refusal_says_when_to_come_again_and_keeps_the_connection(server):
    """The rest of the refused body is read and dropped, and the next request is answered."""
    url = f"http://127.0.0.1:{server.port}/invocations"
    body = "5.9,3.0,5.1,1.8\n" * 200_000
    headers = {"content-type": "text/csv"}
    with ThreadPoolExecutor(24) as pool, httpx.Client(timeout=60) as client:
        refused = []
        for _ in range(5):
            ask = lambda _: client.post(url, content=body, headers=headers)  # noqa: E731
            answers = list(pool.map(ask, range(24)))
            assert {answer.status_code for answer in answers} <= {200, 503}
            refused += [answer for answer in answers if answer.status_code == 503]
        assert refused
        for answer in refused:
            assert answer.headers["retry-after"] == "1"
            assert "large requests are being answered here already" in error_of(answer)
        time.sleep(1.2)
        assert client.post(url, content=b"5.9,3.0,5.1,1.8", headers=headers).status_code == 200


def test_a_full_disk_changes_nothing(scene, tmp_path):
    """As nothing is written there: a folder for temporary files that cannot be used."""
    with scene.serving(TMPDIR="/proc/none", HOME="/proc/none") as server:
        counts = scene.steady(server, 1)
    assert counts.right == len(counts)


def test_half_open_requests_beyond_the_limit_of_files_push_out_each_other(scene):
    """Clients that were answered once, and those that have just come, stay."""
    half = b"POST /invocations HTTP/1.1\r\nhost: x\r\nx-slow: "
    with (
        scene.serving(descriptors=160, MODEL_SERVER_WORKERS="1") as server,
        httpx.Client(base_url=server.running.url) as client,
    ):
        assert client.get("/ping").status_code == 200
        with Crowd(server.port, Drip(400, half, b"slow", seconds=0.2)) as crowd:
            counts = scene.steady(server, 3)
            assert client.get("/ping").status_code == 200
            crowd.stop()
    assert counts.right == len(counts)
