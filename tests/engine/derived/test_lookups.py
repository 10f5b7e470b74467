"""Columns that are looked up: keys, values, what is refused, and their way into an artifact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.artifact.forest_file import encode_forest, load_forest
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term
from mlserver_forest.engine.kernels.lookup_kernel import (
    ABOVE,
    ABOVE_OR_MISSING,
    CODE,
    EQUAL,
    WHOLE,
)
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import InvalidArtifact

FACTOR = 0x4906BA494954CB65
NAN = float("nan")


def key_of(*parts):
    """The key of numbers, in Python's integers: CatBoost's ``CalcHash``."""
    key = 0
    for part in parts:
        key = FACTOR * (key + FACTOR * (part % 2**64)) % 2**64
    return key


def table(terms, keys, *values):
    arrays = [np.array(listed, np.float32) for listed in values]
    return LookupTable(terms, np.array(keys, np.uint64), arrays)


def example():
    """Two columns of one number, and one of a combination."""
    one = table(
        [Term(WHOLE, 0)],
        [key_of(7), key_of(-2), key_of(3)],
        [70, -20, 30, 1],
        [0.7, -0.2, 0.3, 0.5],
    )
    terms = [Term(WHOLE, 0), Term(ABOVE, 1, 2.0), Term(EQUAL, 2, 5.0), Term(ABOVE_OR_MISSING, 1, 0)]
    both = table(terms, [key_of(7, 1, 0, 1), key_of(7, 0, 1, 1)], [11, 22, 0])
    return DerivedColumns.of([Lookups.of([one, both])])


def example_of_codes():
    """One column of codes, whose categories have the hashes 7, 2**32 - 2 and, if none, 3."""
    keys = [key_of(7), key_of(-2), key_of(3)]
    terms = [Term(CODE, 0, hashes=(7, 2**32 - 2, 3))]
    other = table([Term(CODE, 2, hashes=(5,))], [key_of(5)], [11, 0])
    return DerivedColumns.of([Lookups.of([table(terms, keys, [70, -20, 30, 1]), other])])


def forest(derived):
    """A tree that splits by each derived column."""
    tree = Tree(
        left=np.array([1, 3, -1, -1, -1]),
        right=np.array([2, 4, -1, -1, -1]),
        feature=np.array([3, 5, 0, 0, 0]),
        threshold=np.array([10.0, 15.0, 0, 0, 0]),
        missing_right=np.zeros(5, bool),
        values=np.array([[0.0], [0.0], [1.0], [2.0], [4.0]]),
        covers=np.array([10.0, 6.0, 4.0, 3.0, 3.0]),
    )
    return pack(
        [tree], n_features=3, feature_dtype=np.float64, initial=np.zeros(1), derived=derived
    )


def test_values_are_looked_up_by_the_key_of_a_row():
    rows = np.array([[7, 3, 1], [2**32 - 2, 0, 5], [4, 0, 5], [7, 2, 5], [7, NAN, 5], [NAN, 0, 0]])
    wide = example().append(rows)
    assert np.array_equal(wide[:, :3], rows, equal_nan=True)
    assert wide[:, 3].tolist() == [70, -20, 1, 70, 70, 1]
    assert (
        wide[:, 4].astype(np.float32).tolist()
        == np.float32([0.7, -0.2, 0.5, 0.7, 0.7, 0.5]).tolist()
    )
    assert wide[:, 5].tolist() == [11, 0, 0, 22, 22, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_code_is_looked_up_by_the_hash_of_its_category(dtype):
    rows = np.array([[0, 0, 0], [1, 0, NAN], [2, 0, 1], [NAN, 0, -1], [-1, 0, 1e30]], dtype)
    derived = example_of_codes()
    assert derived.append(rows)[:, 3:].tolist() == [
        [70, 11], [-20, 11], [30, 11], [30, 11], [30, 11],
    ]  # fmt: skip
    assert derived.sources(3) == ((0,), (2,))
    kept = DerivedColumns.from_arrays(derived.arrays)
    assert np.array_equal(kept.append(rows), derived.append(rows), equal_nan=True)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hashes", lambda array: array[:-1]),
        ("hashes", lambda array: None),
        ("hashes", lambda array: array + np.uint32(1)),
        ("hashes", lambda array: np.full_like(array, 2**32 - 1)),
        ("operands", lambda array: array - 1),
        ("operands", lambda array: array + 0.5),
        ("operands", lambda array: array * NAN),
        ("operands", lambda array: array + 1e300),
    ],
)
def test_hashes_that_could_lead_the_kernel_astray_are_refused(name, change):
    arrays = example_of_codes().arrays
    changed = change(arrays.pop(f"derived_{name}"))
    if changed is not None:
        arrays[f"derived_{name}"] = changed
    with pytest.raises(InvalidArtifact, match="derived columns of the forest are damaged"):
        DerivedColumns.from_arrays(arrays)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60, unique=True), st.data())
def test_every_key_finds_its_value_and_no_other_does(numbers, data):
    known = data.draw(st.lists(st.sampled_from(numbers), unique=True))
    signed = [number - 2**32 if number >= 2**31 else number for number in known]
    values = np.append(np.arange(len(known)), -1)
    one = table([Term(WHOLE, 0)], [key_of(one) for one in signed], values)
    derived = DerivedColumns.of([Lookups.of([one])])
    found = derived.append(np.array(numbers, np.float64).reshape(-1, 1))[:, 1]
    expected = [known.index(number) if number in known else -1 for number in numbers]
    assert found.tolist() == expected
    assert derived.known_numbers(0).tolist() == sorted(known)


def test_a_forest_reads_derived_columns_and_keeps_them_in_its_file(tmp_path):
    rows = np.array([[7.0, 3, 1], [4, 0, 5], [3, 2, 5]])
    made = forest(example())
    assert made.predict(rows).values.tolist() == [[1.0], [2.0], [1.0]]
    file = encode_forest(made, rows, made.predict(rows).values, {}, {})
    (tmp_path / "forest.safetensors").write_bytes(b"".join(file.parts))
    loaded = load_forest(tmp_path / "forest.safetensors")
    assert loaded.predict(rows).values.tolist() == [[1.0], [2.0], [1.0]]
    assert loaded.n_features == 3
    assert loaded.n_columns == 6


def test_contributions_go_to_the_columns_whose_numbers_are_looked_up():
    rows = np.array([[7.0, 3, 1], [4, 0, 5]])
    made = forest(example())
    shares = made.contributions(rows)
    assert np.allclose(shares.sum(axis=1) + made.expected_value, made.sums(rows), rtol=1e-12)
    assert np.abs(shares[:, 0]).min() > 0
    assert not shares[:, 1:].any()


def test_a_combination_of_columns_is_shared_equally():
    one = table([Term(WHOLE, 1)], [key_of(3)], [70, 1])
    both = table([Term(WHOLE, 0), Term(WHOLE, 2)], [key_of(7, 1)], [11, 0])
    other = table([Term(ABOVE, 2, 4.0), Term(ABOVE, 1, 0.0)], [key_of(1, 1)], [20, 0])
    derived = DerivedColumns.of([Lookups.of([one, both, other])])
    assert derived.sources(3) == ((1,), (0, 2), (1, 2))
    assert derived.players(3).tolist() == [1, 4, 5]
    made = forest(derived)
    rows = np.array([[7.0, 3, 1], [4, 0, 5]])
    for shares in (made.contributions(rows), made.contributions(np.tile(rows, (40, 1)))[:2]):
        assert np.allclose(shares.sum(axis=1) + made.expected_value, made.sums(rows), rtol=1e-12)
        assert np.abs(shares[:, 1] - shares[:, 2]).min() > 0
    assert made.contributions(rows).shape == (2, 3, 1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("terms", lambda array: array + np.uint32(1 << 20)),
        ("terms", lambda array: array[:-1]),
        ("operands", lambda array: array.astype(np.float32)),
        ("term_starts", lambda array: array + np.uint32(1)),
        ("key_starts", lambda array: array[::-1].copy()),
        ("key_starts", lambda array: array * np.uint32(2)),
        ("keys", lambda array: array[:-1]),
        ("tables", lambda array: array + np.uint32(2)),
        ("tables", lambda array: array[:0]),
        ("values", lambda array: array[:-1]),
        ("values", lambda array: None),
    ],
)
def test_arrays_that_could_lead_the_kernel_astray_are_refused(name, change):
    arrays = forest(example()).arrays
    changed = change(arrays.pop(f"derived_{name}"))
    if changed is not None:
        arrays[f"derived_{name}"] = changed
    with pytest.raises(InvalidArtifact, match="derived columns of the forest are damaged"):
        DerivedColumns.from_arrays(arrays).check_columns(3)
