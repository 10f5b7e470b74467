"""The names of loaded models outlive the process that loaded them."""

import os
from pathlib import Path

from mlserver_forest.serving.models.loaded_model_snapshot import RememberedModels


def test_nothing_is_remembered_at_first():
    assert RememberedModels().read() == {}


def test_what_a_process_wrote_another_reads():
    remembered = RememberedModels()
    pid = os.fork()
    if not pid:
        remembered.write({"a" * 1000: Path("/a"), "b": Path("/b")})
        remembered.write({"ä\n": Path("/a b")})
        os._exit(0)
    os.waitpid(pid, 0)
    assert remembered.read() == {"ä\n": Path("/a b")}
