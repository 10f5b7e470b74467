"""The words of a feature, each of which stands for a number in the matrix that a model reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value

# Texts that stand for no value, in a column of numbers and in one of words: those of pandas'
# read_csv (na_values) that are spelt like words, and every spelling of nan that float() reads.
MISSING_WORDS = frozenset(
    {"", "nan", "NaN", "NAN", "Nan", "NA", "N/A", "n/a", "null", "NULL", "None"}
)

# A NaN with a payload, which float32 keeps: of two values that a model reads as missing it
# tells the word that training did not see.
UNSEEN = float(np.array(0x7FFC_0000_0000_0000, np.uint64).view(np.float64))
# By dtype, the integers that have its bits, and those of UNSEEN.
UNSEEN_BITS: Mapping[np.dtype[Any], tuple[type, Any]] = {
    np.dtype(np.float32): (np.uint32, np.uint32(0x7FE0_0000)),
    np.dtype(np.float64): (np.uint64, np.uint64(0x7FFC_0000_0000_0000)),
}

_WORDS_SHOWN = 8
_BOOLEAN_WORDS = {
    **dict.fromkeys(("false", "False", "FALSE", "0"), 0),
    **dict.fromkeys(("true", "True", "TRUE", "1"), 1),
}


def is_missing(text: str) -> bool:
    """Whether a field, stripped of white space around it, stands for no value."""
    return text in MISSING_WORDS


@dataclass(frozen=True)
class Categories:
    """What the words of one feature stand for.

    A word's number is its position in ``words``; a missing value is NaN, and an unseen word
    is the NaN ``UNSEEN``.

    Attributes:
        words: sorted, without white space around them; ``("false", "true")`` for a boolean
            feature, of which any usual spelling of the two, and 0 and 1, are read.
        is_boolean: whether the feature is true or false.
        refuses_unseen: whether a word that training did not see is refused; else it is
            read as a missing value.
    """

    words: tuple[str, ...]
    is_boolean: bool = False
    refuses_unseen: bool = False

    @cached_property
    def _codes(self) -> dict[str, int]:
        if self.is_boolean:
            return _BOOLEAN_WORDS
        return {word: code for code, word in enumerate(self.words)}

    def code(self, text: str) -> float | None:
        """The number of a word; a NaN for a missing value or an unseen word; None for a word
        that is refused.
        """
        word = text.strip()
        found = self._codes.get(word)
        if found is not None:
            return float(found)
        if is_missing(word):
            return float("nan")
        return None if self.refuses_unseen or self.is_boolean else UNSEEN

    def codes(self, words: Sequence[str]) -> NDArray[np.float64] | None:
        """The numbers of some words; None if one of them is refused."""
        found = [self.code(word) for word in words]
        return None if None in found else np.array(found, np.float64)

    def are_codes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which numbers are positions in ``words``, or missing."""
        with np.errstate(invalid="ignore"):
            in_range = (values >= 0) & (values < len(self.words)) & (values == np.floor(values))
        return np.asarray(in_range | np.isnan(values))

    def describe(self) -> str:
        """Some of the words, cut where they are long, for error messages."""
        some = ", ".join(map(format_value, self.words[:_WORDS_SHOWN]))
        return some + (", ..." if len(self.words) > _WORDS_SHOWN else "")


BOOLEAN = Categories(("false", "true"), is_boolean=True)
