"""Derivations that read each other, in a forest and in its file."""

import re

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from mlserver_forest.artifact.forest_file import encode_forest, load_forest
from mlserver_forest.composition.averages import Average
from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term
from mlserver_forest.engine.derived.registry import KINDS
from mlserver_forest.engine.kernels.date_kernel import DAY, DAYS, HOUR, MONTH, WEEKDAY, YEAR
from mlserver_forest.engine.kernels.lookup_kernel import EQUAL, FACTOR
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import InvalidArtifact
from support import ROOT

DATES = DateParts.of([DatePart(part, 1) for part in (YEAR, MONTH, DAY, WEEKDAY, HOUR, DAYS)])
# Whether the derived column of the weekday, which is the column 2 + 3, is Sunday.
SUNDAY = Lookups.of(
    [
        LookupTable(
            [Term(EQUAL, 5, 6.0)],
            np.array([int(FACTOR) ** 2 % 2**64], np.uint64),
            [np.array([1.0, 0.0], np.float32)],
        )
    ]
)
DERIVED = DerivedColumns.of([DATES, SUNDAY], read=[6, 0, 4])


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    dates = rng.integers(0, 1 << 31, n) * 1.0
    dates[rng.random(n) < 0.1] = np.nan
    return np.stack([rng.normal(size=n).round(2), dates], axis=1)


def packed(x, derived, seed=0):
    """A tree that is fitted on the columns of ``x`` and the derived ones, and both packed."""
    wide = derived.append(x)
    y = np.where(np.isnan(wide[:, 2:]), 3, wide[:, 2:]).sum(axis=1) % 7 + x[:, 0]
    made = DecisionTreeRegressor(max_depth=6, random_state=seed).fit(wide, y)
    tree = made.tree_
    return made, pack(
        [
            Tree(
                left=tree.children_left,
                right=tree.children_right,
                feature=tree.feature,
                threshold=tree.threshold,
                missing_right=~tree.missing_go_to_left.astype(bool),
                values=tree.value[:, 0],
                covers=tree.weighted_n_node_samples,
            )
        ],
        n_features=2,
        feature_dtype=np.float64,
        initial=np.zeros(1),
        derived=derived,
    )


def written(forest, x, folder):
    file = encode_forest(forest, x, forest.predict(x).values, {}, {})
    (folder / "forest.safetensors").write_bytes(b"".join(file.parts))
    return b"".join(file.parts)


def test_trees_read_some_of_the_columns_and_a_derivation_reads_those_before_it():
    x = rows(500)
    wide = DERIVED.append(x)
    assert wide.shape == (500, 5)
    every = DerivedColumns.of([DATES]).append(x)
    sunday = np.nan_to_num(every[:, 5], nan=-1) == 6
    assert 30 < sunday.sum() < 100
    assert np.array_equal(wide[:, 2], sunday)
    assert np.array_equal(wide[:, 3:], every[:, [2, 6]], equal_nan=True)
    assert DERIVED.sources(2) == ((1,), (1,), (1,))
    for dtype in (np.float32, np.float64):
        assert DERIVED.append(x.astype(dtype)).dtype == dtype


def test_rows_are_derived_in_blocks_with_the_same_numbers(monkeypatch):
    x = rows(100)
    expected = DERIVED.append(x)
    monkeypatch.setattr("mlserver_forest.engine.derived.derived_columns._MOST_NUMBERS", 33)
    assert np.array_equal(DERIVED.append(x), expected, equal_nan=True)
    assert DERIVED.append(x[:0]).shape == (0, 5)
    _, forest = packed(x, DERIVED)
    sums = forest.sums(x)
    monkeypatch.setattr("mlserver_forest.engine.forest._MOST_NUMBERS", 33)
    assert np.array_equal(forest.sums(x), sums)
    assert forest.sums(x[:0]).shape == (0, 1)


def test_contributions_count_a_date_as_one_player():
    """They are those of an exhaustive enumeration of both players."""
    x = rows(400)
    made, forest = packed(x, DERIVED)
    shares = forest.contributions(x)[:, :, 0]
    assert forest.unexplained == ""
    tree, wide = made.tree_, DERIVED.append(x)

    def expectation(row, known, node=0):
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            return tree.value[node, 0, 0]
        if ((tree.feature[node] != 0) == (known == "date") and known != "none") or known == "both":
            value = row[tree.feature[node]]
            goes_left = (
                tree.missing_go_to_left[node]
                if np.isnan(value)
                else (value <= tree.threshold[node])
            )
            return expectation(row, known, left if goes_left else right)
        covers = tree.weighted_n_node_samples
        return sum(covers[c] * expectation(row, known, c) for c in (left, right)) / covers[node]

    for row, found in zip(wide[:40], shares[:40], strict=True):
        none, number, date, both = (
            expectation(row, known) for known in ("none", "number", "date", "both")
        )
        assert found[0] == pytest.approx(((number - none) + (both - date)) / 2, abs=1e-9)
        assert found[1] == pytest.approx(((date - none) + (both - number)) / 2, abs=1e-9)


def test_a_file_keeps_them_in_format_4_and_look_up_tables_alone_in_format_2(tmp_path):
    x = rows(300)
    _, forest = packed(x, DERIVED)
    assert b'"format_version": "4"' in written(forest, x[:20], tmp_path)
    loaded = load_forest(tmp_path / "forest.safetensors")
    assert np.array_equal(loaded.predict(x).values, forest.predict(x).values)
    assert loaded.arrays.keys() == forest.arrays.keys()

    tables = DerivedColumns.of([SUNDAY])
    tables.derivations[0].check_columns(6)
    assert not any(name.startswith("derived_0") for name in tables.arrays)
    assert DerivedColumns.from_arrays(tables.arrays).arrays.keys() == tables.arrays.keys()
    assert DerivedColumns.from_arrays({}) is None


def test_forests_of_a_composition_keep_theirs(tmp_path):
    x = rows(300)
    average = Average([packed(x, DERIVED)[1], packed(x, DERIVED, 1)[1]], np.array([1.0, 3.0]))
    assert b'"format_version": "4"' in written(average, x[:20], tmp_path)
    loaded = load_forest(tmp_path / "forest.safetensors")
    assert np.array_equal(loaded.predict(x).values, average.predict(x).values)


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("derived_kinds", lambda array: array + np.uint32(1000), "of the kind 100[01], which"),
        ("derived_kinds", lambda array: array.astype(np.float32), "damaged"),
        ("derived_kinds", lambda array: array[:0], "damaged"),
        ("derived_kinds", lambda array: array[::-1], "damaged"),
        ("derived_kinds", lambda array: np.repeat(array, 2), "damaged"),
        ("derived_read", lambda array: array + np.uint32(1), "damaged"),
        ("derived_read", lambda array: array[:0], "damaged"),
        ("derived_read", lambda array: array.astype(np.float32), "damaged"),
        ("derived_1_terms", lambda array: array + np.uint32([0, 3]), "damaged"),
        ("derived_0_parts", lambda array: array + np.uint32([0, 1]), "damaged"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change, fault):
    arrays = dict(DERIVED.arrays)
    arrays[name] = change(arrays[name])
    with pytest.raises(InvalidArtifact, match=fault):
        DerivedColumns.from_arrays(arrays).check_columns(2)


def test_kinds_keep_their_numbers_and_the_documentation_lists_their_arrays():
    assert {number: kind.__name__ for number, kind in KINDS.items()} == {
        0: "Lookups",
        1: "DateParts",
        2: "ColumnSteps",
        3: "LinearProjection",
        4: "Products",
        5: "UnitNorm",
        6: "Imputation",
    }
    page = (ROOT / "docs" / "model-directory.md").read_text()
    for number, kind in KINDS.items():
        row = re.search(rf"^\| {number} \|.*\| (.*) \|$", page, re.MULTILINE)[1]
        assert row == ", ".join(f"`{name}`" for name in kind.LAYOUT)
