"""``docker run IMAGE train``, as SageMaker starts a training job."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlserver_forest.doctor.container import Container, container
from mlserver_forest.doctor.rules import FAILURE_LETTERS
from mlserver_forest.doctor.sample import CSV
from mlserver_forest.doctor.target import StartFailure
from mlserver_forest.doctor.verdicts import CheckResult, failed, judged, passed, skipped

# As AWS's examples name their channels: amazon-sagemaker-examples has the first in its own
# containers, and the second with built-in algorithms.
CHANNELS = ("training", "train")
NONSENSE = "doctors_hyperparameter"
_SHOWN_LETTERS = 400
_EXIT = "exit code"
# A container that waits for connections, each time it is looked at, is a server and no job.
_LOOK_SECONDS = 2.0
_LOOKS = 3
_ONLY_SERVES = "if the image only serves, give a model directory with --model"
_CSV_CHANNEL = {
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
    "ContentType": CSV,
}
# resourceconfig.json with the values that a job on SageMaker has.
_RESOURCES = {
    "current_host": "algo-1",
    "hosts": ["algo-1"],
    "network_interface_name": "eth0",
    "current_instance_type": "ml.m5.large",
    "current_group_name": "homogeneousCluster",
    "instance_groups": [
        {
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.m5.large",
            "hosts": ["algo-1"],
        }
    ],
}


@dataclass(frozen=True)
class TrainingRun:
    """A training job in a container.

    Attributes:
        image: the image's name.
        data: the training data, a CSV file, label first.
        channel: the channel in which the image expects it.
        seconds: how long it may take.
        hyperparameters: the content of hyperparameters.json.
        variables: environment variables.
        workspace: a folder for its inputs and outputs.
    """

    image: str
    data: Path
    channel: str
    hyperparameters: Mapping[str, str]
    variables: Mapping[str, str]
    seconds: float
    workspace: Path


def train_in_channels(
    job: TrainingRun, channels: Sequence[str]
) -> tuple[CheckResult, Path | None, TrainingRun]:
    """Check training with the data in one channel after another, until it succeeds.

    Args:
        job: the job, whose channel is replaced.
        channels: the names to try.

    Returns:
        The result, the model directory or None, and the job that succeeded or else the first one.
    """
    jobs = [replace(job, channel=channel) for channel in channels]
    tried: list[CheckResult] = []
    for one in jobs:
        result, model = train(one)
        if model is not None:
            named = f"{result.came}, from the channel {one.channel!r}"
            return replace(result, came=named), model, one
        tried.append(result)
        if not result.came.startswith(_EXIT):
            return result, None, one  # Another channel changes nothing about it.
    came = "; ".join(
        f"channel {one.channel!r}: {result.came}" for one, result in zip(jobs, tried, strict=True)
    )
    return replace(tried[0], came=came if len(tried) > 1 else tried[0].came), None, jobs[0]


def train(job: TrainingRun) -> tuple[CheckResult, Path | None]:
    """Check training; return the model directory too, or None if there is none."""
    model = job.workspace / "model"
    try:
        with _finished(job, job.hyperparameters) as (ended, code):
            if code is None and (sockets := _served(ended)):
                return failed(
                    f"it starts a server on {sockets} instead of training",
                    "let the entrypoint look at its argument: SageMaker runs `docker run IMAGE "
                    f"train` and `docker run IMAGE serve`; {_ONLY_SERVES}",
                ), None
            if code is None:
                late = f"still running after {job.seconds:.0f} s; {ended.last_words()}"
                return failed(
                    late, "give it longer with --train-seconds, or less with --data"
                ), None
            if code:
                return _failed_job(job, ended, code), None
            ended.copy_out("/opt/ml/model", model)
    except StartFailure as error:
        return failed(str(error), f"{error.advice}; {_ONLY_SERVES}" if error.advice else ""), None
    files = sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file())
    if not files:
        return failed("exit code 0, but model/ is empty", "write the model to /opt/ml/model"), None
    return passed(f"exit code 0; model/ holds {', '.join(files[:3])}"), model


def _failed_job(job: TrainingRun, ended: Container, code: int) -> CheckResult:
    """Why a job failed, in its own words: those of output/failure, or else of the log."""
    error, reason = ended.ended(code), _failure(job, ended)
    if ended.is_short_of_memory():
        return failed(str(error), error.advice)
    advice = error.advice or (
        f"see the reason above. The job had {job.data.name} (CSV, label first) in the channel "
        f"{job.channel!r} and {len(job.hyperparameters)} hyperparameters; give it others with "
        "--data, --channel and -p"
    )
    if reason:
        return failed(f"exit code {code}; output/failure: {reason[:_SHOWN_LETTERS]}", advice)
    return failed(f"exit code {code}, without output/failure; {ended.last_words()}", advice)


def _failure(job: TrainingRun, ended: Container) -> str | None:
    """The start of output/failure, in one line; None if there is no such file."""
    failure = job.workspace / "failure"
    failure.unlink(missing_ok=True)
    if not ended.copy_out("/opt/ml/output/failure", failure):
        return None
    return " ".join(failure.read_text(errors="replace")[:FAILURE_LETTERS].split())


def train_wrongly(job: TrainingRun) -> CheckResult:
    """Check the error for an unknown hyperparameter and for text instead of a number."""
    wrong = {**dict.fromkeys(job.hyperparameters, NONSENSE), NONSENSE: "nonsense"}
    with _finished(job, wrong) as (ended, code):
        if code is None:
            return skipped(f"still running after {job.seconds:.0f} s")
        if code == 0:
            return skipped(f"the image ignores a hyperparameter {NONSENSE!r}")
        reason = _failure(job, ended)
        if reason is None:
            return failed(f"exit code {code}, but there is no output/failure; {ended.last_words()}")
    return judged(NONSENSE in reason, f"exit code {code}; failure: {reason[:80] or 'empty'}")


@contextmanager
def _finished(
    job: TrainingRun, hyperparameters: Mapping[str, str]
) -> Iterator[tuple[Container, int | None]]:
    """Run ``train``; the container and its exit code, which is None if it is still running."""
    root = job.workspace / "job"
    shutil.rmtree(root, ignore_errors=True)
    _lay_out(root / "opt" / "ml", job, hyperparameters)
    inputs = f"{root}/opt/ml/input:/opt/ml/input:ro"
    variables = {"TRAINING_JOB_NAME": "forest-doctor", **job.variables}
    environment = [part for item in variables.items() for part in ("--env", "=".join(item))]
    with container(
        "--network=none", "--volume", inputs, *environment, job.image, "train"
    ) as started:
        started.copy_in(_without_input(root, job.workspace / "outputs"))
        started.start()
        yield started, _end(started, job.seconds)


def _end(started: Container, seconds: float) -> int | None:
    """The exit code of a job; None if it is still running, or serves and does nothing else."""
    deadline, n_served = time.monotonic() + seconds, 0
    while (left := deadline - time.monotonic()) > 0:
        code = started.wait(min(left, _LOOK_SECONDS))
        if code is not None:
            return code
        n_served = n_served + 1 if _served(started) else 0
        if n_served == _LOOKS:
            break
    return None


def _served(started: Container) -> str:
    """Where a container listens for others while none of its threads works; empty if it does not.

    The parts of a job may talk to each other on loopback.
    """
    if not started.is_idle():
        return ""
    open_to_others = {one for one in started.listening() or () if not one.is_loopback}
    return " and ".join(map(str, sorted(open_to_others)))


def _without_input(root: Path, target: Path) -> Path:
    """A copy of the tree without input/, which is mounted read-only."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(root, target, ignore=shutil.ignore_patterns("input")))


def _lay_out(ml: Path, job: TrainingRun, hyperparameters: Mapping[str, str]) -> None:
    """Write /opt/ml with the files that SageMaker adds beside the channel and the configuration."""
    data, config = ml / "input" / "data", ml / "input" / "config"
    for folder in (data / job.channel, config, ml / "model", ml / "output" / "data"):
        folder.mkdir(parents=True)
    shutil.copyfile(job.data, data / job.channel / job.data.name)
    (data / f"{job.channel}-manifest").write_text('[{"prefix": "s3://bucket/"}]')
    documents = {
        "hyperparameters": dict(hyperparameters),
        "inputdataconfig": {job.channel: _CSV_CHANNEL},
        "resourceconfig": _RESOURCES,
        "init-config": {"inputMode": "FILE", "channels": {}},
        "metric-definition-regex": [],
        "profilerconfig": {},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    for path in ml.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
