"""Several hosts, each a real ``train`` on an address of its own."""

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import network
from mlserver_forest.artifact import read_settings
from mlserver_forest.forest_file import load_forest
from support import BIN, clean_environ, lay_out

SECONDS = 90
N_ROWS = 1500


def table(n_rows=N_ROWS, seed=3, n_classes=2):
    """Lines of CSV: a class, five numbers and a word."""
    random_state = np.random.RandomState(seed)
    x = random_state.normal(size=(n_rows, 5)).round(3)
    words = random_state.choice(["blue", "green", "red"], n_rows)
    score = x[:, 0] + x[:, 1] * x[:, 2] + (words == "red") + random_state.normal(0, 0.3, n_rows)
    y = np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))
    rows = zip(y, x, words, strict=True)
    return [f"{label},{','.join(map(str, row))},{word}" for label, row, word in rows]


def text(lines):
    return "\n".join(lines) + "\n"


@dataclass
class Host:
    name: str
    base: Path
    process: subprocess.Popen = None

    def start(self, *wrapper):
        cpus = sorted(os.sched_getaffinity(0))
        cpu = cpus[int(self.name.rpartition(".")[2]) % len(cpus)]
        self.process = subprocess.Popen(
            [*wrapper, "taskset", "-c", str(cpu), BIN / "train"],
            env=clean_environ(SAGEMAKER_BASE_DIR=str(self.base)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def ended(self, code=0, seconds=SECONDS):
        """What it printed."""
        out, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == code, f"{self.name}: {self.process.returncode}\n{out}"
        return out

    @property
    def failure(self):
        return (self.base / "output" / "failure").read_text()

    @property
    def forest(self):
        return load_forest(self.base / "model" / "forest.safetensors")

    @property
    def wrote(self):
        folders = (self.base / "model", self.base / "output" / "data")
        return [path.name for folder in folders for path in folder.rglob("*")]


@pytest.fixture
def hosts(tmp_path):
    """Lays out hosts, and ends them with the test."""
    made = []

    def lay(channels_of_hosts, hyperparameters, *, sharded=(), names=None, **more):
        names = names or [f"127.0.0.{i + 2}" for i in range(len(channels_of_hosts))]
        for name, channels in zip(names, channels_of_hosts, strict=True):
            described = {
                channel: {
                    "TrainingInputMode": "File",
                    "ContentType": "text/csv",
                    "S3DistributionType": "ShardedByS3Key"
                    if channel in sharded
                    else "FullyReplicated",
                }
                for channel in channels
            }
            base = lay_out(
                tmp_path / f"{len(made)}-{name}",
                channels,
                {"random_state": "5", "report": "false", **hyperparameters},
                resourceconfig={"current_host": name, "hosts": names, **more},
                inputdataconfig=described,
            )
            for channel in channels:
                (base / "input" / "data" / channel).mkdir(parents=True, exist_ok=True)
            made.append(Host(name, base))
        return made[-len(names) :]

    yield lay
    for host in made:
        if host.process is not None:
            with host.process:
                host.process.kill()


@pytest.fixture(scope="module")
def machines():
    """Network namespaces by address."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(network.machines())
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces need root and ip of iproute2: {error}")
        yield made


def same(forest, expected):
    return all(np.array_equal(forest.arrays[name], expected.arrays[name]) for name in forest.arrays)


def metric(out, name):
    return float(re.search(rf"^{name}=(\S+);$", out, re.MULTILINE)[1])


FORESTS = {
    "random_forest by intelex": {"algorithm": "random_forest", "n_estimators": "60"},
    "random_forest": {"algorithm": "random_forest", "n_estimators": "31", "intelex": "false"},
    "extra_trees": {"algorithm": "extra_trees", "n_estimators": "30"},
}


@pytest.mark.parametrize("chosen", FORESTS)
def test_a_forest_on_replicated_data_is_the_one_that_one_host_grows(hosts, chosen):
    """Tree for tree, and with the same metrics."""
    channels = {"train": {"a.csv": text(table())}}
    (alone,) = hosts([channels], FORESTS[chosen], names=["127.0.0.9"])
    expected = alone.start().ended()
    first, second = (host.start() for host in hosts([channels] * 2, FORESTS[chosen]))
    out = first.ended()
    second.ended()
    assert same(first.forest, alone.forest)
    lines = re.compile(r"^\S+=\S+;$", re.MULTILINE)
    assert lines.findall(out) == lines.findall(expected)
    assert first.wrote
    assert not second.wrote


def test_xgboost_on_two_hosts_is_as_good_as_on_one(hosts):
    channels = {"train": {"a.csv": text(table())}, "validation": {"b.csv": text(table(400, 8))}}
    chosen = {"algorithm": "xgboost", "n_estimators": "30"}
    (alone,) = hosts([channels], chosen, names=["127.0.0.9"])
    expected = metric(alone.start().ended(), "validation:accuracy")
    first, second = (host.start() for host in hosts([channels] * 2, chosen))
    out = first.ended()
    second.ended()
    assert metric(out, "validation:accuracy") > expected - 0.03
    assert first.forest.n_trees == 30


def test_lightgbm_on_two_hosts_is_as_good_as_on_one(hosts, machines):
    channels = {"train": {"a.csv": text(table())}, "validation": {"b.csv": text(table(400, 8))}}
    chosen = {"algorithm": "lightgbm", "n_estimators": "30"}
    (alone,) = hosts([channels], chosen, names=["127.0.0.9"])
    expected = metric(alone.start().ended(), "validation:accuracy")
    names = list(machines)[:2]
    first, second = (
        host.start(*network.inside(machines[host.name]))
        for host in hosts([channels] * 2, chosen, names=names)
    )
    out = first.ended()
    second.ended()
    assert metric(out, "validation:accuracy") > expected - 0.03
    assert first.forest.n_trees == 30


def part(lines, i, n):
    return text(lines[i::n])


def test_shards_make_one_forest_that_knows_all_classes_and_words(hosts):
    """Words and classes that one host lacks, a column that is words on one host alone, and a
    host without data."""
    lines = [line for line in table(900, n_classes=3) if not line.startswith("2")]
    others = [f"2,{line.partition(',')[2]}" for line in table(300, 4)]
    ours = text([line.replace("green", "red") for line in lines])
    theirs = text([line.replace("blue", "7") for line in others])
    chosen = {"algorithm": "random_forest", "n_estimators": "24", "target": "0"}
    made = hosts(
        [{"train": {"a.csv": ours}}, {"train": {}}, {"train": {"b.csv": theirs}}],
        chosen,
        sharded=("train",),
    )
    first, *rest = (host.start() for host in made)
    out = first.ended()
    for host in rest:
        host.ended()
        assert not host.wrote
    assert first.forest.n_trees == 24
    settings = read_settings(first.base / "model", trust_pickle=False)
    assert settings["outputs"][0]["parameters"]["classes"] == [0, 1, 2]
    print(settings, out)


def test_a_host_that_starts_late_is_awaited(hosts):
    channels = {"train": {"a.csv": text(table(200))}}
    first, second = hosts([channels] * 2, {"n_estimators": "4"})
    second.start()
    time.sleep(5)
    first.start().ended()
    second.ended()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_host_fails_the_job_on_all_others_with_its_name(hosts, victim):
    channels = {"train": {"a.csv": text(table(4000))}}
    chosen = {"algorithm": "extra_trees", "n_estimators": "20000", "validation_fraction": "0"}
    made = [host.start() for host in hosts([channels] * 3, chosen)]
    wait_for_checkpoints(made)
    dead = made.pop(victim)
    dead.process.kill()
    for host in made:
        host.ended(1, seconds=30)
        assert f"host '{dead.name}'" in host.failure
        assert "is gone" in host.failure


@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_loses_its_network_fails_the_job_on_all_with_a_name(hosts, machines, victim):
    channels = {"train": {"a.csv": text(table(4000))}}
    chosen = {"algorithm": "extra_trees", "n_estimators": "20000", "validation_fraction": "0"}
    names = list(machines)[:2]
    made = [
        host.start(*network.inside(machines[host.name]))
        for host in hosts([channels] * 2, chosen, names=names)
    ]
    wait_for_checkpoints(made)
    with network.cut(machines[names[victim]]):
        for host, other in zip(made, reversed(made), strict=True):
            host.ended(1, seconds=45)
            assert f"host '{other.name}'" in host.failure
            assert "is gone" in host.failure


def wait_for_checkpoints(made):
    deadline = time.monotonic() + SECONDS
    for host in made:
        while not list((host.base / "checkpoints").glob("*-*[0-9]")):
            assert host.process.poll() is None, host.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("asked", [0, 1])
def test_sigterm_on_any_host_saves_what_has_grown_on_all(hosts, asked):
    channels = {"train": {"a.csv": text(table(4000))}}
    chosen = {"algorithm": "extra_trees", "n_estimators": "20000", "validation_fraction": "0"}
    made = [host.start() for host in hosts([channels] * 2, chosen)]
    wait_for_checkpoints(made)
    made[asked].process.send_signal(signal.SIGTERM)
    outs = [host.ended(0, seconds=25) for host in made]
    assert "stopped by SIGTERM" in outs[0]
    assert 2 <= made[0].forest.n_trees < 20000
    assert not made[1].wrote


def test_a_bad_line_in_a_shard_fails_the_job_on_every_host_and_is_named(hosts):
    lines = table(300)
    bad = [*lines[:10], "1,2,3", *lines[10:]]
    made = hosts(
        [{"train": {"a.csv": text(lines)}}, {"train": {"b.csv": text(bad)}}],
        {"n_estimators": "4"},
        sharded=("train",),
    )
    for host in made:
        host.start()
    for host in made:
        host.ended(1)
        assert host.failure.startswith("ClientError: host '127.0.0.3': ")
        assert "b.csv, line 11" in host.failure
        assert "Traceback" not in host.failure
