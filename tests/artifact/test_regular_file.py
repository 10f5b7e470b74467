"""A model's files are opened as they were checked: links that appear later are not followed."""

import json
import os
import threading

import pytest
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.regular_file import open_regular, resolve_inside
from mlserver_forest.errors import InvalidArtifact
from support import save_model


@pytest.fixture
def folders(tmp_path):
    """A folder with a file, and another one outside of it."""
    for name in ("inside", "outside"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text(name)
    return tmp_path.resolve() / "inside", tmp_path.resolve() / "outside"


def test_a_link_inside_the_folder_is_resolved(folders):
    inside, _ = folders
    (inside / "link").symlink_to("deep/file")
    with open_regular(resolve_inside(inside, "link")) as file:
        assert file.read() == b"inside"


def test_a_link_out_of_the_folder_is_refused(folders):
    inside, outside = folders
    (inside / "link").symlink_to(outside / "deep" / "file")
    with pytest.raises(ValueError, match="leads out of the model's folder"):
        resolve_inside(inside, "link")


@pytest.mark.parametrize("place", ["deep/file", "deep", "."])
def test_what_became_a_link_after_the_check_is_not_opened(folders, place):
    inside, outside = folders
    checked = resolve_inside(inside, "deep/file")
    (inside / place).resolve().rename(inside.parent / "moved")
    (inside / place).symlink_to(outside / place)
    assert (inside / "deep" / "file").read_text() == "outside"
    with pytest.raises(OSError, match="a link has taken the place of file; load it again"):
        open_regular(checked)


def test_a_file_that_takes_turns_with_a_link_is_never_read_from_outside(iris, tmp_path):
    x, y = iris
    inside, outside = tmp_path.resolve() / "inside", tmp_path.resolve() / "outside"
    for seed, directory in enumerate((inside, outside)):
        save_model(directory, RandomForestClassifier(2, random_state=seed).fit(x, y), x)
    settings = json.loads((inside / "model-settings.json").read_text())
    del settings["parameters"]["extra"]  # Without the checksum, the outside file would fit.
    (inside / "model-settings.json").write_text(json.dumps(settings))
    right = model_directory.load(inside).predict(x).tolist()
    wrong = model_directory.load(outside).predict(x).tolist()
    assert right != wrong
    link, kept = inside / "forest.safetensors", inside / "kept.safetensors"
    os.link(link, kept)
    ended = threading.Event()

    def swap():
        while not ended.is_set():
            (inside / "next").symlink_to(outside / "forest.safetensors")
            (inside / "next").rename(link)
            os.link(kept, inside / "next")
            (inside / "next").rename(link)

    thread = threading.Thread(target=swap)
    thread.start()
    n_loaded = n_refused = 0
    try:
        while n_loaded < 50 or n_refused < 50:
            try:
                assert model_directory.load(inside).predict(x).tolist() == right
                n_loaded += 1
            except InvalidArtifact:
                n_refused += 1
    finally:
        ended.set()
        thread.join()
