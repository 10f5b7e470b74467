"""``forest quickstart`` on a person's own file, and what it never does to their files."""

import json
import re
import signal
import subprocess
import time

import httpx
import pytest

from support import BIN, clean_environ, free_port

KINDS = ("flat", '"house, ""old"""', "it's new", "")
TABLES = {
    "numbers": 'price,"size, m2",rooms\n1.5,10,\n2.5,20,2\n"3.5",30,3\n',
    # Words with a comma, quotes and an apostrophe, gaps, and a date.
    "words": "sold,kind,size,since\n"
    + "".join(
        f"{'yes' if i % 3 else 'no'},{KINDS[i % 4]},{i * 7 % 50 if i % 5 else ''},"
        f"2024-{i % 12 + 1:02}-17\n"
        for i in range(60)
    ),
}


def quickstart(folder, *arguments, **variables):
    environ = clean_environ(SAGEMAKER_BIND_TO_PORT=str(free_port()), **variables)
    command = [BIN / "forest", "quickstart", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def printed_by(process):
    """What is printed until the server answers."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Press Ctrl-C"):
            break
    return "".join(lines)


@pytest.mark.parametrize("table", TABLES)
def test_a_persons_own_file_is_trained_on_and_its_calls_work(tmp_path, table):
    """A regression, and a classification; a second run keeps the model of the first."""
    (tmp_path / "own.csv").write_text(TABLES[table])
    for times in range(2 if table == "words" else 1):
        process = quickstart(tmp_path, "--data", "own.csv", FOREST_GRPC_PORT=str(free_port()))
        printed = printed_by(process)
        url, report = re.search(r"page:  (\S+)\nIts report: +(\S+)\n", printed).groups()
        assert '"report":"/report"' in httpx.get(url).text
        assert "<h1" in httpx.get(report).text
        calls = re.findall(r"^  \d\. .+\n((?:.+\n)+)", printed, re.MULTILINE)
        first, second, third = (
            subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True).stdout
            for call in calls
        )
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert first.strip() in {"yes", "no"} if table == "words" else 1.5 <= float(first) <= 3.5
        assert str(json.loads(second)["outputs"][0]["data"][0]) == first.strip()
        assert first.strip()[:8] in third
        assert ("the earlier model is kept in" in printed) is (times == 1)
        assert (tmp_path / "forest-quickstart" / "model-1").exists() is (times == 1)


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
    assert any("read 200000 rows" in line for line in process.stdout)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    assert "Traceback" not in err
