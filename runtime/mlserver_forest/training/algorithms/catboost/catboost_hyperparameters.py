"""CatBoost's hyperparameters, under its own names; those of its scikit-learn API are aliases.

https://catboost.ai/docs/en/references/training-parameters lists them. What is refused here is what
CatBoost 1.2 refuses, or would ignore. The loss functions are those whose predictions the importer
reproduces.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    ClassWeights,
    Count,
    Default,
    Expected,
    NotNegative,
    Number,
    OneOf,
    Positive,
    Seed,
    Signs,
    UpToOne,
    Whole,
)
from mlserver_forest.training.algorithms.problems import (
    BINARY,
    CLASSIFICATION,
    COUNTS,
    MULTICLASS,
    REGRESSION,
    Problem,
)

_OTHER_NAMES = {
    "iterations": ("n_estimators", "num_boost_round", "num_round", "num_trees", "max_iter"),
    "depth": ("max_depth",),
    "learning_rate": ("eta",),
    "l2_leaf_reg": ("reg_lambda", "lambda", "l2_regularization"),
    "loss_function": ("objective", "loss"),
    "eval_metric": ("metric",),
    "early_stopping_rounds": ("early_stopping_round", "od_wait", "n_iter_no_change"),
    "rsm": ("colsample_bylevel",),
    "border_count": ("max_bin", "max_bins"),
    "max_leaves": ("num_leaves", "max_leaf_nodes"),
    "min_data_in_leaf": ("min_child_samples", "min_samples_leaf"),
    "class_weights": ("class_weight",),
    "monotone_constraints": ("monotonic_cst",),
    "thread_count": ("n_jobs", "nthread", "num_threads"),
    "random_state": ("random_seed", "seed"),
}
_LOSSES = {
    "Logloss": BINARY,
    **dict.fromkeys(("MultiClass", "MultiClassOneVsAll"), MULTICLASS),
    **dict.fromkeys(("RMSE", "MAE", "MAPE", "Quantile", "Huber", "Expectile"), REGRESSION),
    **dict.fromkeys(("Lq", "LogCosh", "Poisson", "Tweedie"), REGRESSION),
}
# Loss function -> the hyperparameter that CatBoost takes as a part of its name.
_PARAMETERS = {
    "Quantile": "alpha",
    "Expectile": "alpha",
    "Huber": "delta",
    "Lq": "q",
    "Tweedie": "variance_power",
}
_EXPONENTIAL = frozenset({"Poisson", "Tweedie"})
_METRICS = {
    **dict.fromkeys(("Logloss", "AUC", "PRAUC", "F1", "BalancedAccuracy"), BINARY),
    "TotalF1": MULTICLASS,
    **dict.fromkeys(("Accuracy", "MCC"), CLASSIFICATION),
    **dict.fromkeys(("RMSE", "MAE", "MAPE", "SMAPE", "R2", "MedianAbsoluteError"), REGRESSION),
}
# Loss functions that have a way to compute leaves (``catboost_options.cpp`` of 1.2).
_WITH_EXACT = frozenset({"Quantile", "MAE", "MAPE", "LogCosh"})
_WITHOUT_NEWTON = frozenset({"Quantile", "MAE", "MAPE"})
_WEIGHTS = ("class_weights", "auto_class_weights", "scale_pos_weight")


class CatBoost(AlgorithmHyperparameters):
    """CatBoost's CatBoostClassifier and CatBoostRegressor."""

    ALIASES: ClassVar = {alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases}
    INSTEAD: ClassVar = {
        "max_cat_to_onehot": "one_hot_max_size",
        "bagging_fraction": "subsample",
        "is_unbalance": "auto_class_weights=Balanced",
        "boosting": "boosting_type",
    }
    NEEDS: ClassVar = {
        "alpha": ("loss_function", ("Quantile", "Expectile")),
        "delta": ("loss_function", ("Huber",)),
        "q": ("loss_function", ("Lq",)),
        "variance_power": ("loss_function", ("Tweedie",)),
        "max_leaves": ("grow_policy", ("Lossguide",)),
        "min_data_in_leaf": ("grow_policy", ("Depthwise", "Lossguide")),
        "subsample": ("bootstrap_type", ("Bernoulli", "MVS")),
        "bagging_temperature": ("bootstrap_type", ("Bayesian",)),
        "monotone_constraints": ("grow_policy", ("SymmetricTree",)),
    }
    OWN: ClassVar = frozenset({"early_stopping_rounds", *_PARAMETERS.values()})
    VALUES: ClassVar = {"loss_function": _LOSSES, "eval_metric": _METRICS}
    FIELDS: ClassVar = {
        "class_weights": CLASSIFICATION,
        "auto_class_weights": CLASSIFICATION,
        "scale_pos_weight": BINARY,
        "monotone_constraints": BINARY | REGRESSION,
    }
    LABELS: ClassVar = {"loss_function": dict.fromkeys(sorted(_EXPONENTIAL), COUNTS)}

    loss_function: Annotated[
        str, OneOf(_LOSSES), Default("by the labels Logloss, MultiClass or RMSE")
    ] = Field("RMSE", description="The loss that boosting minimizes.")
    eval_metric: Annotated[
        Annotated[str, OneOf(_METRICS)] | None, Default("the loss function's own")
    ] = Field(None, description="The metric that early stopping watches.")
    iterations: Count = Field(1000, description="The number of rounds; each adds one tree.")
    learning_rate: Annotated[Positive | None, Default("by the number of rows and rounds")] = Field(
        None, description="The factor that scales each new tree."
    )
    early_stopping_rounds: Count | None = Field(
        None, description="Rounds without progress on the validation rows before it stops."
    )
    depth: Annotated[Whole, Field(ge=1, le=16), Expected("a whole number from 1 to 16")] = Field(
        6, description="The largest number of splits from the root to a leaf."
    )
    l2_leaf_reg: NotNegative = Field(3.0, description="L2 regularization of the leaves.")
    grow_policy: Literal["SymmetricTree", "Depthwise", "Lossguide"] = Field(
        "SymmetricTree",
        description="SymmetricTree splits a whole level alike, Depthwise each node of it, and "
        "Lossguide the leaf that gains most.",
    )
    max_leaves: AtLeastTwo = Field(
        31, description="Lossguide: the largest number of leaves of a tree."
    )
    min_data_in_leaf: Count = Field(
        1, description="Depthwise and Lossguide: rows that a leaf needs to be split."
    )
    border_count: Annotated[
        Whole, Field(ge=1, le=65535), Expected("a whole number from 1 to 65535")
    ] = Field(254, description="The largest number of thresholds of a feature.")
    nan_mode: Literal["Min", "Max"] = Field(
        "Min", description="Whether a missing number is below or above all others."
    )
    one_hot_max_size: Annotated[
        Whole, Field(ge=1, le=255), Expected("a whole number from 1 to 255")
    ] = Field(
        2,
        description="Up to this number of categories, a split separates one from the others; "
        "above it, splits read statistics of the target.",
    )
    max_ctr_complexity: Annotated[
        Annotated[Whole, Field(ge=1, le=15), Expected("a whole number from 1 to 15")] | None,
        Default("4; 1 for fewer than 200 rounds"),
    ] = Field(None, description="The largest number of features that statistics combine.")
    model_size_reg: NotNegative = Field(
        0.5, description="Regularization of the size of statistics of combinations."
    )
    random_strength: NotNegative = Field(
        1.0, description="How much chance plays a part in the choice of splits."
    )
    rsm: UpToOne = Field(1.0, description="The share of features that each split is chosen from.")
    bootstrap_type: Annotated[
        Literal["Bayesian", "Bernoulli", "MVS", "No"] | None, Default("MVS; Bayesian for 3 classes")
    ] = Field(None, description="How rows are weighted or drawn for each tree.")
    bagging_temperature: NotNegative = Field(
        1.0, description="Bayesian: how much the weights of rows vary; 0 for not at all."
    )
    subsample: UpToOne = Field(
        0.8, description="Bernoulli and MVS: the share of rows that each tree uses."
    )
    boosting_type: Annotated[
        Literal["Ordered", "Plain"] | None, Default("Plain; Ordered for some small tables")
    ] = Field(None, description="Ordered avoids that rows are predicted from their own label.")
    score_function: Literal["Cosine", "L2"] = Field(
        "Cosine", description="The measure by which splits are chosen."
    )
    leaf_estimation_method: Annotated[
        Literal["Newton", "Gradient", "Exact"] | None, Default("by the loss function")
    ] = Field(None, description="How the values of leaves are computed.")
    leaf_estimation_iterations: Annotated[Count | None, Default("by the loss function")] = Field(
        None, description="The number of steps of that computation."
    )
    has_time: bool = Field(
        False, description="Whether statistics of categories take the rows in their order."
    )
    class_weights: ClassWeights | None = Field(
        None, description="The weight of the rows of each class; all classes have to be listed."
    )
    auto_class_weights: Literal["Balanced", "SqrtBalanced"] | None = Field(
        None, description="Weights of classes by how rare they are, or by the root of that."
    )
    scale_pos_weight: Positive = Field(
        1.0, description="The weight of rows of the second of two classes."
    )
    monotone_constraints: Signs | None = Field(
        None, description="Features with which the prediction only rises (1) or only falls (-1)."
    )
    alpha: Between = Field(0.5, description="Quantile and Expectile: which one is estimated.")
    delta: Positive = Field(1.0, description="Huber: the error above which it is linear.")
    q: Annotated[Number, Field(ge=1), Expected("a number of 1 or more")] = Field(
        2.0, description="Lq: the power of the error."
    )
    variance_power: Annotated[
        Number, Field(gt=1, lt=2), Expected("a number above 1 and below 2")
    ] = Field(1.5, description="Tweedie: between a Poisson (1) and a gamma distribution (2).")
    thread_count: Annotated[
        Count | Literal[-1], Expected("a whole number of 1 or more, or -1 for all CPUs")
    ] = Field(-1, description="Threads.")
    random_state: Seed | None = Field(None, description="The seed of all random choices.")

    @property
    def n_steps(self) -> int:
        return self.iterations

    @property
    def patience(self) -> int | None:
        return self.early_stopping_rounds

    def estimator_parameters(self) -> dict[str, Any]:
        found = super().estimator_parameters()
        if parameter := _PARAMETERS.get(self.loss_function):
            value = getattr(self, parameter)
            found["loss_function"] = f"{self.loss_function}:{parameter}={value}"
        return {name: value for name, value in found.items() if value is not None}

    def native_parameters(
        self, parameters: Mapping[str, Any], n_features: int, n_categories: Mapping[int, int]
    ) -> dict[str, Any]:
        return {
            "n_categories": dict(n_categories),
            "allow_writing_files": False,
            "logging_level": "Silent",
        }

    def contradictions(self) -> list[str]:
        faults = super().contradictions()
        if self.boosting_type == "Ordered" and self.grow_policy != "SymmetricTree":
            faults.append("boosting_type=Ordered needs grow_policy=SymmetricTree")
        if self.loss_function in _EXPONENTIAL and self.eval_metric is not None:
            faults.append(
                f"eval_metric reads the logarithms that loss_function={self.loss_function} "
                "predicts; remove it"
            )
        given = [name for name in _WEIGHTS if name in self.model_fields_set]
        if len(given) > 1:
            faults.append(f"{' and '.join(given)} all weight the classes; keep one of them")
        return faults + self._faults_of_leaves()

    def misfits(self, problem: frozenset[Problem], n_classes: int) -> list[str]:
        faults = super().misfits(problem, n_classes)
        if self.class_weights is not None and 0 < len(self.class_weights) < n_classes:
            faults.append("class_weights needs a weight for each label; 1 changes nothing")
        return faults

    def _faults_of_leaves(self) -> list[str]:
        method, loss = self.leaf_estimation_method, self.loss_function
        faults = []
        if method == "Exact" and loss not in _WITH_EXACT:
            needed = " or ".join(sorted(_WITH_EXACT))
            faults.append(f"leaf_estimation_method=Exact needs loss_function={needed}")
        if method == "Newton" and (loss in _WITHOUT_NEWTON or (loss == "Lq" and self.q < 2)):
            faults.append(
                f"leaf_estimation_method=Newton is not for loss_function={loss}; choose Gradient"
            )
        is_exact = method == "Exact" or (method is None and loss == "LogCosh")
        if self.monotone_constraints is not None and is_exact:
            faults.append("monotone_constraints needs leaf_estimation_method=Gradient")
        return faults
