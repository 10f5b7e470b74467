"""``forest quickstart`` on a person's own file, and what it never does to their files."""

import json
import re
import signal
import subprocess
import time

import pytest

from support import BIN, clean_environ, free_port

MIXED = 'price,"size, m2",rooms\n1.5,10,\n2.5,20,2\n"3.5",30,3\n'


def quickstart(folder, *arguments, **variables):
    environ = clean_environ(SAGEMAKER_BIND_TO_PORT=str(free_port()), **variables)
    command = [BIN / "forest", "quickstart", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_persons_own_file_is_trained_on_and_asked_about(tmp_path, times):
    """A regression with a header, quotes and a missing value; a second run does the same."""
    (tmp_path / "flats.csv").write_text(MIXED)
    for _ in range(times):
        process = quickstart(tmp_path, "--data", "flats.csv")
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "is ready" in line:
                break
        printed = "".join(lines)
        call = re.search(r"^curl .+/invocations .+$", printed, re.MULTILINE)[0]
        done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "-d '30.0,3.0'" in call
        assert 1.5 <= float(done.stdout) <= 3.5
        assert "validation:rmse=" in printed
        assert "gRPC" not in printed  # Off, since SAGEMAKER_BIND_TO_PORT is set.


def test_the_file_may_lie_in_the_folder_of_an_earlier_run(tmp_path):
    (tmp_path / "flats.csv").write_text("a,1\nb\n")  # Refused, after the folder was laid out.
    quickstart(tmp_path, "--data", "flats.csv").communicate(timeout=60)
    copy = tmp_path / "forest-quickstart" / "input" / "data" / "training" / "data.csv"
    quickstart(tmp_path, "--data", copy).communicate(timeout=60)
    assert copy.read_text() == "a,1\nb\n"
    # No seed: the metrics are those of ``train``, whose seed comes from rows and settings.
    config = tmp_path / "forest-quickstart" / "input" / "config"
    assert json.loads((config / "hyperparameters.json").read_text()) == {}


def test_other_files_are_never_touched(tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "mine.csv").write_text("mine")
    process = quickstart(tmp_path, "--base-dir", ".")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{tmp_path} is not empty and was not created by this command" in err
    assert (tmp_path / "input" / "mine.csv").read_text() == "mine"


def test_a_file_that_cannot_be_trained_on_is_refused(tmp_path):
    (tmp_path / "bad.csv").write_text("a,1\nb\n")
    process = quickstart(tmp_path, "--data", "bad.csv")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "data.csv, line 2 has 1 value; line 1 has 2; give all rows" in err


def test_ctrl_c_while_training_ends_it_cleanly(tmp_path):
    rows = "".join(f"{i % 50},{i * 7919 % 10007},{i * 104729 % 9973}\n" for i in range(200_000))
    (tmp_path / "large.csv").write_text(rows)
    process = quickstart(tmp_path, "--data", "large.csv")
    assert "read 200000 rows" in process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    assert "Traceback" not in err
