"""The proof that a forest answers as it did in training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import InvalidArtifact

FAILED = (
    "the forest failed its self-test: it does not answer as it did in training; "
    "train or pack the model again with this version"
)


def check_sums(forest: Forest, rows: NDArray[Any], expected: NDArray[Any]) -> None:
    """Compare the forest's sums with those of training, all rows together and one by one.

    Sums, and not what is made of them, because additions give the same bits everywhere.

    Raises:
        InvalidArtifact: if any bit differs.
    """
    if rows.ndim != 2 or rows.shape[1] != forest.n_features:
        raise InvalidArtifact(
            f"the forest's self-test has shape {list(rows.shape)}; "
            f"the forest reads [n, {forest.n_features}]"
        )
    forest.warm_up()
    try:
        together = forest.sums(rows)
        alone = [forest.sums(rows[i : i + 1]) for i in range(len(rows))]
    except ValueError as error:
        raise InvalidArtifact(f"the forest's self-test cannot be run: {error}") from error
    same = len(rows) > 0 and np.array_equal(together, expected)
    if not same or not np.array_equal(np.concatenate(alone), expected):
        raise InvalidArtifact(FAILED)
