"""Kernels are compiled before they are needed, once for a machine, and that is said."""

import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from support import BIN, clean_environ

HERE = Path(__file__).parents[1]

LOADED = """
import sys
sys.path.insert(0, sys.argv[1])
import compile_record
import mlserver_forest as mf
model = mf.load(sys.argv[2])
compile_record.record(sys.argv[3])
for n in (1, 40):
    rows = model.samples[[0] * n]
    model.predict(rows), model.interval(rows), model.explain(rows), model.out_of_range(rows)
"""


@pytest.mark.parametrize("name", ["trained-extra-trees-interval-price", "lightgbm-categories"])
def test_a_loaded_model_answers_without_the_compiler(tmp_path, name):
    directory = HERE / "compatibility" / "0.1.0" / name / "model"
    log = tmp_path / "compiled"
    code = LOADED if "interval" in name else LOADED.replace("model.interval(rows),", "")
    code = code if "interval" in name else code.replace(", model.out_of_range(rows)", "")
    subprocess.run([sys.executable, "-c", code, HERE, directory, log], check=True)
    assert log.read_text() == ""


def packed(folder):
    """What forest pack says to a person, and what it prints."""
    done = subprocess.run(
        [BIN / "forest", "pack", "tree.joblib", "--out", "model"],
        env=clean_environ(NUMBA_CACHE_DIR=str(folder / "cache")),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines(), done.stdout


def test_a_machine_compiles_once_and_says_so(tmp_path):
    """Other processes write to the cache, from which the second command takes without a word."""
    x = np.random.default_rng(0).random((40, 2))
    joblib.dump(DecisionTreeClassifier().fit(x, x[:, 0] > 0.5), tmp_path / "tree.joblib")
    (announced, done), printed = packed(tmp_path)
    assert announced == "compiling the engine for this machine, once: about 5 s"
    assert done.startswith("compiled the engine in ")
    assert "0 differences" in printed
    assert packed(tmp_path) == ([], printed)


# Numba's cache gives way to another process wherever that could do harm.
WRITTEN_AT_ONCE = """
import sys, time
import numpy as np
from numba.core.caching import IndexDataCacheFile
sys.path.insert(0, sys.argv[1])
read = IndexDataCacheFile._load_index
def slowly(self):
    found = read(self)
    time.sleep(0.5)
    return found
IndexDataCacheFile._load_index = slowly
from doubled import doubled
print(doubled(np.ones(2, sys.argv[2])).dtype)
"""


def test_processes_that_compile_at_the_same_time_keep_their_own_code(tmp_path):
    (tmp_path / "doubled.py").write_text(
        "from mlserver_forest.compilation import compiled\n\n\n"
        "@compiled\ndef doubled(x):\n    return x + x\n"
    )
    dtypes = ["float32", "float64", "int32"]
    for _ in ("compiled", "loaded"):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITTEN_AT_ONCE, tmp_path, dtype],
                env=clean_environ(NUMBA_CACHE_DIR=str(tmp_path / "cache")),
                stdout=subprocess.PIPE,
                text=True,
            )
            for dtype in dtypes
        ]
        assert [process.communicate()[0].strip() for process in processes] == dtypes
    files = sorted(path.suffix for path in (tmp_path / "cache").rglob("*.nb?"))
    assert files == [".nbc", ".nbc", ".nbc", ".nbi"]
