"""The categories of the data frame that a LightGBM model was trained on.

``_data_from_pandas`` in LightGBM's python-package/lightgbm/basic.py replaces the categories of each
column by their codes, and a model's text ends with the lists of them, in the order of the columns.
Unordered ones are categorical features, whose numbers are among the parameters.
"""

import json
import re
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.data_frame_categories import categories_of
from mlserver_forest.schema.categories import Categories

_FEATURES = re.compile(r"^\[categorical_feature: ([\d,]*)\]$", re.MULTILINE)


def pandas_categories(text: str) -> dict[int, Categories]:
    """The categories that are not their own codes, by column.

    Raises:
        UnsupportedEstimator: if it is not known which columns they belong to.
    """
    lists = _lists(text)
    if all(categories_of(0, one) is None for one in lists):
        return {}
    found = _FEATURES.search(text)
    columns = [int(column) for column in found[1].split(",") if column] if found else []
    if len(columns) != len(lists):
        raise UnsupportedEstimator(
            f"this LightGBM model was trained on a DataFrame with {len(lists)} columns of "
            f"categories, and {len(columns)} of its features are categorical, so it is not known "
            "which ones: train it on the codes (.cat.codes) of ordered categories"
        )
    pairs = zip(columns, lists, strict=True)
    return {
        column: named
        for column, values in pairs
        if (named := categories_of(column, values)) is not None
    }


def _lists(text: str) -> list[list[Any]]:
    last = text.rpartition("\npandas_categorical:")[2].strip()
    return list(json.loads(last or "null") or ())
