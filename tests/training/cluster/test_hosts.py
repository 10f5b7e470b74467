"""Training on several hosts; each is a ``train`` process on an address of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import network
from forked_command import ForkedCommand
from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import read_settings
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.training.cluster.addresses import await_host
from mlserver_forest.training.config import SHARDED
from mlserver_forest.training.fitting.stopping import Stop
from support import BIN, children_of, clean_environ, lay_out

SECONDS = 300  # How long a job may take where other work keeps the machine busy.
SECONDS_TO_STOP = 120  # After them, SageMaker kills a job that got SIGTERM.
# Loopback addresses depend on the process, because other tests may run at the same time.
NETWORK = f"127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}"
ADDRESSES = tuple(f"{NETWORK}.{number}" for number in (2, 3, 4))
ALONE = f"{NETWORK}.9"
N_ROWS = 1500


def table(n_rows=N_ROWS, seed=3, n_classes=2):
    """Lines of CSV with a class, five numbers and a category."""
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
    process: subprocess.Popen | ForkedCommand = None

    def start(self, machine=None):
        """Start ``train``, on a machine of ``network`` if that is given."""
        self.process = ForkedCommand(
            "train",
            environ=clean_environ(SAGEMAKER_BASE_DIR=str(self.base)),
            cpus={self._cpu},
            stderr=subprocess.STDOUT,
            prepare=machine and partial(network.enter, machine),
        )
        return self

    def start_from_nothing(self, **variables):
        """Start the installed script with variables that libraries read when they are imported."""
        self.process = subprocess.Popen(
            ["taskset", "-c", str(self._cpu), BIN / "train"],
            env=clean_environ(SAGEMAKER_BASE_DIR=str(self.base), **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def _cpu(self):
        cpus = sorted(os.sched_getaffinity(0))
        return cpus[int(re.findall(r"\d+", self.name)[-1]) % len(cpus)]

    def ended(self, code=0, seconds=SECONDS):
        """Wait for the end of the process; return its output."""
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
    """A function that lays out hosts; their processes end with the test."""
    made = []

    def lay(channels_of_hosts, hyperparameters, *, sharded=(), names=None, **more):
        names = names or list(ADDRESSES[: len(channels_of_hosts)])
        for name, channels in zip(names, channels_of_hosts, strict=True):
            described = {
                channel: {
                    "TrainingInputMode": "File",
                    "ContentType": "text/csv",
                    "S3DistributionType": SHARDED if channel in sharded else "FullyReplicated",
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
    "random_forest": {"algorithm": "random_forest", "n_estimators": "31"},
    "extra_trees": {"algorithm": "extra_trees", "n_estimators": "30", "class_weight": "balanced"},
}


@pytest.mark.parametrize("chosen", FORESTS)
def test_a_forest_on_replicated_data_is_the_one_that_one_host_grows(hosts, chosen):
    """The trees and the metrics are equal, and only the first host writes."""
    channels = {"train": {"a.csv": text(table())}, "test": {"b.csv": text(table(300, 8))}}
    (alone,) = hosts([channels], FORESTS[chosen], names=[ALONE])
    expected = alone.start().ended()
    first, second = (host.start() for host in hosts([channels] * 2, FORESTS[chosen]))
    out = first.ended()
    second.ended()
    assert same(first.forest, alone.forest)
    lines = re.compile(r"^\S+=\S+;$", re.MULTILINE)
    assert lines.findall(out) == lines.findall(expected)
    assert first.wrote
    assert not second.wrote


def test_a_forest_of_intelex_on_three_hosts_is_the_one_that_one_host_grows(hosts):
    pytest.importorskip("sklearnex", reason="scikit-learn-intelex is not installed")
    channels = {"train": {"a.csv": text(table(10_500))}}
    chosen = {"n_estimators": "75", "max_depth": "8", "validation_fraction": "0"}
    (alone,) = hosts([channels], chosen, names=[ALONE])
    assert "scikit-learn-intelex grows" in alone.start().ended()
    made = [host.start() for host in hosts([channels] * 3, chosen)]
    for host in made:
        assert "scikit-learn-intelex grows" in host.ended()
    assert same(made[0].forest, alone.forest)


def test_shards_make_one_forest_that_knows_all_classes_and_words(hosts):
    """One host lacks some categories and a class, a column is categorical on one host only, one
    host has no data, and only one has validation rows.
    """
    ours = [f"{line},7" for line in table(900, n_classes=3) if not line.startswith("2")]
    theirs = [f"{line.replace('red', 'pink')},x" for line in table(600, 4, n_classes=3)]
    valid = {"v.csv": text([f"{line},x" for line in table(300, 5, n_classes=3)])}
    parts = [
        {"train": {"a.csv": text(ours)}, "validation": {}},
        {"train": {}, "validation": valid},
        {"train": {"b.csv": text(theirs)}, "validation": {}},
    ]
    chosen = {"algorithm": "random_forest", "n_estimators": "40"}
    made = [host.start() for host in hosts(parts, chosen, sharded=("train", "validation"))]
    outs = [host.ended() for host in made]
    assert f"host '{ADDRESSES[0]}' has rows of 2 of the 3 classes" in outs[0]
    assert metric(outs[0], "train:accuracy") > 0.75
    assert metric(outs[0], "validation:accuracy") > 0.45
    assert not made[1].wrote
    assert not made[2].wrote
    assert made[0].forest.n_trees == 40
    whole = {"train": {"a.csv": text(ours), "b.csv": text(theirs)}, "validation": valid}
    (alone,) = hosts([whole], chosen, names=[ALONE])
    alone.start().ended()
    settings, expected = (
        read_settings(h.base / "model", trust_code=False) for h in (made[0], alone)
    )
    assert settings["inputs"] == expected["inputs"]
    assert settings["outputs"] == expected["outputs"]


BOOSTING = [("xgboost", "replicated"), ("lightgbm", "replicated"), ("lightgbm", "by class")]


@pytest.mark.parametrize(("algorithm", "data"), BOOSTING)
def test_boosting_on_two_hosts_is_as_good_as_on_one(hosts, machines, algorithm, data):
    """Validation rows stop it early. It also works if each host has the rows of other classes."""
    lines, valid = table(n_classes=3), {"v.csv": text(table(400, 8, n_classes=3))}
    channels = {"train": {"a.csv": text(lines)}, "validation": valid}
    chosen = {"algorithm": algorithm, "n_estimators": "300", "early_stopping_rounds": "5"}
    (alone,) = hosts([channels], chosen, names=[ALONE])
    expected = alone.start().ended()
    parts, sharded = [channels] * 2, ()
    if data == "by class":
        lines.sort()
        parts = [
            {"train": {"a.csv": text(lines[:700])}, "validation": valid},
            {"train": {"b.csv": text(lines[700:])}, "validation": valid},
        ]
        sharded = ("train",)
    made = hosts(parts, chosen, sharded=sharded, names=list(machines)[:2])
    for host in made:
        host.start(machines[host.name])
    out = made[0].ended()
    made[1].ended()
    name = "validation:log_loss"
    assert metric(out, name) < metric(expected, name) + 0.05
    assert made[0].forest.n_trees < 900
    assert not made[1].wrote


@pytest.mark.parametrize("sharded", [(), ("train",)], ids=["replicated", "sharded"])
def test_intervals_are_learned_from_the_rows_of_all_hosts(hosts, sharded):
    random_state = np.random.RandomState(1)
    x = random_state.uniform(-1, 1, (3000, 3)).round(4)
    y = (2 * x[:, 0] + random_state.normal(size=3000)).round(4)
    lines = [f"{number},{','.join(map(str, row))}" for number, row in zip(y, x, strict=True)]
    parts = [{"train": {"a.csv": text(part)}} for part in (lines[::2], lines[1::2])]
    channels = parts if sharded else [{"train": {"a.csv": text(lines)}}] * 2
    chosen = {"algorithm": "extra_trees", "n_estimators": "20", "prediction_interval": "0.9"}
    first, second = (host.start() for host in hosts(channels, chosen, sharded=sharded))
    out = first.ended()
    second.ended()
    assert metric(out, "validation:interval_coverage") == pytest.approx(0.9, abs=0.03)
    assert 3 < metric(out, "validation:interval_width") < 4.5
    outputs = read_settings(first.base / "model", trust_code=False)["outputs"]
    assert {"name": "interval", "datatype": "FP64", "shape": [-1, 2]} in outputs


def test_an_algorithm_of_one_host_trains_on_the_first(hosts):
    channels = {"train": {"a.csv": text(table(300))}}
    chosen = {"algorithm": "hist_gradient_boosting", "max_iter": "5"}
    (alone,) = hosts([channels], chosen, names=[ALONE])
    alone.start().ended()
    first, second = (host.start() for host in hosts([channels] * 2, chosen))
    first.ended()
    second.ended()
    assert same(first.forest, alone.forest)
    assert not second.wrote


FAULTS = {
    "shards for an algorithm of one host": (
        {"algorithm": "decision_tree"},
        ("train",),
        [text(table(60)), text(table(60, 4))],
        "decision_tree learns on one host; set its S3DataDistributionType to FullyReplicated",
    ),
    "other rows where all should be the same": (
        {},
        (),
        [text(table(60)), text(table(60, 4))],
        f"but host '{ADDRESSES[1]}' did not read the same rows in the same order as host",
    ),
    "a bad line in a shard": (
        {},
        ("train",),
        [text(table(60)), text([*table(10), "1,2,3", *table(10)])],
        rf"host '{ADDRESSES[1]}': \S+/b.csv, line 11",
    ),
    "hyperparameters that the labels do not suit": (
        {"class_weight": '{"9": 1}'},
        ("train",),
        [text(table(60)), text(table(60, 4))],
        "class_weight names '9', which is not a label",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_user_fails_the_job_on_every_host(hosts, fault):
    chosen, sharded, contents, reason = FAULTS[fault]
    parts = [{"train": {f"{name}.csv": lines}} for name, lines in zip("ab", contents, strict=True)]
    made = [host.start() for host in hosts(parts, chosen, sharded=sharded)]
    for host in made:
        host.ended(1)
        assert re.search(reason, host.failure), host.failure
        assert host.failure.startswith("ClientError: ")
        assert "Traceback" not in host.failure
        assert not host.wrote


def test_a_host_that_starts_late_is_awaited(hosts):
    channels = {"train": {"a.csv": text(table(200))}}
    first, second = hosts([channels] * 2, {"n_estimators": "4"})
    second.start()
    time.sleep(2)
    first.start().ended()
    second.ended()


def test_names_may_resolve_late_and_a_host_call_itself_by_a_loopback_address(hosts, machines):
    """These are SageMaker's names. The first host's own address is of no use to the others."""
    channels = {"train": {"a.csv": text(table(200))}}
    names, inside = ["algo-1", "algo-2"], list(machines.values())[:2]
    network.know(inside[0], {"127.0.0.1": "algo-1"})
    made = hosts([channels] * 2, {"n_estimators": "4"}, names=names, network_interface_name="eth0")
    for host, machine in zip(made, inside, strict=True):
        host.start(machine)
    time.sleep(3)
    addresses = dict(zip(machines, names, strict=False))
    network.know(inside[1], addresses)
    out = made[0].ended()
    made[1].ended()
    assert f"this one leads, at tcp://{next(iter(machines))}:8786" in out


def test_a_host_that_does_not_come_is_named():
    lines = []
    with pytest.raises(InvalidEnvironment, match="host 'algo-2' to join; all hosts in resource"):
        await_host(lambda: None, lambda: "host 'algo-2' to join", lines.append, Stop(), 0.3)


LONG = {
    "algorithm": "extra_trees",
    "n_estimators": "20000",
    "validation_fraction": "0",
}


def wait_for_checkpoints(made):
    deadline = time.monotonic() + SECONDS
    for host in made:
        while not list((host.base / "checkpoints").glob("*-*[0-9]")):
            assert host.process.poll() is None, host.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_host_fails_the_job_on_all_others_with_its_name(hosts, victim):
    channels = {"train": {"a.csv": text(table(6000))}}
    made = [host.start() for host in hosts([channels] * 3, LONG)]
    wait_for_checkpoints(made)
    dead = made.pop(victim)
    dead.process.kill()
    for host in made:
        host.ended(1)
        assert host.failure.startswith(f"ClientError: host '{dead.name}'")
        assert "is gone" in host.failure


def test_a_host_that_loses_its_network_fails_the_job_on_all(hosts, machines):
    """Each host sees the other one disappear, and no packet arrives any more."""
    channels = {"train": {"a.csv": text(table(6000))}}
    made = hosts([channels] * 2, LONG, names=list(machines)[:2])
    for host in made:
        host.start(machines[host.name])
    wait_for_checkpoints(made)
    with network.cut(machines[made[0].name]):
        for host, other in zip(made, reversed(made), strict=True):
            host.ended(1, seconds=90)
            assert host.failure.startswith(f"ClientError: host '{other.name}'")
            assert "is gone" in host.failure


@pytest.mark.parametrize("algorithm", ["extra_trees", "xgboost"])
@pytest.mark.parametrize("asked", [0, 1])
def test_sigterm_on_any_host_saves_what_has_grown_on_all(hosts, algorithm, asked):
    """Boosting stops after the same round on both hosts."""
    channels = {"train": {"a.csv": text(table(6000))}}
    chosen = LONG | {"algorithm": algorithm}
    made = [host.start() for host in hosts([channels] * 2, chosen)]
    wait_for_checkpoints(made if algorithm == "extra_trees" else made[:1])
    made[asked].process.send_signal(signal.SIGTERM)
    outs = [host.ended(0, SECONDS_TO_STOP) for host in made]
    assert "stopped by SIGTERM" in outs[0]
    assert 2 <= made[0].forest.n_trees < 20000
    assert not made[1].wrote
    assert not (made[1].base / "output" / "failure").exists()


def test_hosts_that_were_killed_go_on_from_their_checkpoints(hosts):
    """Each host continues from its own, and the forest is that of an uninterrupted job."""
    channels = {"train": {"a.csv": text(table(6000))}}
    chosen = LONG | {"n_estimators": "400"}
    (alone,) = hosts([channels], chosen, names=[ALONE])
    alone.start().ended()
    made = [host.start() for host in hosts([channels] * 2, chosen)]
    wait_for_checkpoints(made)
    for host in made:
        with host.process:
            host.process.kill()
    for host in made:
        host.start()
    for host in made:
        assert re.search(r"continuing from \d+ trees", host.ended())
    assert same(made[0].forest, alone.forest)


def listening(process):
    """The addresses and ports that a process of this network namespace listens on."""
    found = set()
    inodes = set()
    for pid in (process.pid, *children_of(process.pid)):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(link.readlink()))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            address, port = fields[1].split(":")
            packed = int(address, 16).to_bytes(4, "little")
            found.add((socket.inet_ntoa(packed), int(port, 16)))
    return found


def test_hosts_listen_where_others_call_and_leave_no_files(hosts, tmp_path):
    """They listen on their own address, without a dashboard, and leave HOME and TMPDIR empty."""
    channels = {"train": {"a.csv": text(table(6000))}}
    made = hosts([channels] * 2, LONG)
    folders = {name: tmp_path / name for name in ("TMPDIR", "HOME")}
    for folder in folders.values():
        folder.mkdir()
    for host in made:
        host.start_from_nothing(**{name: str(folder) for name, folder in folders.items()})
    wait_for_checkpoints(made)
    heard = [listening(host.process) for host in made]
    assert {address for address, _ in heard[0]} == {ADDRESSES[0]}
    assert len(heard[0]) == 2
    assert 8786 in {port for _, port in heard[0]}
    assert [address for address, _ in heard[1]] == [ADDRESSES[1]]
    for host in made:
        host.process.send_signal(signal.SIGTERM)
    for host in made:
        host.ended()
    assert [path for folder in folders.values() for path in folder.rglob("*")] == []
