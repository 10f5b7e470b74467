"""XGBoost's old binary form: what is refused, and that nothing outside of it is believed."""

import base64
import json
import re
import struct
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.xgboost.old_binary import is_old_binary, read_old_binary
from mlserver_forest.importers.xgboost.xgboost_trees import forest_of

ARCHIVES = Path(__file__).parents[2] / "compatibility/xgboost"
# Where the header ends, and the first tree begins, in a model of binary:logistic by gbtree.
OBJECTIVE = 136
TREES = OBJECTIVE + 8 + len("binary:logistic") + 8 + len("gbtree")
FIRST_TREE = TREES + 160
FIRST_NODE = FIRST_TREE + 148


@cache
def member(version, name):
    with zipfile.ZipFile(ARCHIVES / f"{version}.zip") as file:
        return file.read(name)


@pytest.fixture(scope="module")
def model():
    """A model without its magic bytes."""
    return member("1.2.1", "binary.model").removeprefix(b"binf")


def changed(content, at, layout, *values):
    size = struct.calcsize(layout)
    return content[:at] + struct.pack(layout, *values) + content[at + size :]


def loaded(content):
    document, _ = read_old_binary(content)
    return xgboost.Booster(model_file=bytearray(json.dumps(document).encode()))


@pytest.mark.parametrize("version", ["0.90", "1.0.2", "1.2.1", "1.5.2", "1.7.6", "2.0.3"])
def test_files_of_old_versions_are_recognized_by_their_first_bytes(version):
    content = member(version, "softprob.model")
    assert is_old_binary(content[:512])
    written = tuple(int(part) for part in version.split(".")[:2])
    assert read_old_binary(content)[1] == (written if written >= (1, 0) else (0, 0))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_magic_bytes_and_base64_say_the_same(model):
    x = np.random.default_rng(0).normal(size=(20, 4))
    expected = loaded(model).predict(xgboost.DMatrix(x))
    for form in (b"binf" + model, b"bs64\t" + base64.b64encode(model) + b"\n"):
        assert is_old_binary(form[:512])
        assert np.array_equal(loaded(form).predict(xgboost.DMatrix(x)), expected)


def test_deleted_nodes_are_left_out():
    """Pruning deletes nodes, and a file keeps them."""
    pruned = read_old_binary(member("1.7.6", "pruned.deprecated"))[0]["learner"]
    dumped = json.loads(member("1.7.6", "pruned.json"))["learner"]
    trees, kept = (one["gradient_booster"]["model"]["trees"] for one in (pruned, dumped))
    n_deleted = [int(tree["tree_param"]["num_deleted"]) for tree in kept]
    assert sum(n_deleted) > 0
    for tree, full, n in zip(trees, kept, n_deleted, strict=True):
        assert len(tree["left_children"]) == len(full["left_children"]) - n
        assert tree["tree_param"]["num_deleted"] == "0"


@pytest.mark.parametrize(
    ("at", "layout", "value", "fault"),
    [
        (0, "<f", float("nan"), "base_score of this XGBoost model is nan"),
        (4, "<I", 1, "splits by feature 3, and the model has 1 features"),
        (OBJECTIVE, "<Q", 1 << 62, "damaged at byte 144"),
        (TREES, "<i", 1 << 30, "sizes that do not fit each other"),
        (TREES, "<i", -1, "sizes that do not fit each other"),
        (FIRST_TREE + 4, "<i", 1 << 30, "sizes that do not fit each other"),
        (FIRST_TREE + 4, "<i", 0, "sizes that do not fit each other"),
        (FIRST_TREE + 20, "<i", 3, "leaves with several values"),
        (FIRST_NODE + 4, "<i", 0, "do not form a tree"),
        (FIRST_NODE + 4, "<i", 2, "do not form a tree"),
        (FIRST_NODE + 8, "<i", 1 << 20, "do not form a tree"),
        (FIRST_NODE + 16, "<f", float("inf"), "tree 1 of this XGBoost model has infinite numbers"),
    ],
)
def test_what_does_not_fit_is_refused(model, at, layout, value, fault):
    with pytest.raises(UnsupportedEstimator, match=re.escape(fault)):
        read_old_binary(changed(model, at, layout, value))


def test_a_linear_model_is_refused_by_name(model):
    content = model.replace(b"\x06\0\0\0\0\0\0\0gbtree", b"\x08\0\0\0\0\0\0\0gblinear")
    assert is_old_binary(content[:512])
    with pytest.raises(UnsupportedEstimator, match=r"booster=gblinear.*booster=gbtree"):
        read_old_binary(content)


def test_base64_that_is_none_is_refused():
    with pytest.raises(UnsupportedEstimator, match="in base64 cannot be decoded"):
        read_old_binary(b"bs64\tA!")


@given(st.integers(0, 4000), st.binary(max_size=8))
def test_any_change_is_read_or_refused_by_name(position, replacement):
    content = member("1.2.1", "dart.model")
    position %= len(content)
    damaged = content[:position] + replacement + content[position + len(replacement) :]
    for form in (damaged, content[:position]):
        with suppress(UnsupportedEstimator):
            json.dumps(read_old_binary(form)[0])


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        (4, "1,073,741,824 features, of which at most"),
        (8, "1,073,741,824 outputs and 5 trees"),
    ],
)
def test_a_number_beyond_all_reason_takes_no_memory(model, at, fault):
    with pytest.raises(UnsupportedEstimator, match=fault):
        forest_of(read_old_binary(changed(model, at, "<I", 1 << 30))[0]["learner"])
