"""The README's commands do what it says, from a fresh copy in an empty environment."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from docs_blocks import block
from support import ROOT, clean_environ, free_port

BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def command(name):
    """The shell block that follows ``<!-- command: name -->``."""
    return block("README.md", f"command: {name}").rstrip("\n")


@pytest.fixture
def clone(tmp_path):
    """The files that git knows or would add, in an empty folder."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name, follow_symlinks=False)
    return tmp_path


def test_the_first_command_trains_serves_and_its_three_calls_work(clone):
    http, grpc = free_port(), free_port()
    environ = clean_environ(SAGEMAKER_BIND_TO_PORT=str(http), FOREST_GRPC_PORT=str(grpc))
    # As in a shell without this test's own virtual environment.
    environ["PATH"] = os.pathsep.join(
        part for part in environ["PATH"].split(os.pathsep) if not Path(part, "forest").exists()
    )
    environ.pop("VIRTUAL_ENV", None)
    log = clone / "quickstart.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command("quickstart")],
            cwd=clone,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for _ in range(6000):
            if "Press Ctrl-C" in log.read_text() or process.poll() is not None:
                break
            time.sleep(0.1)
        printed = log.read_text()
        assert process.poll() is None, printed
        assert re.search(r"^validation:accuracy=0\.9\d+;$", printed, re.MULTILINE)
        calls = re.findall(r"^  \d\. .+\n((?:.+\n)+)", printed, re.MULTILINE)
        answers = [
            subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True).stdout
            for call in calls
        ]
        assert answers[0] == "virginica\n"
        assert '"data":["virginica"]' in answers[1]
        assert answers[2] == "[[b'virginica']]\n"
    finally:
        with suppress(ProcessLookupError):  # If it has ended, what it printed says why.
            os.killpg(process.pid, signal.SIGINT)  # As Ctrl-C does.
        code = process.wait(timeout=60)
    assert code == 0
    assert "Traceback" not in log.read_text()


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    assert "<!-- command: tests -->" in script
    assert command("tests").endswith(".venv/bin/pytest")


def test_the_benchmark_prints_its_table():
    """On fewer rows; it compares the answers of all engines before it times them."""
    assert "`python -m tests.benchmarks engine`" in BENCHMARKS
    call = "engine.main(n_rows=3_000, n_rounds=30, categories=((1, 20),))"
    command = f"from tests.benchmarks import engine; {call}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    compared = re.findall(r"^(.+?)  +(\S.*?) +largest difference", done.stdout, re.MULTILINE)
    timed = re.findall(
        r"^(iris|deep|XGBoost|LightGBM) +\d+ (.+?)  +.+ us .+ us", done.stdout, re.MULTILINE
    )
    # TL2cgen, which the tests do not install, is named as missing.
    assert compared[:13] == [
        *(("iris", peer) for peer in ("scikit-learn", "ONNX Runtime", "GTIL")),
        *(("deep", peer) for peer in ("scikit-learn", "ONNX Runtime", "GTIL")),
        *(("XGBoost", peer) for peer in ("its own", "GTIL", "daal4py")),
        *(("LightGBM", peer) for peer in ("its own", "its C API", "GTIL", "daal4py")),
    ]
    assert [timed.count(pair) for pair in compared[:13]] == [4] * 13
    # And those with categories, each beside the same model of numbers.
    of_numbers, with_categories = ["its own"] * 3, ["its own", "no categories"] * 4
    assert [peer for _, peer in compared[13:]] == [*of_numbers, *with_categories]
    assert "loaded in" in done.stdout


def test_the_benchmark_of_large_bodies_prints_its_table():
    """On a small body; every answer is read to its end, and /ping asked all the while."""
    assert "`python -m tests.benchmarks bodies`" in OPERATIONS
    command = [sys.executable, "-m", "tests.benchmarks", "bodies"]
    done = subprocess.run(
        [*command, "--megabytes", "1", "--only", "text/csv"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["body", "answer", "MB"]
    assert [line.split()[0] for line in lines[1:]] == ["text/csv", "text/csv"]
