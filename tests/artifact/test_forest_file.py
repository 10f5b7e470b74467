"""The forest file: whole, or refused before the kernel sees it."""

import json
import mmap
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.artifact import forest_file
from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator


def test_a_saved_forest_answers_as_the_estimator(model_dir, iris, iris_forest):
    forest = load_forest(model_dir / "forest.safetensors")
    assert np.array_equal(forest.predict(iris[0]).values, iris_forest.predict_proba(iris[0]))


def test_the_forest_file_is_a_safetensors_file(model_dir, iris_forest):
    tensors = safetensors.numpy.load_file(model_dir / "forest.safetensors")
    arrays = import_estimator(iris_forest).forest.arrays
    arrays = {name: array for name, array in arrays.items() if array.size}
    assert set(tensors) == {*arrays, "self_test_rows", "self_test_sums"}
    for name, array in arrays.items():
        assert np.array_equal(tensors[name], array)


def test_the_arrays_lie_in_memory_that_forked_processes_share(model_dir):
    forest = load_forest(model_dir / "forest.safetensors")
    base = forest.nodes
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)
    assert not forest.nodes.flags.writeable


@pytest.mark.parametrize("damage", ["changed", "truncated", "removed"])
def test_a_file_that_is_damaged_after_it_was_loaded_changes_no_answer(
    model_dir, tmp_path, iris, damage
):
    path = tmp_path / "forest.safetensors"
    shutil.copy(model_dir / "forest.safetensors", path)
    forest = load_forest(path)
    expected = forest.predict(iris[0].astype(forest.feature_dtype)).values
    if damage == "changed":
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
    elif damage == "truncated":
        os.truncate(path, 100)
    else:
        path.unlink()
    found = forest.predict(iris[0].astype(forest.feature_dtype)).values
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path, kind):
    path = tmp_path / "forest.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InvalidArtifact, match=r"not a regular file|Is a directory"):
        load_forest(path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_refused(model_dir, tmp_path_factory, data):
    content = bytearray((model_dir / "forest.safetensors").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidArtifact):
        load_forest(path)


@given(data=st.data())
def test_any_truncation_is_refused(model_dir, tmp_path_factory, data):
    content = (model_dir / "forest.safetensors").read_bytes()
    path = tmp_path_factory.getbasetemp() / "truncated.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InvalidArtifact):
        load_forest(path)


def rewritten(model_dir, tmp_path, change):
    """A forest file whose header was changed and whose checksum was then made right."""
    content = (model_dir / "forest.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["sha256"] = "0" * 64
    change(header)
    text = json.dumps(header).encode()
    parts = [len(text).to_bytes(8, "little"), text, content[8 + length :]]
    digest = forest_file._digest(parts).encode()
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
        lambda header: header["__metadata__"].update(feature_dtype="float64"),
        lambda header: header["__metadata__"].update(feature_dtype="O"),
        lambda header: header["__metadata__"].update(feature_dtype="f,4"),
        lambda header: header["__metadata__"].update(divisor="nan"),
        lambda header: header["__metadata__"].update(divisor="0"),
        lambda header: header["__metadata__"].update(divisor="x"),
        lambda header: header["__metadata__"].update(postprocessor="os.system"),
        lambda header: header["__metadata__"].update(postprocessor_scale="x"),
        lambda header: header["__metadata__"].update(n_features="0"),
        lambda header: header["__metadata__"].update(n_features="2"),
        lambda header: header["__metadata__"].update(n_features=str(10**12)),
        lambda header: header["__metadata__"].update(n_features=str(2**70)),
        lambda header: header["nodes"].update(data_offsets=[2**70, 2**70 + 8], shape=[1, 2]),
        lambda header: header["__metadata__"].update(format="another"),
        lambda header: header["__metadata__"].update(format_version="3"),
        lambda header: header.update(nodes=7),
        lambda header: header.update(__metadata__=[]),
    ],
)
def test_a_forged_header_is_refused(model_dir, tmp_path, change):
    """The checksum does not protect against a forger; the checks behind it do."""
    with pytest.raises(InvalidArtifact):
        load_forest(rewritten(model_dir, tmp_path, change))


def test_a_damaged_header_is_refused_with_a_short_message(model_dir, tmp_path):
    """Python's error for text that is not UTF-8 holds all of it."""
    content = (model_dir / "forest.safetensors").read_bytes()
    path = tmp_path / "forest.safetensors"
    path.write_bytes(content.replace(b'"format"', b'"f\xffrmat"', 1))
    with pytest.raises(InvalidArtifact, match="header cannot be understood") as refused:
        load_forest(path)
    assert len(str(refused.value)) < 500


def test_an_honest_rewrite_is_accepted(model_dir, tmp_path):
    """So that the test above cannot pass for a wrong reason."""
    assert load_forest(rewritten(model_dir, tmp_path, lambda header: None)).n_trees == 25
