"""What the two words of a node hold.

The first word is the threshold: a float32 in a narrow node (uint32 words), a float64 in
a wide one (uint64 words). The second word holds, from the lowest bit up: whether missing
values go right, whether the split is by category, four spare bits, the feature, and from
bit ``shift`` on the index of the left child within its tree.

Nodes are numbered breadth first, so the right child is the left one's neighbour, and a
step without a branch is ``node = left + (x > threshold)``. A leaf is its own left child
and its threshold is a NaN, which nothing is greater than; the NaN's payload is the leaf's
row of the leaf values. A split by category has, in place of a threshold, the place of its
bits: one for each code of the feature, set where the code goes right (``blocks.py``).

The feature starts at bit 6, so that the masked word is 64 times the feature: where the
feature's values begin in a block of 64 rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MISSING_RIGHT = 1
CATEGORICAL = 2
FEATURE_SHIFT = 6
# Rows that lie side by side, feature by feature, for the kernel.
LANES = 1 << FEATURE_SHIFT


@dataclass(frozen=True)
class Width:
    """The types of a node's words, and the NaN of a leaf.

    Attributes:
        word: unsigned integer type of both words.
        floats: the threshold's type, in the same bits.
        leaf: the bits of a quiet NaN without payload.
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
    """How many low bits of a node's second word lie below the child's index."""
    return FEATURE_SHIFT + max(1, (n_features - 1).bit_length())
