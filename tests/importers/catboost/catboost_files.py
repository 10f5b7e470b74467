"""Files of models that CatBoost wrote, from ``tests/compatibility/catboost``."""

import zipfile

from support import ROOT

FOLDER = ROOT / "tests" / "compatibility" / "catboost"


def content_of(name, version="1.2.10"):
    """The bytes of a file."""
    with zipfile.ZipFile(FOLDER / f"{version}.zip") as archive:
        return archive.read(name)
