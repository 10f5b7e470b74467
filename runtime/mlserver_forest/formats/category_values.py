"""Values of JSON, Parquet and Arrow as the categories of a feature.

A string is a category; true and false are "true" and "false"; an integer is its decimal text; null
is a missing value. Anything else is not a category.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.schema.categories import Categories

_MISSING = ""
_BOOLEANS = {True: "true", False: "false"}


def text_of(value: Any) -> str | None:
    """The text of a value; None if the value cannot be a category."""
    kind = type(value)
    if kind is str:
        return str(value)
    if value is None:
        return _MISSING
    if kind is bool:
        return _BOOLEANS[value]
    return str(value) if kind is int else None


def codes_of(values: Sequence[Any], categories: Categories) -> NDArray[np.float64] | None:
    """The positions of categories, NaN for missing values; None if some value is refused."""
    texts = [value if type(value) is str else text_of(value) for value in values]
    if None in texts:
        return None
    return categories.codes(texts)  # type: ignore[arg-type]  # None was looked for.
