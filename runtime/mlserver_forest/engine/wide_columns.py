"""A forest over some columns -> the same forest over the columns that a row has.

An estimator may read other columns than those of ``X``: some of ``X``, and some that are derived
from others. Its forest is walked with the numbers of its own columns; here each split is told
where the wide row of ``derived/derived_columns.py`` has its number. ``X`` becomes float64, because
it holds what float32 does not, such as hashes and dates; a forest that rounds to float32 sees the
same numbers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.lookups import Lookups
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.nodes import FEATURE_SHIFT, WIDE, NodeFields, shift_for
from mlserver_forest.engine.rounding import largest_rounded_to, round_down


def over_wide_columns(
    forest: Forest, places: Sequence[int], n_features: int, derivations: Sequence[Derivation]
) -> Forest:
    """The forest that reads its columns from wide rows.

    Args:
        forest: reads columns of its own, and others that are derived from them.
        places: (forest.n_features,) where a wide row has each of its own columns; no two are the
            same.
        n_features: the number of columns of the new ``X``.
        derivations: give the columns after those.

    Returns:
        A forest of float64, whose sums for a row are those of ``forest`` for the row's columns at
        ``places``, rounded to the dtype of ``forest``.
    """
    n_before = n_features + sum(one.n_columns for one in derivations)
    own = forest.derived
    behind = range(n_before, n_before + (own.n_derived if own else 0))
    is_rounded = forest.feature_dtype == np.float32
    moved = [
        _lookups(one).moved([*places, *behind], is_rounded=is_rounded)
        for one in (own.derivations if own else ())
    ]
    read = [*range(n_before - n_features), *((own.read + n_before - n_features) if own else ())]
    derived = DerivedColumns.of([*derivations, *moved], read)
    columns = [*places, *range(n_before, n_before + (own.n_columns if own else 0))]
    cuts, cut_starts = _moved_cuts(forest, columns, n_features + derived.n_columns)
    return replace(
        forest,
        nodes=_moved_nodes(forest, np.array(columns), n_features + derived.n_columns),
        roots=forest.roots.astype(WIDE.word),
        cuts=cuts,
        cut_starts=cut_starts,
        n_features=n_features,
        feature_dtype=np.dtype(np.float64),
        derived=derived,
    )


def _lookups(derivation: Derivation) -> Lookups:
    """The only derived columns that a forest has that was trained here."""
    if not isinstance(derivation, Lookups):
        raise TypeError(f"{type(derivation).__name__}; expected look-up tables")
    return derivation


def _moved_nodes(forest: Forest, columns: NDArray[np.int64], n_columns: int) -> NDArray[np.uint64]:
    word, shift = WIDE.word, shift_for(n_columns)
    fields = NodeFields(forest.nodes, forest.n_columns)
    is_categorical = fields.is_categorical
    is_leaf = fields.is_leaf & ~is_categorical
    thresholds = fields.thresholds.astype(np.float64)
    if forest.feature_dtype == np.float32:
        is_split = ~is_leaf & ~is_categorical
        borders = round_down(thresholds[is_split], np.float32)
        thresholds[is_split] = largest_rounded_to(borders)
    features = np.where(is_leaf, 0, columns[fields.features])
    nodes = np.empty((len(forest.nodes), 2), word)
    nodes[:, 0] = thresholds.view(word)
    nodes[is_leaf, 0] = word(WIDE.leaf) | fields.leaf_rows(is_leaf).astype(word)
    nodes[is_categorical, 0] = fields.bit_positions[is_categorical]
    nodes[:, 1] = (fields.left.astype(word) << word(shift)) | fields.flags.astype(word)
    nodes[:, 1] |= features.astype(word) << word(FEATURE_SHIFT)
    return nodes


def _moved_cuts(
    forest: Forest, columns: Sequence[int], n_columns: int
) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """The cuts, which are codes and exact in both dtypes, in the order of the new columns."""
    if not forest.cut_starts.size:
        return np.empty(0), forest.cut_starts
    own = np.split(forest.cuts.astype(np.float64), forest.cut_starts[1:-1].astype(np.int64))
    found: list[NDArray[Any]] = [np.empty(0)] * n_columns
    for column, cuts in zip(columns, own, strict=True):
        found[column] = cuts
    return np.concatenate(found), np.cumsum([0, *map(len, found)]).astype(np.uint32)
