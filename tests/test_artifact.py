"""The model directory: whole or refused, and nothing in it chooses code."""

import json
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from support import IRIS_NAMES, save_model

from mlserver_forest import artifact
from mlserver_forest.errors import InvalidArtifact, UntrustedRuntime
from mlserver_forest.forest.importer import import_estimator
from mlserver_forest.schema import Schema, from_metadata


def test_a_saved_forest_answers_as_the_estimator(model_dir, iris, iris_forest):
    forest = artifact.load_forest(model_dir / "forest.safetensors")
    assert np.array_equal(forest.predict_values(iris[0]), iris_forest.predict_proba(iris[0]))


def test_the_directory_holds_two_files_that_anyone_can_read(model_dir):
    modes = {path.name: path.stat().st_mode & 0o777 for path in model_dir.iterdir()}
    assert modes == {"forest.safetensors": 0o644, "model-settings.json": 0o644}


def test_settings_hold_the_schema(model_dir):
    settings = json.loads((model_dir / "model-settings.json").read_text())
    schema = Schema(IRIS_NAMES, "classification", ("setosa", "versicolor", "virginica"))
    assert from_metadata(settings.pop("inputs"), settings.pop("outputs")) == schema
    assert settings == {
        "name": "forest",
        "platform": "mlserver-forest",
        "implementation": "mlserver_forest.ForestModel",
        "versions": ["test/1"],
        "parameters": {"uri": "./forest.safetensors"},
    }


def test_the_forest_file_is_a_safetensors_file(model_dir, iris_forest):
    tensors = safetensors.numpy.load_file(model_dir / "forest.safetensors")
    arrays = import_estimator(iris_forest).arrays
    assert set(tensors) == {*arrays, "self_test_rows", "self_test_answers"}
    for name, array in arrays.items():
        assert np.array_equal(tensors[name], array)


def test_the_arrays_lie_in_the_mapped_file(model_dir):
    """Not copied, so that processes share them."""
    forest = artifact.load_forest(model_dir / "forest.safetensors")
    base = forest.nodes
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)
    assert not forest.nodes.flags.writeable


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_refused(model_dir, tmp_path_factory, data):
    content = bytearray((model_dir / "forest.safetensors").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidArtifact):
        artifact.load_forest(path)


@given(data=st.data())
def test_any_truncation_is_refused(model_dir, tmp_path_factory, data):
    content = (model_dir / "forest.safetensors").read_bytes()
    path = tmp_path_factory.getbasetemp() / "truncated.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InvalidArtifact):
        artifact.load_forest(path)


def rewritten(model_dir, tmp_path, change):
    """A forest file whose header was changed and whose checksum was then made right."""
    content = (model_dir / "forest.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["sha256"] = "0" * 64
    change(header)
    text = json.dumps(header).encode()
    parts = [len(text).to_bytes(8, "little"), text, content[8 + length :]]
    digest = artifact._digest(parts).encode()
    path = tmp_path / "forest.safetensors"
    path.write_bytes(b"".join(parts).replace(b"0" * 64, digest, 1))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("nodes"),
        lambda header: header.pop("self_test_rows"),
        lambda header: header["nodes"].update(dtype="F16"),
        lambda header: header["nodes"].update(shape=[-1, 2]),
        lambda header: header["nodes"].update(shape=[2**60, 2**60]),
        lambda header: header["nodes"].update(data_offsets=[0, 2**62], shape=[2**58, 4]),
        lambda header: header["nodes"].update(data_offsets=[-8, 0], shape=[1, 2]),
        lambda header: header["nodes"].update(data_offsets="no"),
        lambda header: header["roots"].update(dtype="F32"),
        lambda header: header["self_test_rows"].update(shape=[17 * 4]),
        lambda header: header["__metadata__"].update(shift="31"),
        lambda header: header["__metadata__"].update(shift="x"),
        lambda header: header["__metadata__"].update(n_features="0"),
        lambda header: header["__metadata__"].update(n_features="2"),
        lambda header: header["__metadata__"].update(format="another"),
        lambda header: header["__metadata__"].update(format_version="2"),
        lambda header: header.update(nodes=7),
        lambda header: header.update(__metadata__=[]),
    ],
)
def test_a_forged_header_is_refused(model_dir, tmp_path, change):
    """The checksum is no protection against a forger; the checks behind it are."""
    with pytest.raises(InvalidArtifact):
        artifact.load_forest(rewritten(model_dir, tmp_path, change))


def test_an_honest_rewrite_is_accepted(model_dir, tmp_path):
    """So that the test above cannot pass for a wrong reason."""
    assert artifact.load_forest(rewritten(model_dir, tmp_path, lambda header: None)).n_trees == 25


def test_a_forest_that_fails_its_self_test_is_not_written(tmp_path, iris, iris_forest):
    rows = iris[0][:5]
    with pytest.raises(InvalidArtifact, match="failed its self-test"):
        artifact.save(
            tmp_path / "model",
            import_estimator(iris_forest),
            Schema(IRIS_NAMES, "classification", ("a", "b", "c")),
            name="forest",
            versions=[],
            self_test=(rows, iris_forest.predict_proba(rows) + 1e-16),
        )
    assert not (tmp_path / "model").exists()


def test_a_second_model_takes_the_place_of_the_first(tmp_path, iris, iris_forest):
    directory = save_model(tmp_path / "model", iris_forest, iris[0], name="first")
    save_model(directory, iris_forest, iris[0], name="second")
    assert artifact.read_settings(directory, trust_pickle=False)["name"] == "second"
    assert len(list(directory.iterdir())) == 2


def test_a_killed_save_leaves_a_whole_model_or_none(tmp_path, iris, iris_forest):
    """Killed at each of its system calls that touch the directory."""
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import joblib, numpy as np
from support import save_model
from mlserver_forest import artifact
count = int(sys.argv[1])
def dying(function):
    def call(*arguments, **named):
        global count
        count -= 1
        if count < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
estimator, x = joblib.load({str(tmp_path / "estimator")!r})
save_model(__import__("pathlib").Path({str(tmp_path / "model")!r}), estimator, x)
"""
    import joblib

    joblib.dump((iris_forest, iris[0]), tmp_path / "estimator")
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        done = subprocess.run([sys.executable, "-c", script, str(len(codes))], check=False)
        codes.append(done.returncode)
        try:
            found = artifact.read_settings(tmp_path / "model", trust_pickle=False)
        except InvalidArtifact:
            continue
        assert artifact.load_forest(Path(found["parameters"]["uri"])).n_trees == 25
    assert codes[-1] == 0
    assert len(codes) >= 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ("{}", "cannot be used"),
        ('{"implementation": "mlserver_forest.ForestModel"}', "cannot be used"),
        ('{"implementation": "mlserver_forest.ForestModel", "parameters": {"uri": 1}}', "cannot be"),
        (
            '{"implementation": "mlserver_forest.ForestModel", "parameters": {"uri": "../x"}}',
            "leads out of the model's folder",
        ),
        (
            '{"implementation": "mlserver_forest.ForestModel", "parameters": {"uri": "/etc/x"}}',
            "leads out of the model's folder",
        ),
    ],
)
def test_unusable_settings_are_refused(tmp_path, text, fault):
    (tmp_path / "model-settings.json").write_text(text)
    with pytest.raises(InvalidArtifact, match=fault):
        artifact.read_settings(tmp_path, trust_pickle=True)


@pytest.mark.parametrize("runtime", ["os.system", None, ["x"], "mlserver_forest.forestmodel"])
def test_an_unknown_runtime_is_refused_even_with_trust(tmp_path, runtime):
    document = {"implementation": runtime, "parameters": {"uri": "./x"}}
    (tmp_path / "model-settings.json").write_text(json.dumps(document))
    with pytest.raises(InvalidArtifact, match="unknown implementation|cannot be used"):
        artifact.read_settings(tmp_path, trust_pickle=True)


def test_a_pickle_runtime_needs_trust(tmp_path):
    document = {"implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "m.joblib"}}
    (tmp_path / "model-settings.json").write_text(json.dumps(document))
    with pytest.raises(UntrustedRuntime, match="FOREST_TRUST_PICKLE=true"):
        artifact.read_settings(tmp_path, trust_pickle=False)
    found = artifact.read_settings(tmp_path, trust_pickle=True)
    assert found["parameters"]["uri"] == os.path.realpath(tmp_path / "m.joblib")
