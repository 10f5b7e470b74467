"""CatBoost's estimators for a matrix whose categories are codes.

CatBoost takes categories as texts alone, beside the numbers of a table; ``category_codes.py``
says which text stands for a code.
"""

from collections.abc import Mapping
from typing import Any

import catboost
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlserver_forest.importers.catboost.category_codes import texts_of
from mlserver_forest.importers.pickles.record import GlobalName


def with_texts(x: NDArray[Any], n_categories: Mapping[int, int]) -> Any:
    """A matrix as CatBoost takes it.

    Args:
        x: (n_samples, n_features) floats; codes, or what is not a code, in columns of categories.
        n_categories: column -> the number of its categories.

    Returns:
        ``x`` itself if it has no categories; otherwise a DataFrame.
    """
    if not n_categories:
        return x
    return pd.DataFrame(
        {
            column: _texts(values, n_categories[column]) if column in n_categories else values
            for column, values in enumerate(x.T)
        },
        copy=False,
    )


def _texts(values: NDArray[Any], n_categories: int) -> Any:
    is_code = (values >= 0) & (values < n_categories)
    codes = np.where(is_code, values, n_categories).astype(np.int32)
    return pd.Categorical.from_codes(codes, pd.Index(texts_of(n_categories)))


class CodedClassifier(catboost.CatBoostClassifier):  # type: ignore[misc]  # it has no types
    """A CatBoostClassifier of codes.

    Args:
        n_categories: column -> the number of its categories.
        parameters: CatBoost's own.
    """

    # Importers know an estimator by its library and its class.
    kind = GlobalName("catboost", "CatBoostClassifier")

    def __init__(self, n_categories: Mapping[int, int] | None = None, **parameters: Any) -> None:
        self.n_categories = n_categories or {}
        super().__init__(cat_features=sorted(self.n_categories), **parameters)

    def fit(self, x: NDArray[Any], y: NDArray[Any], **options: Any) -> "CodedClassifier":
        """Fit to (n_samples, n_features) codes and numbers; ``options`` are CatBoost's."""
        super().fit(with_texts(x, self.n_categories), y, **options)
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n_samples,) the classes of rows."""
        found: NDArray[Any] = super().predict(with_texts(x, self.n_categories))
        return found.reshape(-1)

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """(n_samples, n_classes) the probabilities of rows."""
        found: NDArray[np.float64] = super().predict_proba(with_texts(x, self.n_categories))
        return found

    def score(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """The accuracy."""
        return float(super().score(with_texts(x, self.n_categories), y))


class CodedRegressor(catboost.CatBoostRegressor):  # type: ignore[misc]  # it has no types
    """A CatBoostRegressor of codes; see ``CodedClassifier``."""

    kind = GlobalName("catboost", "CatBoostRegressor")

    def __init__(self, n_categories: Mapping[int, int] | None = None, **parameters: Any) -> None:
        self.n_categories = n_categories or {}
        super().__init__(cat_features=sorted(self.n_categories), **parameters)

    def fit(self, x: NDArray[Any], y: NDArray[Any], **options: Any) -> "CodedRegressor":
        """Fit to (n_samples, n_features) codes and numbers; ``options`` are CatBoost's."""
        super().fit(with_texts(x, self.n_categories), y, **options)
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """(n_samples,) the predictions."""
        found: NDArray[np.float64] = super().predict(with_texts(x, self.n_categories))
        return found

    def score(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """The coefficient of determination."""
        return float(super().score(with_texts(x, self.n_categories), y))
