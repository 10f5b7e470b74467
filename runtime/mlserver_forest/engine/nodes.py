"""The two words of a node: how a split or a leaf is laid out, and how it is read back.

The first word is the threshold: a float32 in a narrow node (uint32 words), a float64 in a wide
one (uint64 words). The second word holds, from the lowest bit up: whether missing values go
right, whether the split is categorical, four spare bits, the feature, and from bit ``shift`` on
the index of the left child within its tree.

Nodes are numbered breadth first, so the right child is the left child's neighbor, and a step
without a branch is ``node = left + (x > threshold)``. A leaf is its own left child, and its
threshold is a NaN, which no value exceeds; the NaN's payload is the leaf's row in the leaf
values. A categorical split has, in place of a threshold, the position of its bits: one for each
code of the feature, set if the code goes right (``kernels/blocks.py``).

The feature starts at bit 6, so that the masked word is 64 times the feature, which is where the
feature's values begin in a block of 64 rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING_RIGHT = 1
CATEGORICAL = 2
FEATURE_SHIFT = 6
# Rows that lie side by side, feature by feature, for the kernel.
LANES = 1 << FEATURE_SHIFT


@dataclass(frozen=True)
class Width:
    """The types of a node's words, and the NaN of a leaf.

    Attributes:
        word: the unsigned integer type of both words.
        floats: the threshold's type, of the same size.
        leaf: the bits of a quiet NaN without a payload.
        payload: a mask of the NaN's payload.
    """

    word: type[np.unsignedinteger[Any]]
    floats: type[np.floating[Any]]
    leaf: int
    payload: int

    @property
    def bits(self) -> int:
        return np.dtype(self.word).itemsize * 8


NARROW = Width(np.uint32, np.float32, 0x7FC0_0000, 0x003F_FFFF)
WIDE = Width(np.uint64, np.float64, 0x7FF8_0000_0000_0000, 0x0007_FFFF_FFFF_FFFF)

WIDTHS: Mapping[np.dtype[Any], Width] = {
    np.dtype(np.uint32): NARROW,
    np.dtype(np.uint64): WIDE,
}


def shift_for(n_features: int) -> int:
    """The number of bits of a node's second word below the child's index."""
    return FEATURE_SHIFT + max(1, (n_features - 1).bit_length())


class NodeFields:
    """Reads the fields of nodes, each when it is asked for.

    Args:
        nodes: (n_nodes, 2) uint32 or uint64.
        n_features: the number of columns of ``X``.
    """

    def __init__(self, nodes: NDArray[Any], n_features: int) -> None:
        self._first, self._second = nodes[:, 0], nodes[:, 1]
        self._width = WIDTHS[nodes.dtype]
        self._shift = shift_for(n_features)

    @property
    def thresholds(self) -> NDArray[Any]:
        """(n_nodes,) float32 or float64; NaN for a leaf, without meaning if categorical."""
        found: NDArray[Any] = self._first.view(self._width.floats)
        return found

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """(n_nodes,) whether the threshold is a NaN."""
        return np.isnan(self.thresholds)

    @property
    def is_categorical(self) -> NDArray[np.bool_]:
        """(n_nodes,) whether the split is categorical."""
        return np.asarray(self._second & self._width.word(CATEGORICAL) != 0)

    @property
    def bit_positions(self) -> NDArray[Any]:
        """(n_nodes,) the first word; for a categorical split, where its bits begin."""
        return self._first

    @property
    def flags(self) -> NDArray[Any]:
        """(n_nodes,) the bits below the feature, spare ones included."""
        return self._second & self._width.word((1 << FEATURE_SHIFT) - 1)

    @property
    def features(self) -> NDArray[np.int64]:
        """(n_nodes,) the column of ``X`` that a split reads."""
        below_child = self._second & self._width.word((1 << self._shift) - 1)
        return (below_child >> self._width.word(FEATURE_SHIFT)).astype(np.int64)

    @property
    def left(self) -> NDArray[np.int64]:
        """(n_nodes,) the left child's index within its tree."""
        return (self._second >> self._width.word(self._shift)).astype(np.int64)

    def leaf_rows(self, leaves: NDArray[np.bool_]) -> NDArray[Any]:
        """Find the rows of leaf values that leaves refer to.

        Args:
            leaves: bool (n_nodes,), the nodes to read.

        Returns:
            (n_leaves,) rows of the leaf values, in the dtype of the nodes.
        """
        return self._first[leaves] & self._width.word(self._width.payload)

    def have_leaf_bits(self, leaves: NDArray[np.bool_]) -> bool:
        """Whether all nodes that ``leaves``, bool (n_nodes,), selects hold the NaN of a leaf."""
        word = self._width.word
        bits = self._first[leaves] & ~word(self._width.payload)
        return bool((bits == word(self._width.leaf)).all())
