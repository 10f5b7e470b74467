"""The values of a feature in rows that were read: ``X`` -> what a caller had sent."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.schema.schema import Schema


def feature_values(x: NDArray[Any], schema: Schema, name: str) -> list[Any]:
    """The values of a feature: categories by name, dates, numbers, None where one is missing.

    Args:
        x: (n_samples, n_features), as ``Schema.conform`` returns it.
        schema: the features.
        name: of the feature.
    """
    column = schema.feature_names.index(name)
    values = x[:, column]
    categories = schema.categories_by_column.get(column)
    if categories is not None:
        return [None if np.isnan(v) else categories.name_of(float(v)) for v in values]
    spelling = schema.spellings_by_column.get(column)
    if spelling is not None and spelling.is_date:
        return [None if np.isnan(v) else datetime.fromtimestamp(v, UTC).isoformat() for v in values]
    # The shortest number that is equal in the dtype, such as 5.1 for a float32.
    return [None if np.isnan(value) else float(str(value)) for value in values]
