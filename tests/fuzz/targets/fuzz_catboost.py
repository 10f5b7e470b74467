"""CatBoost's cbm and JSON files, which our own readers read."""

import zipfile

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import model_target
    from support import ROOT

_ARCHIVES = ("0.20.2", "1.2.10")
_NAMES = ("binary.cbm", "lossguide.json", "statistics.cbm", "kinds-of-statistics")


def samples():
    for version in _ARCHIVES:
        path = ROOT / "tests" / "compatibility" / "catboost" / f"{version}.zip"
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith(_NAMES) and "answers" not in name:
                    yield archive.read(name)


TARGET = model_target("catboost", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
