"""How far recent rows have drifted from a model's training rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.local.notebook_page import NotebookPage
from mlserver_forest.model.model import Model
from mlserver_forest.model.row_matrix import matrix_from
from mlserver_forest.reports.drift.feature_drift import DriftResult, FeatureDrift, find
from mlserver_forest.reports.drift.page import page
from mlserver_forest.reports.drift.reference import Reference, accepting_all

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DriftReport:
    """Recent rows, compared with training rows.

    Attributes:
        result: the numbers: ``features``, the most drifted first, ``prediction`` and ``worst``.
    """

    result: DriftResult

    @property
    def features(self) -> tuple[FeatureDrift, ...]:
        """The drift of each feature, the largest index first."""
        return self.result.features

    @property
    def worst(self) -> float:
        """The largest population stability index: below 0.1 is stable, above 0.25 is large."""
        return self.result.worst

    def to_frame(self) -> "pd.DataFrame":
        """A data frame of pandas with a row for each feature, and one for the predictions."""
        import pandas as pd

        last = [self.result.prediction] if self.result.prediction else []
        return pd.DataFrame(
            [
                {
                    "feature": one.name,
                    "psi": one.psi,
                    "reading": one.reading,
                    "missing_in_training": one.missing_in_training,
                    "missing": one.missing,
                    "unseen": one.unseen,
                    "out_of_range": one.out_of_range,
                }
                for one in [*self.features, *last]
            ]
        )

    def page(self) -> NotebookPage:
        """The page that ``forest drift --html`` writes."""
        return NotebookPage(page(self.result))

    def __repr__(self) -> str:
        found = self.result
        return (
            f"<drift of {found.n_recent:,} rows against {found.n_training:,} training rows: the "
            f"largest index is {found.worst:.3f} ({self.features[0].name})>"
        )

    def _repr_html_(self) -> str:
        return self.page()._repr_html_()  # the same protocol


def drift_of(model: Model, recent: Any) -> DriftReport:
    """Compare rows with the baseline of a model's training rows.

    Args:
        model: the model.
        recent: rows with the model's features, as in ``Model.predict``; other columns are skipped,
            and unseen categories and missing values are counted.

    Raises:
        InvalidArtifact: if the model has no baseline.
        InvalidInput: naming the row and the column, what came and what was expected.
    """
    if model.baseline is None:
        raise InvalidArtifact(
            "this model has no baseline of its training rows; train it again to get one, or "
            "compare two files with `forest drift`"
        )
    x = matrix_from(recent, accepting_all(model.schema), extra="ignore")
    if not len(x):
        raise InvalidInput("there is no row to compare; expected one recent row or more")
    return DriftReport(find(Reference(model.baseline, model.schema, model.forest), x))
