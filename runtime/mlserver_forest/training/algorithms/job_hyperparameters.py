"""The hyperparameters that every algorithm shares: they are the job's."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mlserver_forest.training.algorithms.expectations import Default, Expected
from mlserver_forest.training.algorithms.hyperparameter_types import (
    BelowOne,
    Between,
    Column,
    Columns,
    Whole,
)

AlgorithmName = Literal[
    "random_forest",
    "extra_trees",
    "decision_tree",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
]


def _folds(value: object) -> object:
    if value == 1:
        raise ValueError
    return value


class JobHyperparameters(BaseModel):
    """What a training job may set, whatever its algorithm."""

    # The names that AWS's XGBoost image has.
    ALIASES: ClassVar[Mapping[str, str]] = {"_kfold": "k_fold"}
    INSTEAD: ClassVar[Mapping[str, str]] = {
        "csv_weights": "weight=1, where the weights are the column after the label",
        "_num_cv_round": "k_fold alone: the folds are drawn once",
    }

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: AlgorithmName = Field("random_forest", description="What is trained.")
    task: Annotated[
        Literal["classification", "regression"] | None, Default("the labels decide")
    ] = Field(None, description="Strings and integers are classes, other numbers a regression.")
    target: Column = Field(
        0, description="The column of labels; names need a header, Parquet or JSON."
    )
    weight: Column | None = Field(
        None, description="The column of the rows' weights, which are 0 or more."
    )
    ignore: Annotated[Columns, Default("none")] = Field(
        [], description="Columns that are not read."
    )
    header: Literal["auto", "present", "absent"] = Field(
        "auto", description="Whether CSV files start with the columns' names."
    )
    unseen_categories: Literal["missing", "error"] = Field(
        "missing",
        description="A word that training did not see is a missing value, or refused.",
    )
    validation_fraction: Annotated[
        BelowOne | None,
        Default(
            "0.2 without a validation channel; 0 for more than 50,000 rows with out-of-bag, "
            "where no prediction_interval is set"
        ),
    ] = Field(None, description="The share of rows held out to validate on.")
    k_fold: Annotated[
        Whole,
        BeforeValidator(_folds),
        Field(ge=0, lt=2**31),
        Expected("a whole number of 2 or more, or 0"),
    ] = Field(0, description="Folds of a cross-validation; 0 for none.")
    prediction_interval: Annotated[Between | None, Default("none")] = Field(
        None,
        description="The share of new rows whose target an `interval` (regression) or a "
        "`prediction_set` (classification) shall hold, such as 0.9.",
    )
    report: bool = Field(True, description="Whether a report is written to output/data.")
    intelex: bool = Field(
        True,
        description="Whether scikit-learn-intelex may grow a random forest where it is "
        "installed and gives what scikit-learn gives.",
    )
