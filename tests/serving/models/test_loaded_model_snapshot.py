"""The names of loaded models outlive the process that loaded them."""

import os
from pathlib import Path

from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot


def test_nothing_is_remembered_at_first():
    assert LoadedModelSnapshot().read() == {}


def test_what_a_process_wrote_another_reads():
    snapshot = LoadedModelSnapshot()
    pid = os.fork()
    if not pid:
        snapshot.write({"a" * 1000: Path("/a"), "b": Path("/b")})
        snapshot.write({"ä\n": Path("/a b")})
        os._exit(0)
    os.waitpid(pid, 0)
    assert snapshot.read() == {"ä\n": Path("/a b")}
