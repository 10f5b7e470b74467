"""Categories that are codes, as in a model that was trained here: ``X`` holds 0, 1, ... for them.

CatBoost is given texts in their place, of which its models keep the hashes: the digits of a code,
and one text for every value that is not a code, be it missing or unknown. If training had none,
CatBoost answers as for any category that it does not know.
"""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.schema.city_hash import hash_text

_NOT_A_CODE = "missing"


def texts_of(n_categories: int) -> list[str]:
    """The text of each code and, last, that of all other values."""
    return [*map(str, range(n_categories)), _NOT_A_CODE]


def hashes_of_codes(estimator: Any) -> Mapping[int, tuple[int, ...]]:
    """By column, the hashes of ``texts_of``; empty if ``X`` holds hashes itself.

    Args:
        estimator: a record of a file, which never has codes, or an estimator; one that was trained
            on codes has ``n_categories``, the number of categories by column.
    """
    return {
        column: tuple(map(hash_text, texts_of(n)))
        for column, n in getattr(estimator, "n_categories", {}).items()
    }
