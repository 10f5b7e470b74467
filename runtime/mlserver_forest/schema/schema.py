"""The description of a row that training learned, enforced wherever rows are read.

A feature is numeric or categorical. In ``X``, a categorical feature holds the codes of its
categories; see ``categories.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.schema.output_names import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    SCORE_SAMPLES,
)
from mlserver_forest.schema.row_place import Where, in_request

Label = str | int | bool
FeatureDatatype = Literal["FP32", "FP64"]
TargetKind = Literal["classification", "regression", "anomaly_detection", "unknown"]

DTYPES: Mapping[FeatureDatatype, np.dtype[Any]] = {
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}

# What to do about columns that are not features, in a request.
SKIP_EXTRA = "; leave it out, or train or pack the model with extra=ignore to skip others"
_NAMES_SHOWN = 8
_OR_MISSING = ", or an empty field (null in JSON) for a missing value"


def datatype_of(dtype: np.dtype[Any]) -> FeatureDatatype:
    """The V2 datatype of a dtype of ``X``."""
    return next(datatype for datatype, known in DTYPES.items() if known == dtype)


_PLAIN = NumberSpelling()


@dataclass(frozen=True)
class Schema:
    """The features that a model reads and the outputs that it gives.

    Attributes:
        feature_names: in the order of the columns of ``X``. Empty for a runtime that does not
            describe its inputs, which accepts any number of columns.
        kind: "classification", "regression", "anomaly_detection", or "unknown" for such a
            runtime.
        classes: the labels, all strings, all integers or all booleans, in the order of the
            columns of ``predict_proba``; -1 (an outlier) and 1 (an inlier) for an anomaly
            detector; empty for a regression.
        datatype: the V2 datatype of the features, which gives the dtype of ``X``.
        n_targets: how many numbers a regression predicts for a row.
        takes_missing: whether values may be missing. A missing value is NaN in ``X``.
        required: the features that may not be missing although others may.
        ranges: the smallest and the largest number that a feature of numbers may have, by name;
            any finite number if it has none.
        absent_is_missing: whether a value that a sparse matrix leaves out is missing, as in
            XGBoost's DMatrix, rather than 0, as in scikit-learn and LightGBM.
        missing_number: a number that means missing in every feature, as NaN does; None if there is
            none. It is compared in the dtype of ``X``, as in XGBoost's DMatrix.
        index_base: the index of the first feature in text/libsvm, 0 or 1.
        categories: the categorical features, by name.
        spellings: what features of numbers may have beside plain numbers where they come as text,
            by name; the numbers of a feature of dates are seconds (``date_spelling.py``).
        ignores_extra: whether named columns that are not features are skipped; otherwise they are
            an error.
        ignored: the columns that training left out, which named rows may have.
        insights: the outputs of ``INSIGHT_DATATYPES`` that the model has, and the shape that
            each has for one row.
    """

    feature_names: tuple[str, ...]
    kind: TargetKind
    classes: tuple[Label, ...] = ()
    datatype: FeatureDatatype = "FP32"
    n_targets: int = 1
    takes_missing: bool = True
    absent_is_missing: bool = False
    missing_number: float | None = None
    index_base: int = 0
    categories: Mapping[str, Categories] = field(default_factory=dict, hash=False)
    spellings: Mapping[str, NumberSpelling] = field(default_factory=dict, hash=False)
    ignores_extra: bool = False
    ignored: tuple[str, ...] = ()
    insights: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    required: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for what, names in (
            ("categories", self.categories),
            ("spellings", self.spellings),
            ("ranges", self.ranges),
            ("required values", self.required),
        ):
            if strange := set(names) - set(self.feature_names):
                raise InvalidArtifact(
                    f"there are {what} for {sorted(strange)}, which are not features of the model"
                )
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
    def categories_by_column(self) -> Mapping[int, Categories]:
        """The categorical features by their column in ``X``, ascending.

        If values may not be missing, a category that would be read as missing is refused.
        """
        required = set(self._required_columns.tolist())
        return {
            column: replace(
                found,
                refuses_unseen=found.refuses_unseen
                or (column in required and not found.has_unseen_code),
            )
            for column, name in enumerate(self.feature_names)
            if (found := self.categories.get(name))
        }

    @cached_property
    def _required_columns(self) -> NDArray[np.intp]:
        """The columns of ``X`` in which no value may be missing, ascending."""
        names = enumerate(self.feature_names)
        found = [column for column, name in names if not self.may_be_missing(name)]
        return np.array(found, np.intp)

    def may_be_missing(self, name: str) -> bool:
        """Whether the value of a feature may be missing."""
        return self.takes_missing and name not in self.required

    @property
    def takes_numbers_as_they_are(self) -> bool:
        """Whether there are neither categories, nor a number that means missing, nor ranges."""
        return not self.categories and self.missing_number is None and not self.ranges

    @cached_property
    def spellings_by_column(self) -> Mapping[int, NumberSpelling]:
        """The spellings by their column in ``X``, ascending."""
        names = enumerate(self.feature_names)
        return {column: self.spellings[name] for column, name in names if name in self.spellings}

    @cached_property
    def names_as_row(self) -> frozenset[bytes]:
        """The names, if a line of CSV that holds them could be read as a row; else none."""
        for name in self.feature_names:
            if name not in self.categories and _PLAIN.parse(name) is None:
                return frozenset()
        return frozenset(name.encode() for name in self.feature_names)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of ``X``."""
        return DTYPES[self.datatype]

    @property
    def output_names(self) -> tuple[str, ...]:
        return (PREDICT, *self.score_columns, *self.insights)

    @property
    def score_columns(self) -> Mapping[str, slice]:
        """The score outputs beside ``predict``, and their columns of ``Prediction.values``."""
        if self.kind == "classification":
            return {PREDICT_PROBA: slice(0, len(self.classes))}
        if self.kind == "anomaly_detection":
            return {SCORE_SAMPLES: slice(0, 1), DECISION_FUNCTION: slice(1, 2)}
        return {}

    @property
    def n_value_columns(self) -> int:
        """The number of columns of ``Prediction.values``."""
        ends = [columns.stop for columns in self.score_columns.values()]
        return max(ends, default=self.n_targets)

    @property
    def label_datatype(self) -> str:
        """The V2 datatype of ``predict``: BYTES, INT64, BOOL or FP64."""
        if not self.classes:
            return "FP64"
        return {str: "BYTES", bool: "BOOL", int: "INT64"}[type(self.classes[0])]

    @property
    def absent_value(self) -> float:
        """The value that a sparse row leaves out: NaN or 0."""
        return float("nan") if self.absent_is_missing else 0.0

    def with_width(self, width: int) -> "Schema":
        """This schema; if it does not name its features, one that names ``width`` features."""
        if self.feature_names:
            return self
        names = tuple(f"feature_{position}" for position in range(width))
        return replace(self, feature_names=names)

    def describe(self) -> str:
        """The expected row, for error messages."""
        shown = ", ".join(self.feature_names[:_NAMES_SHOWN])
        more = ", ..." if self.n_features > _NAMES_SHOWN else ""
        return f"{self.n_features} ({shown}{more})"

    def locate(self, row: int, column: int, where: Where = in_request) -> str:
        """The row and the column of a value, counted from 1, for error messages."""
        return f"{where(row)}, column {column + 1} ({self.feature_names[column]})"

    def conform(
        self, values: NDArray[Any], where: Where = in_request, *, has_codes: bool = False
    ) -> NDArray[Any]:
        """Turn numbers into the matrix that the model reads.

        Args:
            values: numbers of any dtype, shape (n_samples, n_features).
            where: gives the place of a row, for error messages.
            has_codes: whether the codes of categories come from ``Categories``; otherwise they
                are numbers of ``codes_from_numbers``.

        Returns:
            C-contiguous array of the same shape in the dtype of ``datatype``, rounded as
            scikit-learn rounds ``X``.

        Raises:
            InvalidInput: if the width is wrong, a value is infinite or does not fit the dtype
                (scikit-learn refuses those too), a number is not a category's code, or a value
                is missing although the model needs it.
        """
        names, dtype = self.feature_names, self.dtype
        if values.ndim != 2 or (names and values.shape[1] != len(names)):
            raise InvalidInput(
                f"the input has shape {list(values.shape)}; "
                f"the model expects [n, {self.n_features}] ({self.describe()})"
            )
        if values.dtype == dtype:
            x = np.ascontiguousarray(values)
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # A signalling NaN warns.
                x = np.ascontiguousarray(values, dtype=dtype)
        if self.missing_number is not None:
            x = np.where(x == dtype.type(self.missing_number), dtype.type(np.nan), x)
        if self.categories and not has_codes:
            x = self._with_codes(x, where)
        if self.ranges:
            self._check_ranges(x, where)
        if np.count_nonzero(np.isfinite(x)) == x.size:  # Faster than ``all``.
            return x
        faulty = np.isinf(x) if self.takes_missing else ~np.isfinite(x)
        if self.required:
            columns = self._required_columns
            faulty[:, columns] |= np.isnan(x[:, columns])
        if faulty.any():
            row, column = (int(place[0]) for place in np.nonzero(faulty))
            place = self.with_width(values.shape[1]).locate(row, column, where)
            raise InvalidInput(place + self._fault(values[row, column], column))
        return x

    def category_code(self, row: int, column: int, text: str, where: Where = in_request) -> float:
        """The code of a category; NaN if it is missing or, where that is allowed, unseen.

        Args:
            row: counted from 0.
            column: counted from 0; one of ``categories_by_column``.
            text: the category, with or without surrounding white space.
            where: gives the place of a row, for error messages.

        Returns:
            The position of the category among ``Categories.names``, NaN if it is missing, or
            ``UNSEEN``.

        Raises:
            InvalidInput: naming the row, the column, the value and the known categories.
        """
        categories = self.categories_by_column[column]
        code = categories.code(text)
        if code is not None:
            return code
        or_missing = _OR_MISSING if self.may_be_missing(self.feature_names[column]) else ""
        refusal = categories.refusal(text.strip(), or_missing)
        raise InvalidInput(f"{self.locate(row, column, where)}: {refusal}")

    def codes_from_numbers(
        self, values: NDArray[Any], column: int, where: Where = in_request
    ) -> NDArray[Any]:
        """The codes that numbers of a categorical feature stand for.

        Args:
            values: (n_samples,) numbers.
            column: counted from 0; one of ``categories_by_column``.
            where: gives the place of a row, for error messages.

        Raises:
            InvalidInput: naming the first number that does not stand for a category.
        """
        categories = self.categories_by_column[column]
        fits = categories.are_codes(values)
        if not fits.all():
            row = int(np.flatnonzero(~fits)[0])
            raise InvalidInput(
                f"{self.locate(row, column, where)}: {values[row]} is not a category code; "
                f"in a matrix of numbers expected {categories.describe_codes()}"
            )
        return categories.codes_from_numbers(values)

    def number_in_text(self, row: int, column: int, text: str, where: Where = in_request) -> float:
        """The number in a text of a feature of numbers, NaN for a missing value.

        Raises:
            InvalidInput: naming the row, the column and what was expected.
        """
        spelling = self.spellings_by_column.get(column, _PLAIN)
        number = spelling.parse(text)
        if number is None:
            place = self.locate(row, column, where)
            raise InvalidInput(f"{place}: {format_value(text)} {spelling.refusal()}")
        return number

    def positions(self, names: Sequence[str], where: str) -> list[int]:
        """For each feature of the model, its position in ``names``.

        Args:
            names: the names of the columns that were given.
            where: where they came from, for error messages.

        Raises:
            InvalidInput: naming features that are missing, unknown or repeated.
        """
        if not self.feature_names:
            raise InvalidInput(f"{where} names features, but this model has no names; send lists")
        index = {name: position for position, name in enumerate(names)}
        missing = [name for name in self.feature_names if name not in index]
        known = {*self.feature_names, *self.ignored}
        unknown = [] if self.ignores_extra else [name for name in index if name not in known]
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
                f"{SKIP_EXTRA * (not missing and bool(unknown))}"
            )
        return [index[name] for name in self.feature_names]

    def _with_codes(self, x: NDArray[Any], where: Where) -> NDArray[Any]:
        """The matrix with codes in the place of the numbers that stand for categories."""
        has_hashes = any(found.is_hashed for found in self.categories.values())
        coded = x.copy() if has_hashes else x
        for column in self.categories_by_column:
            codes = self.codes_from_numbers(x[:, column], column, where)
            if has_hashes:
                coded[:, column] = codes
        return coded

    @cached_property
    def _limits(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """(n_features,) the smallest and (n_features,) the largest numbers, in the dtype of X."""
        anything = (-np.inf, np.inf)
        found = [self.ranges.get(name, anything) for name in self.feature_names]
        low, high = np.array(found, self.dtype).T
        return low, high

    def _check_ranges(self, x: NDArray[Any], where: Where) -> None:
        """Refuse numbers outside of ``ranges``, with the row, the column and the range."""
        low, high = self._limits
        outside = (x < low) | (x > high)
        if np.count_nonzero(outside):  # Faster than ``any``.
            row, column = (int(place[0]) for place in np.nonzero(outside))
            raise InvalidInput(
                f"{self.locate(row, column, where)}: {x[row, column]} is out of the range "
                f"that this model can compute with; send a number from {low[column]} to "
                f"{high[column]}"
            )

    def _fault(self, value: Any, column: int) -> str:
        if np.isnan(value):
            categories = self.categories_by_column.get(column)
            expected = f"one of {categories.describe()}" if categories else "a number"
            who = "feature" if self.takes_missing else "model's algorithm"
            return f" is missing; this {who} does not accept missing values; send {expected}"
        return (
            f": {value} is not a finite {self.datatype} number; send a finite number{_OR_MISSING}"
        )
