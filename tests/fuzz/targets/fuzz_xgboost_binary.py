"""XGBoost's old binary form, as a file and in pickles, and the JSON of old versions."""

import zipfile

from fuzz.target import TESTS, fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import model_target

NAMES = {
    "0.90": ("binary.model", "dart.pickle"),
    "1.0.2": ("logitraw.json", "stopped.model"),
    "1.2.1": ("softprob.pickle", "pruned.model", "estimator-missing.joblib"),
    "1.5.2": ("poisson.pickle", "forest.json"),
    "2.0.3": ("dart.deprecated",),
}


def samples():
    for version, names in NAMES.items():
        with zipfile.ZipFile(TESTS / "compatibility" / "xgboost" / f"{version}.zip") as file:
            yield from map(file.read, names)


TARGET = model_target("xgboost_binary", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
