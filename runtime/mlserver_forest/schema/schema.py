"""What was learned about the data in training and is enforced in serving.

A feature's values are numbers, or words, each of which stands for its position among the
words that training saw; a matrix that comes as numbers holds the positions themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.output_names import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    SCORE_SAMPLES,
)

Label = str | int | bool
FeatureDatatype = Literal["FP32", "FP64"]
TargetKind = Literal["classification", "regression", "anomaly_detection", "unknown"]

DTYPES: Mapping[str, np.dtype[Any]] = {
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}

_NAMES_SHOWN = 8
_OR_MISSING = ", or an empty field (null in JSON) for a missing value"


@dataclass(frozen=True)
class Schema:
    """The features a model reads and the answers it gives.

    Attributes:
        feature_names: in the order of the columns of ``X``; NaN stands for a missing
            value. Empty for a runtime that describes no inputs: any width will do.
        kind: "classification", "regression", "anomaly_detection", or "unknown"
            for such a runtime.
        classes: the labels, all strings, all integers or all booleans, in the order
            of the columns of ``predict_proba``; -1 (an outlier) and 1 for an anomaly
            detector; empty for a regression.
        datatype: the V2 datatype of the features, hence the dtype of ``X``.
        n_targets: the numbers that a regression predicts.
        takes_missing: whether a value may be missing.
        absent_is_missing: what a sparse matrix leaves out: a missing value, as in
            XGBoost's DMatrix, or else 0, as in scikit-learn and LightGBM.
        index_base: the index of the first feature in text/libsvm, 0 or 1.
        categories: by name, the features whose values are words; ``X`` holds the
            words' positions.
        insights: by name, the outputs of ``INSIGHT_DATATYPES`` that the artifact can answer,
            and the shape of a row's.
    """

    feature_names: tuple[str, ...]
    kind: TargetKind
    classes: tuple[Label, ...] = ()
    datatype: FeatureDatatype = "FP32"
    n_targets: int = 1
    takes_missing: bool = True
    absent_is_missing: bool = False
    index_base: int = 0
    categories: Mapping[str, Categories] = field(default_factory=dict, hash=False)
    insights: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if strange := set(self.categories) - set(self.feature_names):
            raise InvalidArtifact(f"there are categories of {sorted(strange)}, which no feature is")
        if len(set(self.feature_names)) != len(self.feature_names):
            raise InvalidArtifact("two features have the same name; each needs its own")
        if len(set(self.classes)) != len(self.classes):
            raise InvalidArtifact("two classes have the same label; each needs its own")
        if (self.kind in {"classification", "anomaly_detection"}) != bool(self.classes):
            raise InvalidArtifact("a classification has classes, and a regression has none")

    @property
    def n_features(self) -> int:
        return len(self.feature_names)

    @cached_property
    def words(self) -> Mapping[int, Categories]:
        """The features whose values are words, by their column, ascending.

        Where no value may be missing, a word that training did not see is refused.
        """
        return {
            column: replace(found, refuses_unseen=found.refuses_unseen or not self.takes_missing)
            for column, name in enumerate(self.feature_names)
            if (found := self.categories.get(name))
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of ``X``."""
        return DTYPES[self.datatype]

    @property
    def output_names(self) -> tuple[str, ...]:
        return (PREDICT, *self.score_columns, *self.insights)

    @property
    def score_columns(self) -> Mapping[str, slice]:
        """The outputs beside ``predict``, and their columns of a prediction's values."""
        if self.kind == "classification":
            return {PREDICT_PROBA: slice(0, len(self.classes))}
        if self.kind == "anomaly_detection":
            return {SCORE_SAMPLES: slice(0, 1), DECISION_FUNCTION: slice(1, 2)}
        return {}

    @property
    def n_columns(self) -> int:
        """The columns of a prediction's values."""
        ends = [columns.stop for columns in self.score_columns.values()]
        return max(ends, default=self.n_targets)

    @property
    def label_datatype(self) -> str:
        """V2 datatype of ``predict``: BYTES, INT64, BOOL or FP64."""
        if not self.classes:
            return "FP64"
        return {str: "BYTES", bool: "BOOL", int: "INT64"}[type(self.classes[0])]

    def of_width(self, width: int) -> "Schema":
        """This schema, or where it names no feature one that names ``width`` of them."""
        if self.feature_names:
            return self
        names = tuple(f"feature_{position}" for position in range(width))
        return replace(self, feature_names=names)

    def describe(self) -> str:
        """The expected row, for error messages."""
        shown = ", ".join(self.feature_names[:_NAMES_SHOWN])
        more = ", ..." if self.n_features > _NAMES_SHOWN else ""
        return f"{self.n_features} ({shown}{more})"

    @property
    def absent(self) -> float:
        """The value that a sparse row leaves out."""
        return float("nan") if self.absent_is_missing else 0.0

    def conform(self, values: NDArray[Any], first_row: int = 0) -> NDArray[Any]:
        """Turn numbers into the matrix that the model reads.

        Args:
            values: numbers of any dtype, shape (n_samples, n_features).
            first_row: the rows before these, for error messages.

        Returns:
            C-contiguous array of the same shape in the dtype of ``datatype``,
            rounded as scikit-learn rounds ``X``.

        Raises:
            InvalidInput: for another width, a value that is infinite or does not
                fit the dtype (scikit-learn refuses those too), or one that is missing
                and must not be.
        """
        if values.ndim != 2 or (self.feature_names and values.shape[1] != self.n_features):
            raise InvalidInput(
                f"the input has shape {list(values.shape)}; "
                f"the model expects [n, {self.n_features}] ({self.describe()})"
            )
        if values.dtype == self.dtype:
            x = np.ascontiguousarray(values)
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # A signalling NaN warns.
                x = np.ascontiguousarray(values, dtype=self.dtype)
        if self.categories:
            self._check_codes(x, first_row)
        if np.isfinite(x).all():
            return x
        faulty = np.isinf(x) if self.takes_missing else ~np.isfinite(x)
        if faulty.any():
            row, column = (int(place[0]) for place in np.nonzero(faulty))
            place = self.of_width(values.shape[1]).locate(first_row + row, column)
            raise InvalidInput(place + self._fault(values[row, column], column))
        return x

    def code(self, row: int, column: int, text: str) -> float:
        """The position of a word, NaN where it is missing or, if that is allowed, unseen.

        Args:
            row: counted from 0.
            column: counted from 0; one of ``words``.
            text: the word, with or without white space around it.

        Raises:
            InvalidInput: naming the place, the word, and the words that are known.
        """
        categories = self.words[column]
        code = categories.code(text)
        if code is not None:
            return code
        or_missing = _OR_MISSING if self.takes_missing else ""
        raise InvalidInput(
            f"{self.locate(row, column)}: {format_value(text.strip())} is none of the words "
            "that this "
            f"model knows: {categories.describe()}; send one of them{or_missing}"
        )

    def _check_codes(self, x: NDArray[Any], first_row: int) -> None:
        for column, categories in self.words.items():
            fits = categories.are_codes(x[:, column])
            if not fits.all():
                row = int(np.flatnonzero(~fits)[0])
                raise InvalidInput(
                    f"{self.locate(first_row + row, column)}: {x[row, column]} stands for no "
                    f"category; in a matrix of numbers expected 0 to {len(categories.words) - 1}, "
                    f"the positions of {categories.describe()}"
                )

    def _fault(self, value: Any, column: int) -> str:
        if np.isnan(value):
            words = self.words.get(column)
            expected = f"one of {words.describe()}" if words else "a number"
            return (
                " is missing; this model was trained by an algorithm that takes no missing "
                f"values; send {expected}"
            )
        return (
            f": {value} is not a finite {self.datatype} number; send a finite number{_OR_MISSING}"
        )

    def locate(self, row: int, column: int) -> str:
        """The place of a value, counted from 1, for error messages."""
        return f"row {row + 1}, column {column + 1} ({self.feature_names[column]})"

    def positions(self, names: Sequence[str], where: str) -> list[int]:
        """Where each feature of the model stands among ``names``.

        Raises:
            InvalidInput: naming features that are missing, unknown or repeated.
        """
        if not self.feature_names:
            raise InvalidInput(f"{where} names features, but this model has no names; send lists")
        index = {name: position for position, name in enumerate(names)}
        missing = [name for name in self.feature_names if name not in index]
        unknown = [name for name in index if name not in set(self.feature_names)]
        faults = [
            f"{label} {', '.join(map(format_value, found[:_NAMES_SHOWN]))}"
            for label, found in (("missing", missing), ("unknown", unknown))
            if found
        ]
        if len(index) != len(names):
            faults.append("a name that occurs twice")
        if faults:
            raise InvalidInput(
                f"{where} has {' and '.join(faults)}; the model's features are {self.describe()}"
            )
        return [index[name] for name in self.feature_names]
