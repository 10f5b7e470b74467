"""All that an artifact can tell beside its predictions, as arrays in the forest file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.forest.forest import Forest
from mlserver_forest.insight.baseline import Baseline, baseline_from_arrays
from mlserver_forest.output_names import (
    CONTRIBUTIONS,
    EXPECTED_VALUE,
    OUT_OF_RANGE,
    OUT_OF_RANGE_FEATURES,
)
from mlserver_forest.schema import Schema

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Insights:
    """What was learned in training beside the trees.

    Attributes:
        baseline: what the training rows looked like, if it is known.
    """

    baseline: Baseline | None = None

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file."""
        return {} if self.baseline is None else self.baseline.arrays

    def outputs(self, forest: Forest, schema: Schema) -> dict[str, tuple[int, ...]]:
        """The outputs that can be answered, by name, and the shape of a row's."""
        found: dict[str, tuple[int, ...]] = {}
        if forest.covers.size:
            n_outputs = (forest.n_outputs,) if forest.n_outputs > 1 else ()
            found[CONTRIBUTIONS] = (forest.n_features, *n_outputs)
            found[EXPECTED_VALUE] = (forest.n_outputs,)
        if self.baseline is not None:
            found[OUT_OF_RANGE] = (1,)
            found[OUT_OF_RANGE_FEATURES] = (forest.n_features,)
        return found


def insights_from_arrays(arrays: Arrays, forest: Forest, schema: Schema) -> Insights:
    """Read back what ``Insights.arrays`` gave.

    Raises:
        InvalidArtifact: if the arrays do not fit the forest and the schema.
    """
    return Insights(baseline_from_arrays(arrays, schema))
