"""Categories of which a model knows nothing but their hashes, as CatBoost's models do.

The number that stands for a category in ``X`` is its hash, from 0 to 2**32 - 1, which is exact in
float64. Any text is a category, in exactly the letters that it has: nothing means a missing value,
and the model has no rule for one. A whole number is the category of its digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.schema.categories import Categories
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
    """

    names: tuple[str, ...] = ()

    @property
    def is_hashed(self) -> bool:
        return True

    @property
    def has_numbers(self) -> bool:
        return False

    def code(self, text: str) -> float | None:
        """The hash of a text; None if it is empty."""
        return float(hash_text(text)) if text else None

    def codes(self, texts: Sequence[str]) -> NDArray[np.float64] | None:
        """The hashes of texts, float64 (n,); None if one of them is empty."""
        if not all(texts):
            return None
        return np.fromiter(map(hash_text, texts), np.float64, len(texts))

    def are_codes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which numbers are whole, and so categories: bool, the shape of ``values``."""
        with np.errstate(invalid="ignore"):
            return np.asarray((np.abs(values) < _MOST) & (values == np.floor(values)))

    def codes_from_numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """The hashes of the digits of whole numbers, float64 in the shape of ``values``."""
        distinct, places = np.unique(values, return_inverse=True)
        hashes = [hash_text(str(int(value))) for value in distinct.tolist()]
        return np.array(hashes, np.float64)[places]

    def name_of(self, code: float) -> str | None:
        """The category of a hash, if its name is known."""
        return next((name for name in self.names if hash_text(name) == code), None)

    def describe_codes(self) -> str:
        return "a whole number, which is the category of its digits, or text"

    def refusal(self, text: str, or_missing: str) -> str:
        """The end of the message for a text that is refused, which is the empty one."""
        return f"{format_value(text)} {_NO_RULE}"
