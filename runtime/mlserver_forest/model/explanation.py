"""Why a model predicts what it predicts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.schema.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

BASE = "base"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The contributions of features to predictions.

    Attributes:
        contributions: float64 (n_samples, n_features), or (n_samples, n_features, n_outputs) if
            the model adds up several sums: how much each feature adds.
        expected_value: float64 (n_outputs,), the mean over the training rows. It and a row's
            contributions add up to the model's raw score.
        schema: of the model.
    """

    contributions: NDArray[np.float64]
    expected_value: NDArray[np.float64]
    schema: Schema

    def __len__(self) -> int:
        return len(self.contributions)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The classes or targets that several outputs stand for; empty if there is one."""
        n_outputs, classes = len(self.expected_value), self.schema.classes
        if n_outputs == 1:
            return ()
        if n_outputs == len(classes):
            return tuple(map(str, classes))
        return tuple(f"output_{place}" for place in range(n_outputs))

    def to_frame(self) -> "pd.DataFrame":
        """A data frame of pandas, whose rows add up to the raw scores.

        Returns:
            One row for each row that was explained, and a column for each feature after one named
            ``base``, which holds the expected value; with several outputs, a group of such columns
            for each output.
        """
        import pandas as pd

        names = [BASE, *self.schema.feature_names]
        n_outputs = len(self.expected_value)
        parts = self.contributions.reshape(len(self), -1, n_outputs)
        bases = np.broadcast_to(self.expected_value, (len(self), 1, n_outputs))
        whole = np.concatenate([bases, parts], axis=1)
        if n_outputs == 1:
            return pd.DataFrame(whole[:, :, 0], columns=names)
        columns = pd.MultiIndex.from_product([self.output_names, names])
        return pd.DataFrame(whole.transpose(0, 2, 1).reshape(len(self), -1), columns=columns)

    def _repr_html_(self) -> str:
        """The data frame, as a notebook shows it."""
        return str(self.to_frame()._repr_html_())  # type: ignore[operator]
