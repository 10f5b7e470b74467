"""What stands before the ensembles of an estimator, and the raw rows that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart
from mlserver_forest.importers.scikit_learn.pipelines.derived_features import require_takes_all
from mlserver_forest.importers.scikit_learn.pipelines.prepared_rows import (
    by_steps,
    folded,
    preparations_in,
    with_preparations,
)
from mlserver_forest.importers.scikit_learn.pipelines.raw_columns import (
    RawColumn,
    describe,
    find_columns,
)
from mlserver_forest.schema.schema import Schema


@dataclass(frozen=True, eq=False)
class Preparation:
    """An estimator's predictor that reads raw columns through pipelines.

    Attributes:
        columns: the raw columns that something reads, in the order of the columns of ``X``.
        all_names: (n_raw,) the names of all raw columns; None if they have none.
        width: the number of all raw columns.
    """

    columns: tuple[RawColumn, ...]
    all_names: tuple[str, ...] | None
    width: int
    _predictor: Predictor

    @classmethod
    def of(cls, part: EstimatorPart) -> "Preparation | None":
        """The preparation of an estimator; None if it reads the raw columns itself.

        Raises:
            UnsupportedEstimator: if a request could not name the values of a column.
        """
        if next(preparations_in(part.predictor), None) is None:
            return None
        width = part.predictor.n_features
        predictor = with_preparations(part.predictor, width, takes_missing=part.takes_missing)
        features = [one for rows in preparations_in(predictor) for one in rows.features]
        require_takes_all(features)
        names = None if part.feature_names is None else tuple(map(str, part.feature_names))
        columns = find_columns(
            features,
            names or [f"feature_{place}" for place in range(width)],
            keeps_all=names is None,
        )
        return cls(tuple(columns), names, width, predictor)

    @property
    def names(self) -> list[str]:
        """The features of the schema."""
        return [column.name for column in self.columns]

    @property
    def says(self) -> dict[str, str]:
        """For each raw column, what is done with it."""
        return {column.name: "; ".join(filter(None, column.says)) for column in self.columns}

    def folded(self) -> Predictor:
        """The predictor with its preparation folded into its trees.

        Raises:
            UnsupportedEstimator: if something cannot be folded.
        """
        return folded(self._predictor, self.columns)

    def by_steps(self) -> Predictor:
        """The predictor, which prepares each row step by step."""
        return by_steps(self._predictor, self.columns)

    def describe(self, schema: Schema) -> Schema:
        """A schema with the raw columns as its features."""
        known = set(self.names)
        ignored = [name for name in self.all_names or () if name not in known]
        return describe(schema, self.columns, ignored)

    def rows(self, x: NDArray[Any]) -> Any:
        """Rows as the estimator takes them.

        Args:
            x: (n_samples, n_features) as the model reads it.

        Returns:
            A data frame if the estimator knows names, else an array of floats or objects.
        """
        raw = {column.place: column.raw(x[:, at]) for at, column in enumerate(self.columns)}
        absent = np.full(len(x), np.nan)
        found: Sequence[Any] = [raw.get(place, absent) for place in range(self.width)]
        if self.all_names is not None:
            import pandas as pd

            # A frame would turn None into NaN in an array of texts.
            series = [pd.Series(values, dtype=values.dtype) for values in found]
            return pd.DataFrame(dict(zip(self.all_names, series, strict=True)))
        if all(values.dtype != object for values in found):
            return np.column_stack(found)
        return np.array(found, object).T
