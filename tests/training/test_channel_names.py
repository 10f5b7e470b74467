"""A channel whose name is another word for a known one is refused; others are named on the log."""

import json

import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.config import read_config
from mlserver_forest.training.data.job_data import notes_of_channels

KNOWN = "the known channels are training, train, validation, test"


def described(base, *names):
    folder = base / "input" / "config"
    folder.mkdir(parents=True)
    (folder / "inputdataconfig.json").write_text(json.dumps({key: {} for key in names}))
    return base


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("val", "validation"),
        ("valid", "validation"),
        ("eval", "validation"),
        ("Validation", "validation"),
        ("validation_data", "validation"),
        ("Train", "train"),
        ("TEST", "test"),
    ],
)
def test_another_word_for_a_channel_is_refused(tmp_path, name, meant):
    fault = f"channel {name!r} is not known; rename it to {meant!r}; {KNOWN}"
    with pytest.raises(InvalidData) as caught:
        read_config(described(tmp_path, "training", name))
    assert str(caught.value) == fault
    (tmp_path / "by_hand" / "input" / "data" / name).mkdir(parents=True)
    with pytest.raises(InvalidData) as caught:
        read_config(tmp_path / "by_hand")
    assert str(caught.value) == fault


def test_other_channels_are_named_in_a_note(tmp_path):
    config = read_config(described(tmp_path, "train", "code"))
    assert [note.line for note in notes_of_channels(config)] == [
        "the channels 'code' are not read; the known ones are training, train, validation, test"
    ]
