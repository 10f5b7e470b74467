"""Which folders are versions of one model, and in which order they stand."""

import json

import pytest

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.serving.models.repository import find_model
from mlserver_forest.serving.models.unpacked_folder import is_packed
from mlserver_forest.serving.models.version_directories import in_order, version_directories


def lay_out(folder, **names):
    """Folders with the name that their model's settings have; None for a folder without a model."""
    for version, name in names.items():
        (folder / version).mkdir(parents=True)
        if name is not None:
            (folder / version / "model-settings.json").write_text(json.dumps({"name": name}))


@pytest.mark.parametrize(
    ("names", "versions"),
    [
        ({"1": "a"}, ["1"]),
        ({"2": "a", "10": "b", "9": "a", "logs": None}, ["2", "9", "10"]),
        ({"v1.10": "a", "v1.9": "a"}, ["v1.9", "v1.10"]),
        ({"champion": "a", "challenger": "a", "3": "a"}, ["challenger", "champion", "3"]),
        # Different models beside each other, and a folder that a tool has kept.
        ({"iris": "a", "roses": "b"}, []),
        ({"iris": "a"}, []),
        ({"1": None, ".git": "a"}, []),
        ({}, []),
    ],
)
def test_folders_with_numbers_are_versions_and_so_are_others_of_one_name(tmp_path, names, versions):
    lay_out(tmp_path, **names)
    assert list(version_directories(tmp_path, is_packed)) == versions
    if versions:
        assert find_model([tmp_path / "none", tmp_path, tmp_path]) == tmp_path
    (tmp_path / "model-settings.json").write_text("{}")
    assert version_directories(tmp_path, is_packed) == {}


def test_several_models_are_refused_with_what_would_make_them_versions(tmp_path):
    lay_out(tmp_path, iris="a", roses="b")
    with pytest.raises(InvalidArtifact, match=r"several models, in iris, roses; .* versions have"):
        find_model([tmp_path])


def test_a_tool_may_have_kept_the_folder_of_the_versions(tmp_path):
    lay_out(tmp_path / "iris", **{"1": "a", "2": "a"})
    (tmp_path / "logs").mkdir()
    assert find_model([tmp_path]) == tmp_path / "iris"


def test_the_order_is_that_of_the_numbers():
    versions = ["v2", "1", "10", "2024-05-01", "2024-11-30", "canary", "1.2.0", "3-rc"]
    assert in_order(versions) == [
        "canary", "1", "1.2.0", "v2", "3-rc", "10", "2024-05-01", "2024-11-30"
    ]  # fmt: skip
