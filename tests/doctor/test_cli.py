"""``forest doctor`` on model directories: a good server passes, a wrong one fails what is wrong."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forked_command import run_forked
from mlserver_forest.doctor.rules import RULES
from support import BIN, children_of, clean_environ

WRONG = Path(__file__).parent / "wrong_server.py"


NEEDS_IMAGE = {
    "train",
    "train-failure",
    "multi-model-label",
    "multi-model-memory",
    "pipeline-label",
    "read-only-root",
    "unprivileged",
    "no-shared-memory",
    "serverless",
}


NOT_OFFERED = {
    "execution-parameters",
    "multi-model-ping",
    "multi-model-empty",
    "multi-model-load",
    "multi-model-twice",
    "multi-model-invoke",
    "multi-model-unload",
    "multi-model-gone",
}


def doctor(*arguments):
    return run_forked("forest", "doctor", *arguments, environ=clean_environ())


def examined(*arguments):
    """The exit code, and the checks by verdict, from the JSON document."""
    done = doctor(*arguments, "--json")
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert [one["check"] for one in document["checks"]] == list(RULES)
    verdicts = {one["check"]: one["verdict"] for one in document["checks"]}
    by_verdict = {
        verdict: {check for check, found in verdicts.items() if found == verdict}
        for verdict in ("PASS", "FAIL", "SKIP")
    }
    return done.returncode, by_verdict, {one["check"]: one["came"] for one in document["checks"]}


def with_fault(fault):
    return ("--serve-command", f"{sys.executable} {WRONG} '{fault}'")


def test_our_server_passes_all_that_needs_no_image(model_dir):
    before = {path: path.read_bytes() for path in model_dir.iterdir()}
    code, verdicts, _ = examined(model_dir)
    assert verdicts["FAIL"] == set()
    assert verdicts["SKIP"] == NEEDS_IMAGE
    assert code == 0
    assert {path: path.read_bytes() for path in model_dir.iterdir()} == before


def test_what_a_server_need_not_have_is_no_failure(model_dir):
    code, verdicts, came = examined(model_dir, *with_fault("none"))
    assert verdicts["FAIL"] == set()
    assert verdicts["SKIP"] == NEEDS_IMAGE | NOT_OFFERED
    assert came["multi-model-ping"] == "not offered: GET /models answers 404"
    assert code == 0


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("no type", {"content-type"}),
        ("no chunks", {"chunked"}),
        ("500 for garbage", {"garbage"}),
        ("dies of garbage", {"garbage"}),
        ("500 for rows", {"invocations"}),
        ("too much", {"execution-parameters"}),
        ("one line", {"batch-records"}),
        ("another port", {"pipeline-range"}),
        ("dies of SIGTERM", {"sigterm-answer"}),
        ("writes", {"read-only-model"}),
        (
            "yes to all",
            {
                "content-type", "unknown-route", "unknown-type", "garbage",
                "execution-parameters", "batch-one-record",
                "multi-model-empty", "multi-model-load",
            },
        ),
    ],
)  # fmt: skip
def test_a_wrong_server_fails_exactly_what_is_wrong_with_it(model_dir, fault, broken):
    code, verdicts, _ = examined(model_dir, *with_fault(fault))
    assert verdicts["FAIL"] == broken
    assert code == 1


def test_a_slow_ping_is_distinguished_from_no_answer(model_dir):
    later = list(RULES)[list(RULES).index("batch-start") :]
    left_out = [part for rule in later for part in ("--skip", rule)]
    code, verdicts, came = examined(model_dir, *with_fault("slow ping"), *left_out)
    assert (code, verdicts["FAIL"]) == (1, {"ping"})
    assert came["ping"].startswith("200 after 2.")


def test_a_server_that_does_not_start_is_asked_nothing(model_dir):
    code, verdicts, came = examined(model_dir, *with_fault("does not start"))
    assert code == 1
    assert verdicts["FAIL"] == {"start"}
    assert came["start"] == "ended with exit code 1; the log ends: wrong_server: no model of mine"
    assert verdicts["SKIP"] == set(RULES) - {"start"}


def test_the_table_shows_what_was_observed_what_was_expected_and_what_to_do(model_dir):
    done = doctor(model_dir, *with_fault("500 for garbage"))
    lines = done.stdout.splitlines()
    assert lines[:7] == [
        f"{model_dir} on SageMaker:",
        "  training     not known: needs an image: a model directory was trained elsewhere",
        "  real-time    works, but: garbage: 500 text/plain: garbage",
        "  serverless   not known: needs an image: a process cannot be isolated from this machine",
        "  multi-model  not offered: GET /models answers 404",
        "  batch        works, but: garbage, as above",
        "  pipeline     works, but: garbage, as above",
    ]
    assert any(line.startswith("PASS  ping ") for line in lines)
    place = lines.index("garbage")
    assert lines[place + 1 : place + 4] == [
        "  observed  500 text/plain: garbage",
        f"  expected  {RULES['garbage'].says} [{RULES['garbage'].source}]",
        "  to do     answer 400 with the reason; 5xx makes clients retry and triggers alarms",
    ]
    assert lines[-1] == f"{model_dir}: 22 passed, 1 failed, 17 skipped"


def test_a_check_can_be_left_out(model_dir):
    code, verdicts, came = examined(model_dir, *with_fault("500 for garbage"), "--skip", "garbage")
    assert (code, verdicts["FAIL"]) == (0, set())
    assert came["garbage"] == "left out by --skip"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--body", "row.xml"], "its name does not end with any of .csv,"),
        (["--body", "empty.csv"], "is empty; expected a request"),
        ([], "describes no inputs, so there is nothing to send; give a request with --body"),
    ],
)
def test_a_target_that_cannot_be_examined_ends_with_code_2_and_no_verdict(
    tmp_path, arguments, fault
):
    for name, text in {"row.xml": "<row/>", "empty.csv": "\n", "model/model.bin": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    arguments = [tmp_path / one if "." in one else one for one in arguments]
    done = doctor(tmp_path / "model", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("forest doctor: the checks could not run: ")
    assert fault in done.stderr


def test_a_foreign_model_is_asked_what_the_caller_gives(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"\0")
    (tmp_path / "row.txt").write_text("1,2\n")
    options = ["--body", tmp_path / "row.txt", "--content-type", "text/csv"]
    code, verdicts, _ = examined(tmp_path / "model", *options, *with_fault("none"))
    assert (code, verdicts["FAIL"]) == (0, set())


def test_a_doctor_that_is_stopped_leaves_nothing_running(model_dir, tmp_path):
    """SIGTERM, as from a CI job that is cancelled."""
    with subprocess.Popen(
        [BIN / "forest", "doctor", model_dir, *with_fault("none")],
        env=clean_environ(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr.readline() == "checking real-time hosting\n"
        while not (servers := children_of(process.pid)):
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=30) == 143
    deadline = time.monotonic() + 10  # The system may take a moment to reap them.
    while left := [server for server in servers if Path(f"/proc/{server}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
