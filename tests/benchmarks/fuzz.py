"""Mutated forest files whose checksum was made right: refused, or walked without harm.

100,000 of them, a few bytes changed in each. A crash or a hang ends the run; the suite
does the same with fewer.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from mlserver_forest.artifact import forest_file
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator

FILES = 100_000


def contents():
    """A narrow forest, and a wide one with categories."""
    x, y = load_iris(return_X_y=True)
    for estimator in (
        RandomForestClassifier(5, random_state=0, n_jobs=1),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
    ):
        forest = import_estimator(estimator.fit(np.round(x), y)).forest
        rows = np.round(x[:17]).astype(forest.feature_dtype)
        yield forest_file.encode_forest(forest, rows, estimator.predict_proba(rows), {}, {}).parts


def mutated(parts, rng):
    """A few bytes changed, and the digest made right again."""
    content = bytearray(b"".join(parts))
    for _ in range(rng.integers(1, 4)):
        place = rng.integers(8, len(content))
        content[place] ^= int(rng.integers(1, 256))
    length = int.from_bytes(content[:8], "little")
    start = content.find(b'"sha256": "') + 11
    content[start : start + 64] = b"0" * 64
    pieces = [bytes(content[:8]), bytes(content[8 : 8 + length]), bytes(content[8 + length :])]
    content[start : start + 64] = forest_file._digest(pieces).encode()
    return content


def main():
    rng = np.random.default_rng(0)
    originals = list(contents())
    accepted = 0
    began = time.perf_counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "forest.safetensors")
        for number in range(FILES):
            path.write_bytes(mutated(originals[number % 2], rng))
            start = time.perf_counter()
            try:
                forest = forest_file.load_forest(path)
                x = rng.normal(size=(70, forest.n_features)).astype(forest.feature_dtype) * 9
                x[0, 0] = np.nan
                forest.predict(x)
                forest.predict(x[:1])
                accepted += 1
            except InvalidArtifact:
                pass
            slowest = max(slowest, time.perf_counter() - start)
    seconds = time.perf_counter() - began
    print(f"{FILES} mutated files in {seconds:.0f} s: {FILES - accepted} refused, {accepted}")
    print(f"accepted and walked; the slowest took {slowest * 1e3:.0f} ms; no crash, no hang")
