"""The hyperparameters of the job, which all algorithms share."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mlserver_forest.training.algorithms.hyperparameter_types import (
    BelowOne,
    Between,
    Column,
    Columns,
    Default,
    Expected,
    OneOf,
    Texts,
    UpToOne,
    Whole,
)
from mlserver_forest.training.algorithms.registry import ALGORITHMS, DEFAULT
from mlserver_forest.training.algorithms.threshold_goal import (
    EXPECTED,
    ThresholdGoal,
    threshold_goal,
)


def _folds(value: object) -> object:
    if value == 1:
        raise ValueError
    return value


def _threshold(value: object) -> object:
    if value is not None:
        threshold_goal(value)
    return value


class JobHyperparameters(BaseModel):
    """The hyperparameters that a training job may set, whatever its algorithm.

    Attributes:
        ALIASES: name in AWS's XGBoost image -> name here.
        INSTEAD: name in AWS's XGBoost image -> what to write here, for an error message.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {"_kfold": "k_fold"}
    INSTEAD: ClassVar[Mapping[str, str]] = {
        "csv_weights": "weight=1, where the weights are the column after the label",
        "_num_cv_round": "k_fold alone: the folds are drawn once",
    }

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: Annotated[str, OneOf(ALGORITHMS)] = Field(
        DEFAULT, description="The algorithm to train."
    )
    task: Annotated[
        Literal["classification", "regression"] | None, Default("the labels decide")
    ] = Field(
        None,
        description="Without it, a setting that is for one task alone decides, such as objective; "
        "or else the labels: text, integers and few small whole numbers are classes, other numbers "
        "make it a regression.",
    )
    target: Column = Field(
        0, description="The column of labels; names need a header, Parquet or JSON."
    )
    dates: Literal["ignore", "error", "expand"] = Field(
        "ignore",
        description="Whether columns of dates or times are left out with a warning, are an error, "
        "or are learned from as year, month, day, weekday, hour and days since the first.",
    )
    missing_target: Literal["auto", "error", "drop"] = Field(
        "auto",
        description="Whether rows without a target are an error, or are left out; auto leaves out "
        "up to a tenth of the rows with a warning.",
    )
    na_labels: Literal["missing", "keep"] = Field(
        "missing",
        description="Whether labels that are spelled NA, None, NaN or the like are missing, or are "
        "classes; an empty field is always missing.",
    )
    weight: Column | None = Field(
        None, description="The column of row weights, which are 0 or more."
    )
    ignore: Annotated[Columns, Default("none")] = Field([], description="Columns to leave out.")
    header: Literal["auto", "present", "absent"] = Field(
        "auto", description="Whether CSV files start with the columns' names."
    )
    delimiter: Annotated[
        str | None,
        Expected("one character, comma, semicolon, tab, pipe or blanks"),
        Default("the first lines decide"),
    ] = Field(None, description="What separates the fields of CSV files.")
    decimal: Annotated[
        str | None, Expected("a comma or a point"), Default("the numbers decide")
    ] = Field(None, description="What begins the decimals in CSV files.")
    encoding: Annotated[
        str | None,
        Expected("the name of an encoding, such as cp1252, or None"),
        Default("UTF-8, or what a byte order mark says"),
    ] = Field(None, description="The encoding of CSV files.")
    skip_lines: Annotated[
        Whole, Field(ge=0, le=1000), Expected("a whole number from 0 to 1000")
    ] = Field(
        0, description="How many lines, such as titles, stand above the header or the first row."
    )
    sheet: Annotated[
        str | None, Default("the first one"), Expected("the name of a sheet, or None")
    ] = Field(None, description="The sheet of Excel workbooks, which the extra `excel` reads.")
    categories: Annotated[Columns, Default("the values decide")] = Field(
        [], description="Columns of categories, even if their values look like numbers."
    )
    many_categories: Literal["error", "hash", "target"] = Field(
        "error",
        description="Whether a column with more than 65,536 categories is an error, is read as "
        "hashes in 65,536 buckets, or as the mean of the target of each category.",
    )
    missing_values: Annotated[
        Texts,
        Default("see the table in docs/training.md"),
        Expected("texts that are not numbers, separated by commas or as JSON; !NA keeps NA"),
    ] = Field([], description="More texts that mean a missing value; !NA keeps NA as a category.")
    mixed_columns: Annotated[UpToOne, Expected("a share from 0.8 to 1"), Field(ge=0.8)] = Field(
        0.95,
        description="If this share of a text column's values, or more, are numbers, the job "
        "stops and names the others; from 0.8 on it warns.",
    )
    unseen_categories: Literal["missing", "error"] = Field(
        "missing",
        description="Whether a category that training did not see is a missing value or an error.",
    )
    extra: Literal["error", "ignore"] = Field(
        "error",
        description="Whether a request may have named columns that are not features, such as "
        "those of ignore.",
    )
    validation_fraction: Annotated[
        BelowOne | None,
        Default(
            "0.2 without a validation channel; 0 for more than 50,000 rows with out-of-bag "
            "answers if prediction_interval, calibrate and threshold are not set"
        ),
    ] = Field(None, description="The share of rows to hold out for validation.")
    k_fold: Annotated[
        Whole,
        BeforeValidator(_folds),
        Field(ge=0, lt=2**31),
        Expected("a whole number of 2 or more, or 0"),
    ] = Field(0, description="Folds of a cross-validation; 0 for none.")
    prediction_interval: Annotated[Between | None, Default("none")] = Field(
        None,
        description="The share of new rows whose target the `interval` (regression) or the "
        "`prediction_set` (classification) should contain, such as 0.9.",
    )
    calibrate: Annotated[Literal["sigmoid", "isotonic"] | None, Default("none")] = Field(
        None,
        description="How the probabilities of a classification are corrected on held-out rows.",
    )
    threshold: Annotated[
        str | float | None,
        BeforeValidator(_threshold),
        Expected(f"{EXPECTED}, or None"),
        Default("the most probable class is predicted"),
    ] = Field(
        None,
        description="The probability from which on the positive one of two classes is predicted, "
        "or what held-out rows should choose it for.",
    )
    positive_class: Annotated[
        str | bool | int | None,
        Expected("a label, or None"),
        Default("the second of the sorted labels"),
    ] = Field(None, description="The class that `threshold` is for.")
    report: bool = Field(True, description="Whether a report is written to output/data.")
    intelex: bool = Field(
        True,
        description="Whether scikit-learn-intelex grows a random forest, if it is installed "
        "and grows the same forests as scikit-learn.",
    )

    @property
    def threshold_goal(self) -> ThresholdGoal | None:
        """What ``threshold`` asks for."""
        return None if self.threshold is None else threshold_goal(self.threshold)

    @property
    def decides(self) -> bool:
        """Whether a calibration or a threshold is learned from held-out rows."""
        return self.calibrate is not None or self.threshold is not None
