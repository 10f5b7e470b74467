"""The request that the doctor sends."""

import json

import pytest

from mlserver_forest.doctor.sample import Sample, from_file, from_settings, from_training_data
from mlserver_forest.errors import InvalidEnvironment
from support import IRIS


def test_a_row_of_a_models_own_words_is_made_from_its_settings(tmp_path):
    inputs = [
        {"name": "size", "datatype": "FP64", "shape": [-1, 1]},
        {
            "name": "town",
            "datatype": "BYTES",
            "shape": [-1, 1],
            "parameters": {"categories": ["Ulm, new", "Bonn"], "codes": "FP64"},
        },
        {"name": "sold", "datatype": "BOOL", "shape": [-1, 1], "parameters": {"codes": "FP64"}},
        {"name": "X", "datatype": "FP32", "shape": [-1, 2]},
    ]
    (tmp_path / "model-settings.json").write_text(json.dumps({"inputs": inputs}))
    assert from_settings(tmp_path) == Sample("text/csv", b'0,"Ulm, new",true,0,0')


def test_a_category_that_is_known_by_its_hash_may_be_any_text(tmp_path):
    tensor = {"datatype": "BYTES", "shape": [-1, 1]}
    inputs = [
        {**tensor, "name": "town", "parameters": {"hash": "CityHash64", "known": ["Ulm"]}},
        {**tensor, "name": "color", "parameters": {"hash": "CityHash64", "known": []}},
    ]
    (tmp_path / "model-settings.json").write_text(json.dumps({"inputs": inputs}))
    assert from_settings(tmp_path) == Sample("text/csv", b"Ulm,unknown")


def test_a_row_of_the_training_data_has_no_label(tmp_path):
    assert from_training_data(IRIS).body == IRIS.read_text().split()[-1].partition(",")[2].encode()
    (tmp_path / "labels.csv").write_text("a\nb\n")
    with pytest.raises(InvalidEnvironment, match="no row with a label and a feature"):
        from_training_data(tmp_path / "labels.csv")


def test_records_are_put_together_by_lines(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"features": [1]}\n{"features": [2]}\n')
    sample = from_file(tmp_path / "rows.jsonl", None)
    assert sample.content_type == "application/jsonlines"
    assert sample.records(2) == b'{"features": [1]}\n{"features": [1]}'
    assert 80 < len(sample.large(100)) <= 100
    document = Sample("application/json", b"[[1, 2]]")
    assert json.loads(document.large(100)) == [[1, 2]]
    assert len(document.large(100)) == 100
