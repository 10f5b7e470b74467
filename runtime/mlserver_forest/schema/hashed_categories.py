"""Categories of which a model knows nothing but their hashes.

The number that stands for a category in ``X`` is its hash, from 0 to 2**32 - 1, which is exact in
float64, or the remainder of the hash in a number of buckets. Any text is a category. A whole number
is the category of its digits.

In CatBoost's models a text has exactly the letters that it has: nothing means a missing value, and
the model has no rule for one. Where training here hashes a column that has too many categories, a
missing value is NaN and white space around a text does not count, as in other categories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.schema.categories import Categories, is_missing
from mlserver_forest.schema.city_hash import hash_text

# How many hashes there are.
HASHES = 1 << 32
# Whole numbers below it are exact in float64.
_MOST = float(1 << 53)
_NO_RULE = (
    "is missing, for which the model has no rule; send the text that training had in its place, "
    "such as nan or unknown"
)


@dataclass(frozen=True)
class HashedCategories(Categories):
    """The categories of one feature, told apart by their hashes.

    Attributes:
        names: some categories that the model knows, if its file has any.
        n_buckets: how many codes there are; a code is the remainder of a hash.
        has_missing: whether a missing value is NaN, and texts count without white space around
            them; otherwise there is no rule for a missing value.
        kept: texts of ``MISSING_TEXTS`` that are categories.
    """

    names: tuple[str, ...] = ()
    n_buckets: int = HASHES
    has_missing: bool = False
    kept: frozenset[str] = frozenset()

    @property
    def n_codes(self) -> int:
        return self.n_buckets

    @property
    def is_hashed(self) -> bool:
        return True

    @property
    def has_numbers(self) -> bool:
        return False

    def code(self, text: str) -> float | None:
        """The code of a text, NaN for a missing value; None if there is no rule for that."""
        if self.has_missing:
            text = text.strip()
            if self._means_missing(text):
                return None if self.refuses_unseen else float("nan")
        return float(hash_text(text) % self.n_buckets) if text else None

    def codes(self, texts: Sequence[str]) -> NDArray[np.float64] | None:
        """The codes of texts, float64 (n,); None if one of them is refused."""
        found = [self.code(text) for text in texts]
        return None if None in found else np.array(found, np.float64)

    def are_codes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which numbers are whole, and so categories: bool, the shape of ``values``."""
        with np.errstate(invalid="ignore"):
            is_whole = (np.abs(values) < _MOST) & (values == np.floor(values))
        if self.has_missing and not self.refuses_unseen:
            is_whole |= np.isnan(values)
        return np.asarray(is_whole)

    def codes_from_numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """The codes of the digits of whole numbers, float64 in the shape of ``values``."""
        distinct, places = np.unique(values, return_inverse=True)
        codes = [np.nan if np.isnan(value) else self._of_number(value) for value in distinct]
        return np.array(codes, np.float64)[places]

    def name_of(self, code: float) -> str | None:
        """The category of a code, if its name is known; the first one if several share it."""
        return next((name for name in self.names if self.code(name) == code), None)

    def describe_codes(self) -> str:
        return "a whole number, which is the category of its digits, or text"

    def describe(self) -> str:
        return super().describe() if self.names else "any text"

    def refusal(self, text: str, or_missing: str) -> str:
        """The end of the message for a text that is refused, which is an empty or missing one."""
        if self.has_missing:
            return f"{format_value(text)} is missing, which this model does not accept; send a text"
        return f"{format_value(text)} {_NO_RULE}"

    def _means_missing(self, text: str) -> bool:
        return (is_missing(text) and text not in self.kept) or text in self.missing

    def _of_number(self, value: Any) -> float:
        return float(hash_text(str(int(value))) % self.n_buckets)
