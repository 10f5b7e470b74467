"""CatBoost's files that are damaged, or hold what cannot be packed, are refused by name."""

import json
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

from importers.catboost.catboost_files import content_of
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator
from mlserver_forest.importers.catboost import catboost_model
from mlserver_forest.importers.catboost.catboost_model import CONTENT
from mlserver_forest.importers.catboost.splits import threshold_of
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.registry import format_of

FILES = ("binary.cbm", "depthwise.cbm", "statistics.cbm", "lossguide.json", "combinations.json")


def read(content):
    return import_estimator(Record(GlobalName("catboost", "CatBoost"), state={CONTENT: content}))


def changed(name, change):
    """A JSON file with a change."""
    document = json.loads(content_of(name))
    change(document)
    return json.dumps(document).encode()


def with_loss(name):
    def change(document):
        document["model_info"]["params"]["loss_function"]["type"] = name

    return changed("absolute.json", change)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognized_by_its_first_bytes(name):
    assert "CatBoost" in format_of(content_of(name)[:512]).title


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused(name):
    content = content_of(name)
    for end in range(0, len(content) - 1, max(1, len(content) // 150)):
        with pytest.raises(UnsupportedEstimator):
            read(content[:end])


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_other_bytes_is_read_or_refused(name):
    content, rng = content_of(name), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        try:
            model = read(bytes(damaged))
        except (UnsupportedEstimator, InvalidArtifact):
            continue
        assert model.forest.n_trees > 0


def test_a_length_in_a_file_takes_no_memory():
    content = bytearray(content_of("binary.cbm"))
    values = content.find(struct.pack("<d", 0.0))
    tracemalloc.start()
    for place in range(8, min(len(content) - 4, values if values > 0 else 2000)):
        damaged = bytearray(content)
        damaged[place : place + 4] = struct.pack("<I", 0x7FFF_FFF0)
        with suppress(UnsupportedEstimator):
            read(bytes(damaged))
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: with_loss("MultiLogloss"), "MultiLogloss cannot be packed; train one model"),
        (lambda: with_loss("RMSEWithUncertainty"), "MultiQuantile for an interval"),
        (
            lambda: with_loss("Invented"),
            "Invented cannot be packed; expected one of Cox, CrossEntropy",
        ),
        (
            lambda: changed("absolute.json", lambda found: found["model_info"].pop("params")),
            "does not name its loss function",
        ),
        (
            lambda: changed("absolute.json", lambda found: found.update(oblivious_trees=[])),
            "has no trees",
        ),
        (
            lambda: changed(
                "absolute.json", lambda found: found["features_info"].update(text_features=[{}])
            ),
            "text features, which cannot be packed; train it without",
        ),
        (
            lambda: changed("combinations.json", lambda found: found.pop("ctr_data")),
            "does not have the statistics of one of its CTR features",
        ),
        (
            lambda: changed(
                "absolute.json",
                lambda found: found["oblivious_trees"][0]["splits"][0].update(split_index=9999),
            ),
            "a split that the model does not have",
        ),
        (
            lambda: changed(
                "absolute.json", lambda found: found["oblivious_trees"][0]["leaf_values"].pop()
            ),
            "does not have the leaves of its splits",
        ),
        (lambda: b'{"features_info":' + b"[" * 100_000, "its JSON is not a model"),
        (lambda: b"CBM1" + struct.pack("<I", 0xFFFF_FFFF) + b"\xff" * 8, "it ends early"),
    ],
)
def test_what_cannot_be_packed_is_refused_with_what_to_do(make, fault):
    with pytest.raises(UnsupportedEstimator, match=fault):
        read(make())


def test_a_model_that_is_not_fitted_is_refused():
    record = Record(GlobalName("catboost.core", "CatBoostRegressor"), state={"depth": 3})
    with pytest.raises(UnsupportedEstimator, match="CatBoostRegressor is not fitted"):
        import_estimator(record)


def test_a_threshold_of_the_models_own_decides_the_label():
    def change(document):
        document["model_info"]["binclass_probability_threshold"] = "0.7"

    rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    model = read(changed("binary-numbers.json", change))
    probabilities = model.predict_proba(rows)[:, 1]
    assert (model.predict(rows) == (probabilities > 0.7)).all()
    assert 0 < (probabilities > 0.7).sum() < (probabilities > 0.5).sum()


def test_features_without_names_are_numbered():
    assert read(content_of("binary.cbm")).schema.feature_names == (
        *("feature_0", "feature_1", "feature_2", "feature_3"),
    )


def test_the_first_bytes_of_a_json_file_may_be_spaced():
    assert catboost_model.is_json(b'\n { "features_info" : {')
    assert not catboost_model.is_json(b'{"learner": {"features_info": 1}}')


@pytest.mark.parametrize("border", [0.0, 1.5, 0.1, -0.1, 1e-45, -1e-45, 1e-40, 3e38, 16777217.0])
def test_thresholds_in_float64_split_where_rounding_to_float32_does(border):
    border = np.float32(border)
    above = np.nextafter(border, np.float32(np.inf))
    middle = (np.float64(border) + np.float64(above)) / 2
    near = [np.float64(border), middle, np.float64(above)]
    near += [np.nextafter(value, side) for value in near for side in (-np.inf, np.inf)]
    threshold = threshold_of(np.array(border), is_wide=True)
    for value in near:
        assert (value > threshold) == (np.float32(value) > border)
