"""The hash of texts is CatBoost's."""

import json
import zipfile

import pytest

from mlserver_forest.schema.city_hash import city_hash64, hash_text
from support import ROOT

ARCHIVE = ROOT / "tests" / "compatibility" / "catboost" / "1.2.10.zip"

# CatBoost 1.2.10 wrote these in the cat_features_hash of a JSON file: texts of each length at which
# the algorithm takes another way, and letters of two to four bytes.
KNOWN = json.loads((ROOT / "tests" / "schema" / "catboost_hashes.json").read_text())


@pytest.mark.parametrize("text", KNOWN)
def test_a_text_has_the_hash_that_catboost_gives_it(text):
    assert hash_text(text) == KNOWN[text]


def test_every_way_of_the_algorithm_is_tried():
    lengths = {len(text.encode()) for text in KNOWN}
    assert set(range(1, 67)) <= lengths
    assert {127, 128, 129, 192, 193} <= lengths


def test_the_hash_of_nothing_is_the_constant_of_the_algorithm():
    assert city_hash64(b"") == 0x9AE16A3B2F90404F


def test_half_of_a_surrogate_pair_has_a_hash():
    assert 0 <= hash_text("\ud83d") < 2**32


def test_the_words_in_files_of_models_have_the_hashes_beside_them():
    n_words = 0
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            if name.endswith(".json") and "answers" not in name:
                info = json.loads(archive.read(name))["features_info"]
                for pair in info.get("cat_features_hash") or ():
                    assert hash_text(pair["value"]) == pair["hash"]
                    n_words += 1
    assert n_words > 20
