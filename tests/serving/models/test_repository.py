"""A model is found in the usual places, in a folder below them, or nowhere."""

import pytest

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.serving.models.repository import find_model


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["model/model-settings.json", "mnt/model-settings.json"], "model"),
        (["model/forest.safetensors"], "model"),
        (["model/notes.txt", "mnt/model-settings.json"], "mnt"),
        (["mnt/model-settings.json", "mnt/code/model-settings.json"], "mnt"),
        (["mnt/iris/model-settings.json", "mnt/code/serve.py"], "mnt/iris"),
        (["mnt/a/b/model-settings.json"], "mnt"),
        ([], "model"),
    ],
)
def test_the_first_place_that_holds_a_model_counts(tmp_path, files, found):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_model((tmp_path / "model", tmp_path / "mnt")) == tmp_path / found


def test_of_several_models_none_is_chosen(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model-settings.json").touch()
    fault = "has several models, in a, b; name the folder of one in MLSERVER_MODEL_URI"
    with pytest.raises(InvalidArtifact, match=fault):
        find_model((tmp_path,))
