"""The categories of a feature, and the number that stands for each of them in ``X``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value

# Texts that mean a missing value, in numeric and in categorical columns: those of pandas'
# read_csv (na_values) that are spelled like words, and every spelling of nan that float() reads.
MISSING_TEXTS = frozenset(
    {"", "nan", "NaN", "NAN", "Nan", "NA", "N/A", "n/a", "null", "NULL", "None"}
)

# A NaN with a payload, which float32 preserves. Models read it as a missing value; the payload
# distinguishes a category that training did not see from an absent value.
UNSEEN = float(np.array(0x7FFC_0000_0000_0000, np.uint64).view(np.float64))
# By dtype: the unsigned integer type of the same width, and the bits of UNSEEN.
UNSEEN_BITS: Mapping[np.dtype[Any], tuple[type, Any]] = {
    np.dtype(np.float32): (np.uint32, np.uint32(0x7FE0_0000)),
    np.dtype(np.float64): (np.uint64, np.uint64(0x7FFC_0000_0000_0000)),
}

_NAMES_SHOWN = 8
_BOOLEAN_CODES = {
    **dict.fromkeys(("false", "False", "FALSE", "0"), 0),
    **dict.fromkeys(("true", "True", "TRUE", "1"), 1),
}

# For fewer texts than this, building a dictionary takes longer than it saves.
_FEW = 16


def is_missing(text: str) -> bool:
    """Whether a field, stripped of surrounding white space, means a missing value."""
    return text in MISSING_TEXTS


@dataclass(frozen=True)
class Categories:
    """The categories of one feature.

    A category's code is its position in ``names``. A missing value has the code NaN, and a
    category that training did not see has ``UNSEEN``, which is a NaN too.

    Attributes:
        names: sorted, without surrounding white space; ``("false", "true")`` for a boolean
            feature, which accepts any usual spelling of the two, and 0 and 1.
        is_boolean: whether the feature is true or false.
        refuses_unseen: whether a category that training did not see is an error. If not, it is
            read as a missing value.
    """

    names: tuple[str, ...]
    is_boolean: bool = False
    refuses_unseen: bool = False

    @cached_property
    def _codes(self) -> dict[str, int]:
        if self.is_boolean:
            return _BOOLEAN_CODES
        return {name: code for code, name in enumerate(self.names)}

    def code(self, text: str) -> float | None:
        """The code of a field: NaN if it is missing, ``UNSEEN``, or None if it must be refused."""
        name = text.strip()
        found = self._codes.get(name)
        if found is not None:
            return float(found)
        if is_missing(name):
            return float("nan")
        return None if self.refuses_unseen or self.is_boolean else UNSEEN

    def codes(self, texts: Sequence[str]) -> NDArray[np.float64] | None:
        """The codes of fields as ``code`` gives them, float64 (n,); None if one must be refused."""
        if len(texts) <= _FEW:
            found = [self.code(text) for text in texts]
            return None if None in found else np.array(found, np.float64)
        codes = {text: self.code(text) for text in set(texts)}
        if None in codes.values():
            return None
        return np.fromiter(map(codes.__getitem__, texts), np.float64, len(texts))

    def are_codes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which numbers are positions in ``names`` or NaN: bool, the shape of ``values``."""
        with np.errstate(invalid="ignore"):
            in_range = (values >= 0) & (values < len(self.names)) & (values == np.floor(values))
        return np.asarray(in_range | np.isnan(values))

    def describe(self) -> str:
        """The first few names, each cut if it is long, for error messages."""
        some = ", ".join(map(format_value, self.names[:_NAMES_SHOWN]))
        return some + (", ..." if len(self.names) > _NAMES_SHOWN else "")


BOOLEAN = Categories(("false", "true"), is_boolean=True)
