"""The version of scikit-learn that fitted an estimator, and what changed from one to the next.

The rules come from the sources of scikit-learn 0.20 to 1.9.
"""

import re
from dataclasses import dataclass

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.pickles.record import Record

LIBRARY = "sklearn"  # The name that it is imported by.
_OLDEST, _NEWEST = (0, 20), (1, 9)
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})([.\w+]*)")
_CRITERIA = {"gini", "log_loss", "entropy", "squared_error", "friedman_mse", "poisson"}
_HIST = "HistGradientBoosting"


@dataclass(frozen=True)
class Release:
    """A version of scikit-learn.

    Attributes:
        text: as the estimator has it, such as "1.3.2".
        number: (major, minor).
    """

    text: str
    number: tuple[int, int]

    @property
    def leaves_hold_counts(self) -> bool:
        """Whether the leaves of a classifier hold weights of classes; since 1.4, shares."""
        return self.number < (1, 4)

    @property
    def starts_from_logarithms(self) -> bool:
        """Whether gradient boosting starts from the logarithms of shares; since 1.4, centred."""
        return self.number < (1, 4)

    @property
    def smallest_share(self) -> float:
        """The least share of a class that gradient boosting starts from."""
        return float(np.finfo(np.float32 if self.number < (1, 8) else np.float64).eps)

    @property
    def counts_lone_rows(self) -> bool:
        """Whether a leaf of one row adds a step to an isolation forest's path; until 0.20."""
        return self.number < (0, 21)

    @property
    def encodes_categories(self) -> bool:
        """Whether HistGradientBoosting numbers the categories that it finds; since 1.4."""
        return self.number >= (1, 4)

    @property
    def votes_against(self) -> bool:
        """Whether AdaBoost's trees also vote against the other classes (SAMME); since 1.3.1."""
        return self.number >= (1, 3) and self.text != "1.3.0"

    @property
    def boosts_labels_apart(self) -> bool:
        """Whether AdaBoost's SAMME has other sums for labels than for probabilities; until 0.21."""
        return self.number < (0, 22)

    @property
    def takes_last_of_equal(self) -> bool:
        """Whether OneVsRestClassifier predicts the last of equally likely classes; until 1.7."""
        return self.number < (1, 8)

    def takes_missing(self, estimator: Record, member: Record) -> bool:
        """Whether NaN is accepted.

        Args:
            estimator: the fitted estimator.
            member: one of its trees, or itself.
        """
        name, number = estimator.name, self.number
        if name.startswith(_HIST):
            return number >= (0, 22)
        if name.startswith("GradientBoosting") or number < (1, 3):
            return False
        if name == "IsolationForest":
            return number >= (1, 6)
        if member is not estimator and number < (1, 4):
            return False
        is_random = member.get("splitter") == "random"
        if number >= (1, 9):
            return is_random or not member.name.startswith("ExtraTree")
        # Each class has its own criteria, so that those of both kinds may be looked up at once.
        splits = not is_random if number < (1, 6) else True
        return splits and member.get("criterion") in _CRITERIA and not member.has("monotonic_cst")


def release_of(estimator: Record) -> Release:
    """The version that an estimator names.

    Raises:
        UnsupportedEstimator: if it names none, or one whose rules are not known.
    """
    text = estimator.get("_sklearn_version")
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise UnsupportedEstimator(
            f"this {estimator.name} does not say which version of scikit-learn fitted it "
            f"(_sklearn_version is {format_value(text)}), so it is not known how to read it; save "
            "the estimator itself, not a copy of its attributes"
        )
    number = (int(match[1]), int(match[2]))
    if not _OLDEST <= number <= _NEWEST:
        older = number < _OLDEST
        raise UnsupportedEstimator(
            f"this {estimator.name} was fitted with scikit-learn {text}; versions "
            f"{_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]} are read: "
            + ("fit it again with a newer one" if older else "update mlserver-forest")
        )
    return Release(text, number)


def installed_release() -> str:
    """The version that is installed here."""
    import sklearn

    return str(sklearn.__version__)
