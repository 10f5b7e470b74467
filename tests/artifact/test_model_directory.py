"""The model directory: whole or refused, and nothing in it chooses code."""

import json
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier

from artifact.killed_save import save_until
from forked_command import fork
from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.forest_file import load_forest, load_forest_file
from mlserver_forest.errors import InvalidArtifact, InvalidEnvironment
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata
from support import IRIS_NAMES, save_model


def test_the_directory_holds_two_files_that_anyone_can_read(model_dir):
    modes = {path.name: path.stat().st_mode & 0o777 for path in model_dir.iterdir()}
    assert modes == {"forest.safetensors": 0o644, "model-settings.json": 0o644}


def test_model_settings_contain_the_schema_and_nothing_else_but_mlservers_keys(model_dir):
    settings = json.loads((model_dir / "model-settings.json").read_text())
    insights = {"contributions": (4, 3), "expected_value": (3,)}
    classes = ("setosa", "versicolor", "virginica")
    schema = Schema(IRIS_NAMES, "classification", classes, insights=insights)
    assert from_metadata(settings.pop("inputs"), settings.pop("outputs")) == schema
    assert settings == {
        "name": "forest",
        "platform": "mlserver-forest",
        "implementation": "mlserver_forest.ForestModel",
        "versions": ["test/1"],
        "parameters": {
            "uri": "./forest.safetensors",
            "extra": {"forest_sha256": load_forest_file(model_dir / "forest.safetensors").sha256},
        },
    }


def test_a_forest_that_fails_its_self_test_is_not_written(tmp_path, iris, iris_forest):
    rows = iris[0][:5]
    with pytest.raises(InvalidArtifact, match="failed its self-test"):
        model_directory.save(
            tmp_path / "model",
            import_estimator(iris_forest),
            name="forest",
            versions=[],
            self_test=(rows, iris_forest.predict_proba(rows) + 1e-16),
        )
    assert not (tmp_path / "model").exists()


def test_a_second_model_takes_the_place_of_the_first(tmp_path, iris, iris_forest):
    directory = save_model(tmp_path / "model", iris_forest, iris[0], name="first")
    save_model(directory, iris_forest, iris[0], name="second")
    assert model_directory.read_settings(directory, trust_code=False)["name"] == "second"
    assert len(list(directory.iterdir())) == 2


def test_files_of_two_models_are_refused_together(tmp_path, iris, iris_forest):
    kinds = (iris_forest, RandomForestClassifier(3, random_state=8).fit(*iris))
    first, second = (
        save_model(tmp_path / name, kind, iris[0])
        for name, kind in zip(("first", "second"), kinds, strict=True)
    )
    shutil.copy(second / "forest.safetensors", first)
    with pytest.raises(InvalidArtifact, match="are files of different models"):
        model_directory.load(first)
    (first / "model-settings.json").unlink()
    assert model_directory.load(first).forest.n_trees == 3


def test_a_full_disk_is_named_with_the_bytes_and_the_earlier_model_stays(
    tmp_path, iris, iris_forest
):
    directory = save_model(tmp_path / "model", iris_forest, iris[0], name="first")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(InvalidEnvironment, match=r"the model needs [\d,]+ bytes and .* free"):
            save_model(directory, iris_forest, iris[0], name="second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_killed_save_leaves_a_whole_model_or_none(tmp_path, iris, iris_forest):
    """Killed at each of its system calls that touch the directory."""
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        process = fork(save_until, len(codes), tmp_path / "model", iris_forest, iris[0])
        process.join()
        codes.append(process.exitcode)
        try:
            found = model_directory.read_settings(tmp_path / "model", trust_code=False)
        except InvalidArtifact:
            continue
        assert load_forest(Path(found["parameters"]["uri"])).n_trees == 25
    assert codes[-1] == 0
    assert len(codes) >= 5
    # The last run also tidied up what the killed ones had left.
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"forest.safetensors", "model-settings.json"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ("{}", "cannot be used"),
        ('{"implementation": "mlserver_forest.ForestModel"}', "cannot be used"),
        (
            '{"implementation": "mlserver_forest.ForestModel", "parameters": {"uri": 1}}',
            "cannot be",
        ),
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
        model_directory.read_settings(tmp_path, trust_code=True)


@pytest.mark.parametrize("runtime", ["system", None, ["x"], "model.py:My Model", "../x.Y"])
def test_what_names_no_class_is_refused_even_with_trust(tmp_path, runtime):
    document = {"implementation": runtime, "parameters": {"uri": "./x"}}
    (tmp_path / "model-settings.json").write_text(json.dumps(document))
    with pytest.raises(InvalidArtifact, match="does not name a class"):
        model_directory.read_settings(tmp_path, trust_code=True)


@pytest.mark.parametrize(
    "text",
    [
        b'{"name": "\xff%b"}' % (b"a" * 5000),
        b'{"implementation": "%b", "parameters": {"uri": "a"}}' % (b"a" * 5000),
        b'{"implementation": "mlserver_forest.ForestModel", "parameters": {"uri": "%b"}}'
        % (b"../" * 1000),
    ],
)
def test_settings_are_refused_with_a_short_message(tmp_path, text):
    (tmp_path / "model-settings.json").write_bytes(text)
    with pytest.raises(InvalidArtifact) as refused:
        model_directory.read_settings(tmp_path, trust_code=False)
    assert len(str(refused.value)) < 600


def test_a_pickle_runtime_needs_trust(tmp_path):
    document = {
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "m.joblib"},
    }
    (tmp_path / "model-settings.json").write_text(json.dumps(document))
    with pytest.raises(InvalidArtifact, match="FOREST_TRUST_CODE=true"):
        model_directory.read_settings(tmp_path, trust_code=False)
    found = model_directory.read_settings(tmp_path, trust_code=True)
    assert found["parameters"]["uri"] == os.path.realpath(tmp_path / "m.joblib")
