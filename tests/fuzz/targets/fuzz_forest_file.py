"""Forest files, whose checksum is made right; those that are accepted are walked."""

import numpy as np

from fuzz.mutations import mutate
from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.files import walk, written
    from mlserver_forest.artifact import forest_file
    from mlserver_forest.errors import InvalidArtifact
    from mlserver_forest.importers.importer import import_estimator

_DIGEST = b'"sha256": "'


def samples():
    """A narrow forest, and a wide one with categories."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    x, y = load_iris(return_X_y=True)
    for estimator in (
        RandomForestClassifier(5, random_state=0, n_jobs=1),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
    ):
        forest = import_estimator(estimator.fit(np.round(x), y)).forest
        rows = np.round(x[:17]).astype(forest.feature_dtype)
        answers = estimator.predict_proba(rows)
        yield b"".join(forest_file.encode_forest(forest, rows, answers, {}, {}).parts)


def mutate_file(data, others, rng):
    """A few bytes of a header or of an array; or other faults in the header, whose length is made
    right again, or anywhere.
    """
    kind = rng.random()
    if kind < 0.4:
        content = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] ^= rng.randint(1, 255)
        return content
    if kind < 0.6:
        return mutate(data, others, rng)
    end = 8 + int.from_bytes(data[:8], "little")
    header = mutate(data[8:end], others, rng)
    return len(header).to_bytes(8, "little") + header + data[end:]


def with_digest(data):
    """The file with a checksum that is right, if it has one."""
    content = bytearray(data)
    length = int.from_bytes(content[:8], "little")
    start = content.find(_DIGEST, 8, min(8 + length, len(content))) + len(_DIGEST)
    if start < len(_DIGEST) or start + 64 > len(content):
        return data
    content[start : start + 64] = b"0" * 64
    pieces = [content[:8], content[8 : 8 + length], content[8 + length :]]
    content[start : start + 64] = forest_file._digest(pieces).encode()
    return bytes(content)


def read(data):
    walk(forest_file.load_forest(written("forest.safetensors", with_digest(data))))


TARGET = Target("forest_file", samples, read, (InvalidArtifact,), mutate_file)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
