"""The SageMaker Python SDK, a client that is not ours, drives the image in its local mode.

It has an environment of its own, kept in ~/.cache, but no account and no network; its reports to
AWS are turned off.
"""

import os
import re
import shutil
import subprocess
import tarfile
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest

from client_environment import python_with
from containers import docker
from docs_blocks import block
from forked_command import run_forked
from mlserver_forest.artifact.forest_file import load_forest
from support import IRIS, PAYLOAD, clean_environ, free_port, lay_out

pytestmark = pytest.mark.container

HERE = Path(__file__).parent
NETWORK = "sagemaker-local"
NO_TELEMETRY = """SchemaVersion: '1.0'
SageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}
"""


def has_compose():
    """As the SDK looks for it: the plugin's second version, or else the command of its own."""
    plugin = docker("compose", "version", check=False)
    return "v2" in plugin.stdout or shutil.which("docker-compose") is not None


def sdk_python(version):
    """A Python that has a version of the SDK, with what its lock file names."""
    missing = pytest.fail if os.environ.get("REQUIRE_CONTAINERS") else pytest.skip
    if not has_compose():
        missing("neither `docker compose` 2 nor docker-compose: apt-get install docker-compose")
    return python_with(HERE / f"sagemaker-sdk-{version}-requirements.lock")


def networks():
    listed = docker("network", "ls", "--no-trunc", "--quiet", "--filter", f"name=^{NETWORK}$")
    return set(listed.stdout.split())


@pytest.fixture
def folder(tmp_path):
    """Where the SDK works; the containers and the network that it leaves are removed by id."""
    before = networks()
    yield tmp_path
    label = "com.docker.compose.project.working_dir"
    listed = docker("ps", "--all", "--format", f'{{{{.ID}}}} {{{{.Label "{label}"}}}}').stdout
    for line in listed.splitlines():
        identity, _, place = line.partition(" ")
        if place and Path(place).is_relative_to(tmp_path):
            docker("rm", "--force", "--volumes", identity)
    for identity in networks() - before:
        docker("network", "rm", identity)


def sdk_block(name):
    """The Python block that follows ``<!-- python: name -->``."""
    return block("docs/sagemaker.md", f"python: {name}")


def replaced(text, **values):
    """The text with another value for each that is named, which it has exactly once."""
    for before, after in values.values():
        assert text.count(before) == 1
        text = text.replace(before, after)
    return text


def run(version, script, folder):
    """The output of a script that can neither reach AWS nor report anything to it."""
    (folder / "telemetry.yaml").write_text(NO_TELEMETRY)
    done = subprocess.run(
        [sdk_python(version), "-"],
        input=script,
        cwd=folder,
        env=clean_environ(
            HOME=str(folder),
            AWS_DEFAULT_REGION="eu-west-1",
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",
            AWS_ENDPOINT_URL="http://127.0.0.1:9",
            SAGEMAKER_USER_CONFIG_OVERRIDE=str(folder / "telemetry.yaml"),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout.splitlines()


def has_trained(lines):
    return any(re.search(r"validation:accuracy=0\.9\d+;", line) for line in lines)


def test_the_sdk_trains_deploys_predicts_and_transforms(image, folder):
    for channel, source in {"training": IRIS, "payload": PAYLOAD}.items():
        (folder / "sdk" / channel).mkdir(parents=True)
        shutil.copy(source, folder / "sdk" / channel)
    script = replaced(
        sdk_block("sagemaker-sdk"),
        image=('image = "mlserver-forest"', f"image = {image!r}"),
        port=('"local_code": True', f'"local_code": True, "serving_port": {free_port()}'),
    )
    lines = run(2, script, folder)
    assert has_trained(lines)
    assert any(line.endswith("[['virginica'], ['setosa']]") for line in lines)
    (answer,) = [line for line in lines if "'predicted_label'" in line]
    (prediction,) = literal_eval(answer[answer.index("[") :])
    assert prediction["predicted_label"] == "virginica"
    assert sum(prediction["probabilities"]) == pytest.approx(1)
    transformed = (folder / "sdk" / "transformed" / "payload.csv.out").read_text()
    assert transformed.split("\n") == [
        *["setosa"] * 5, *["versicolor"] * 5, *["virginica"] * 5, ""
    ]  # fmt: skip


def test_the_third_versions_trainer_starts_the_image_without_a_command(image, folder):
    (folder / "sdk" / "training").mkdir(parents=True)
    shutil.copy(IRIS, folder / "sdk" / "training")
    script = sdk_block("sagemaker-sdk-3")
    image_line = ('training_image="mlserver-forest"', f"training_image={image!r}")
    assert has_trained(run(3, replaced(script, image=image_line), folder))
    names = {path.name for path in (folder / "sdk" / "model").iterdir()}
    assert names == {"model-settings.json", "forest.safetensors"}
    with tarfile.open(folder / "sdk" / "compressed_artifacts" / "model.tar.gz") as archive:
        assert names <= {Path(name).name for name in archive.getnames()}


WRITERS = """
import csv, sys
import numpy, scipy.sparse
from sagemaker.amazon.common import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor

rows = list(csv.reader(open("iris.csv")))
labels = numpy.unique([row[0] for row in rows], return_inverse=True)[1].astype("float32")
values = numpy.array([row[1:] for row in rows], "float32")
with open("dense.rec", "wb") as file:
    write_numpy_to_dense_tensor(file, values, labels)
with open("sparse.rec", "wb") as file:
    write_spmatrix_to_sparse_tensor(file, scipy.sparse.csr_matrix(values), labels)
"""


def test_records_of_the_sdks_own_writers_train_the_forest_that_csv_trains(folder):
    """``sagemaker.amazon.common``, dense and sparse, beside the same rows in CSV."""
    shutil.copy(IRIS, folder / "iris.csv")
    run(2, WRITERS, folder)
    classes = {"setosa": "0", "versicolor": "1", "virginica": "2"}
    text = IRIS.read_text()
    for name, code in classes.items():
        text = text.replace(name, code)
    channels = {"text/csv": text.encode()}
    for kind in ("dense", "sparse"):
        media_type = f"application/x-recordio-protobuf; kind={kind}"
        channels[media_type] = (folder / f"{kind}.rec").read_bytes()
    forests = []
    for number, (media_type, content) in enumerate(channels.items()):
        chosen = {"random_state": "3", "n_estimators": "10", "report": "false"}
        base = lay_out(
            folder / str(number), {"train": {"part": content}}, chosen, media_type.partition(";")[0]
        )
        done = run_forked("train", "--base-dir", base, environ=clean_environ())
        assert done.returncode == 0, done.stderr
        forests.append(load_forest(base / "model" / "forest.safetensors"))
    first, *others = forests
    for other in others:
        assert all(np.array_equal(other.arrays[name], first.arrays[name]) for name in first.arrays)
