"""Kernels are compiled before they are needed, once for a machine, and that is said."""

import subprocess
import sys

from support import clean_environ

SCRIPT = """
from mlserver_forest.model.compile_ahead import compile_jobs
compile_jobs([("drift", "float32"), ("derive", "Products")], print)
from numba.core import event
with event.install_recorder("numba:compile") as record:
    from mlserver_forest.insight.bin_counts import warm_up
    warm_up("float32")
print("compiled again:", len(record.buffer))
"""


def printed(cache):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=clean_environ(NUMBA_CACHE_DIR=str(cache)),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines(), done.stderr


def test_a_machine_compiles_once_and_says_so(tmp_path):
    """The second process takes from the cache what two others have written, without a word."""
    (announced, done, again), err = printed(tmp_path)
    assert announced == "compiling the engine for this machine, once: about 1 s"
    assert done.startswith("compiled the engine in ")
    assert (again, err) == ("compiled again: 0", "")
    assert printed(tmp_path) == (["compiled again: 0"], "")
