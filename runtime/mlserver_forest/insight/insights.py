"""All that an artifact can tell beside its predictions, as arrays in the forest file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.insight.baseline import Baseline, baseline_from_arrays
from mlserver_forest.insight.intervals import Intervals, intervals_from_arrays
from mlserver_forest.schema.output_names import (
    CONTRIBUTIONS,
    EXPECTED_VALUE,
    OUT_OF_RANGE,
    OUT_OF_RANGE_FEATURES,
)
from mlserver_forest.schema.schema import Schema

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Insights:
    """What was learned in training beside the trees.

    Attributes:
        baseline: what the training rows looked like, if it is known.
        intervals: how sure the model is, if it is known.
    """

    baseline: Baseline | None = None
    intervals: Intervals | None = None

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file."""
        known = (part for part in (self.baseline, self.intervals) if part is not None)
        return {name: array for part in known for name, array in part.arrays.items()}

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
        if self.intervals is not None:
            found |= self.intervals.outputs(schema)
        return found


def insights_from_arrays(arrays: Arrays, forest: Forest, schema: Schema) -> Insights:
    """Read back what ``Insights.arrays`` gave.

    Raises:
        InvalidArtifact: if the arrays do not fit the forest and the schema.
    """
    insights = Insights(
        baseline_from_arrays(arrays, schema), intervals_from_arrays(arrays, forest, schema)
    )
    known = insights.outputs(forest, schema)
    for name, shape in schema.insights.items():
        if known.get(name) != shape:
            raise InvalidArtifact(
                f"model-settings.json has an output {name} of the shape {[-1, *shape]}, which the "
                "forest file cannot answer; copy both files again, or train the model again"
            )
    return insights
