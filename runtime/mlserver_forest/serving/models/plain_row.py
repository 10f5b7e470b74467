"""One row of plain numbers, which the short paths of the routes read."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.schema.schema import Schema

# A number nearer to the largest float32 or float64 needs a closer look.
_LARGEST = {"FP32": 3.4e38, "FP64": 1.7e308}


def plain_row(values: Sequence[float], schema: Schema) -> NDArray[Any] | None:
    """The row (1, n_features) of numbers in the schema's dtype.

    Args:
        values: floats and whole numbers.
        schema: takes numbers as they are.

    Returns:
        None if there are more or fewer of them, or one needs a closer look.
    """
    if len(values) != schema.n_features or not isfinite(sum(values)):
        return None
    largest = _LARGEST[schema.datatype]
    if max(values) > largest or min(values) < -largest:
        return None
    return np.array((values,), schema.dtype)
