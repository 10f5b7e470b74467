"""The model card, as it is written and read."""

import json
from pathlib import Path

import pytest

from mlserver_forest.model.card import Card, read_card

RELEASES = Path(__file__).parents[1] / "compatibility"


def test_a_card_is_read_as_it_was_written():
    card = Card(
        "xgboost",
        "2026-01-31T12:00:00Z",
        150,
        {"train": {"accuracy": 0.9}},
        {"petal_length": 0.5},
        measure="accuracy",
        measured_on="train",
        title="XGBoost",
        notes=("column 'x' is read as numbers",),
    )
    assert read_card(json.loads(json.dumps(card.to_json()))) == card


@pytest.mark.parametrize(
    ("artifact", "title"),
    [
        ("trained-random-forest-classifier", "Random forest"),
        ("trained-hist-gradient-boosting-regressor", "Hist gradient boosting"),
        ("trained-xgboost-classifier", "Xgboost"),
    ],
)
def test_a_card_without_a_title_gets_one_from_its_algorithm(artifact, title):
    settings = json.loads(
        (RELEASES / "0.1.0" / artifact / "model" / "model-settings.json").read_text()
    )
    card = settings["parameters"]["extra"]["card"]
    assert "title" not in card
    assert read_card(card).title == title
