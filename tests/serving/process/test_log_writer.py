"""A thread writes the log, so that no request waits for a slow reader of it."""

import os
import time

from mlserver_forest.serving.process import log_writer
from mlserver_forest.serving.process.log_writer import LogWriter


def read_all(descriptor):
    os.set_blocking(descriptor, False)
    found = b""
    try:
        while more := os.read(descriptor, 1 << 20):
            found += more
    except BlockingIOError:
        pass
    return found.decode()


def test_lines_are_written_in_their_order():
    ours, theirs = os.pipe()
    writer = LogWriter(theirs)
    for n in range(100):
        writer.put(f"{n}\n")
    writer.flush()
    assert read_all(ours) == "".join(f"{n}\n" for n in range(100))


def test_a_pipe_that_nobody_reads_stops_nobody_and_what_was_dropped_is_said(monkeypatch):
    monkeypatch.setattr(log_writer, "_MOST_CHARACTERS", 100_100)
    ours, theirs = os.pipe()
    writer, line = LogWriter(theirs), "x" * 1000 + "\n"
    for _ in range(1000):
        writer.put(line)
    writer.flush()  # This takes less than a second, although the pipe is full.
    seen = ""
    while "dropped" not in seen:
        seen += read_all(ours)
        time.sleep(0.01)
    written = seen.count(line)
    assert f"{1000 - written} lines were dropped, because the log was not read\n" in seen
    assert 100 <= written < 1000


def test_a_process_that_was_forked_writes_too():
    ours, theirs = os.pipe()
    writer = LogWriter(theirs)
    writer.put("before\n")
    writer.flush()
    pid = os.fork()
    if not pid:
        writer.put("in the child\n")
        writer.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    writer.put("after\n")
    writer.flush()
    assert read_all(ours) == "before\nin the child\nafter\n"


def test_a_pipe_that_was_closed_fails_nobody():
    ours, theirs = os.pipe()
    os.close(ours)
    writer = LogWriter(theirs)
    writer.put("lost\n")
    writer.flush()
