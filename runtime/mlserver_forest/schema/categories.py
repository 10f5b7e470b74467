"""The categories of a feature, and the number that stands for each of them in ``X``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value

# Texts that mean a missing value, in numeric and in categorical columns: those of pandas'
# read_csv (na_values), every spelling of nan that float() reads, pandas' missing time, and the
# markers of SQL, Hive and Spark, and of Excel's faulty cells.
MISSING_TEXTS = frozenset(
    {"", "nan", "NaN", "NAN", "Nan", "NA", "N/A", "n/a", "null", "NULL", "None"}
    | {"-nan", "-NaN", "<NA>", "NaT", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN", r"\N"}
    | {"#N/A", "#N/A N/A", "#NA", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"}
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
    **dict.fromkeys(("false", "False", "FALSE", "0", "0.0"), 0),
    **dict.fromkeys(("true", "True", "TRUE", "1", "1.0"), 1),
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
    category that training did not see has ``UNSEEN``, which is a NaN too, or the code after the
    last name.

    A number that is spelled in another way than in training, such as 7.50 for 7.5, is the same
    category, unless training saw several spellings of that number.

    Attributes:
        names: sorted, without surrounding white space; ``("false", "true")`` for a boolean
            feature, which accepts any usual spelling of the two, and 0 and 1.
        is_boolean: whether the feature is true or false.
        refuses_unseen: whether a category that training did not see is an error. If not, it is
            read as a missing value, or has a code of its own.
        missing: texts that mean a missing value, beside ``MISSING_TEXTS``.
        has_unseen_code: whether all categories that training did not see have the code after the
            last name, so that they are not read as missing.
    """

    names: tuple[str, ...]
    is_boolean: bool = False
    refuses_unseen: bool = False
    missing: frozenset[str] = frozenset()
    has_unseen_code: bool = False

    @cached_property
    def _codes(self) -> dict[str, int]:
        if self.is_boolean:
            return _BOOLEAN_CODES
        return {name: code for code, name in enumerate(self.names)}

    @cached_property
    def _code_by_number(self) -> dict[float | None, int]:
        """The positions of the names that are numbers, of each number that has one spelling."""
        numbers = [_number(name) for name in self.names]
        counts = Counter(numbers)
        return {
            number: code
            for code, number in enumerate(numbers)
            if number is not None and counts[number] == 1
        }

    @property
    def is_hashed(self) -> bool:
        """Whether the codes are hashes, so that all texts have one (``hashed_categories.py``)."""
        return False

    @property
    def has_numbers(self) -> bool:
        """Whether some category is spelled like a number."""
        return not self.is_boolean and bool(self._code_by_number)

    def code(self, text: str) -> float | None:
        """The code of a field: NaN if it is missing, ``UNSEEN``, or None if it must be refused."""
        name = text.strip()
        found = self._codes.get(name)
        if found is not None:
            return float(found)
        if is_missing(name) or name in self.missing:
            return float("nan")
        found = self._code_by_number.get(_number(name)) if self.has_numbers else None
        if found is not None:
            return float(found)
        if self.refuses_unseen or self.is_boolean:
            return None
        return float(len(self.names)) if self.has_unseen_code else UNSEEN

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
        """Which numbers are codes or NaN: bool, the shape of ``values``."""
        with np.errstate(invalid="ignore"):
            in_range = (values >= 0) & (values < self.n_codes) & (values == np.floor(values))
        return np.asarray(in_range | np.isnan(values))

    def codes_from_numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """The codes that numbers stand for where ``are_codes`` holds: the numbers themselves."""
        return values

    @property
    def n_codes(self) -> int:
        """How many codes there are, from 0 on."""
        return len(self.names) + self.has_unseen_code

    def name_of(self, code: float) -> str | None:
        """The category of a code; None if its name is not known."""
        return self.names[int(code)] if code < len(self.names) else None

    def most_common(self, codes: NDArray[Any], most: int) -> list[tuple[str, int]]:
        """The most frequent categories, and how often they occur.

        Args:
            codes: (n,) codes of categories, none of them missing.
            most: how many are wanted.

        Returns:
            Names and counts, the most frequent first; those whose names are not known are left out.
        """
        known, counts = np.unique(codes, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        named = [(self.name_of(float(known[place])), int(counts[place])) for place in order]
        return [(name, number) for name, number in named if name is not None]

    def describe_codes(self) -> str:
        """What is expected in a matrix of numbers, for error messages."""
        unseen = f", or {len(self.names)} for any other" if self.has_unseen_code else ""
        return f"0 to {len(self.names) - 1}, the positions of {self.describe()}{unseen}"

    def refusal(self, text: str, or_missing: str) -> str:
        """The end of the message for a text that is refused.

        Args:
            text: it.
            or_missing: what may be sent for a missing value; empty if none may be missing.
        """
        return (
            f"{format_value(text)} is not one of this model's categories: {self.describe()}; "
            f"send one of them{or_missing}"
        )

    def describe(self) -> str:
        """The first few names, each cut if it is long, for error messages."""
        some = ", ".join(map(format_value, self.names[:_NAMES_SHOWN]))
        return some + (", ..." if len(self.names) > _NAMES_SHOWN else "")


def _number(name: str) -> float | None:
    try:
        return float(name) if name.isascii() and "_" not in name else None
    except ValueError:
        return None


BOOLEAN = Categories(("false", "true"), is_boolean=True)
