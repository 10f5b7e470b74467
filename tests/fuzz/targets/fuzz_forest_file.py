"""Forest files, whose checksum is made right; those that are accepted are walked."""

import numpy as np

from fuzz.mutations import mutate
from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.files import walk, written
    from mlserver_forest.artifact import forest_file
    from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
    from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
    from mlserver_forest.engine.derived.derived_columns import DerivedColumns
    from mlserver_forest.engine.derived.imputation import Imputation, ImputationStep
    from mlserver_forest.engine.derived.linear_projection import LinearProjection
    from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term
    from mlserver_forest.engine.derived.products import Products
    from mlserver_forest.engine.derived.unit_norm import UnitNorm
    from mlserver_forest.engine.kernels.column_step_kernel import EQUAL, INTERVALS
    from mlserver_forest.engine.kernels.date_kernel import DAYS, MONTH, WEEKDAY
    from mlserver_forest.engine.kernels.lookup_kernel import CODE
    from mlserver_forest.engine.kernels.mixing_kernels import L1
    from mlserver_forest.engine.tree_packing import Tree, pack
    from mlserver_forest.errors import InvalidArtifact
    from mlserver_forest.importers.importer import import_estimator

_DIGEST = b'"sha256": "'
MONTHS = ColumnStep(INTERVALS, edges=(3.0, 6.0), values=(1.0, 2.0, 3.0, 0.0))
TABLE = LookupTable(
    [Term(CODE, 2, hashes=(5, 7, 9))], np.arange(3, dtype=np.uint64), [np.ones(4, np.float32)]
)


def samples():
    """A narrow forest, a wide one with categories, and one with every kind of derived columns."""
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
    forest = with_derived_columns()
    rows = np.random.default_rng(0).normal(size=(17, 2)) * 1e9
    answers = forest.predict(rows).values
    yield b"".join(forest_file.encode_forest(forest, rows, answers, {}, {}).parts)


def with_derived_columns():
    """A tree that reads the last column of each derivation, most of which read others."""
    one_hot = ColumnSteps.of(
        [SteppedColumn(3, (ColumnStep(EQUAL, 6.0),)), SteppedColumn(2, (MONTHS,))]
    )
    derivations = (
        DateParts.of([DatePart(MONTH, 1), DatePart(WEEKDAY, 1), DatePart(DAYS, 1, 1e9)]),
        one_hot,
        Imputation.of([4, 0], [1.0, 2.0], [ImputationStep(0, [1], [1e-9], 0.5)]),
        LinearProjection.of([5, 6, 7], [[1.0, -1.0, 0.5]], centers=[0.0, 5.0, 1.0]),
        Products.of([(9, 9, 0), ()]),
        UnitNorm.of([4, 9], L1, 1e-15),
        Lookups.of([TABLE]),
    )
    ends = np.cumsum([one.n_columns for one in derivations])
    size = 2 * len(ends) + 1
    left = np.full(size, -1)
    left[: len(ends)] = np.arange(len(ends)) * 2 + 1
    tree = Tree(
        left=left,
        right=np.where(left < 0, -1, left + 1),
        feature=np.append(2 + np.arange(len(ends)), np.zeros(size - len(ends), int)),
        threshold=np.zeros(size),
        missing_right=np.zeros(size, bool),
        values=np.arange(size, dtype=float).reshape(-1, 1),
        covers=np.ones(size),
    )
    return pack(
        [tree],
        n_features=2,
        feature_dtype=np.float64,
        initial=np.zeros(1),
        derived=DerivedColumns.of(derivations, (ends - 1).tolist()),
    )


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
