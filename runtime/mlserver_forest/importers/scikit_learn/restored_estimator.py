"""A record of scikit-learn -> the estimator, made of known classes only, to ask it for answers."""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from mlserver_forest.composition.target_transforms import FUNCTIONS
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.numpy_objects import UnfinishedDtype
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.scikit_learn.pipelines.scalers import FUNCTIONS as STEPS
from mlserver_forest.importers.scikit_learn.release import installed_release

_LOSSES = (
    *("HalfBinomialLoss", "HalfMultinomialLoss", "ExponentialLoss", "HalfSquaredError"),
    *("AbsoluteError", "HuberLoss", "PinballLoss", "HalfPoissonLoss", "HalfGammaLoss"),
)
_NAMES = {
    "sklearn.ensemble._forest": (
        *("RandomForestClassifier", "RandomForestRegressor"),
        *("ExtraTreesClassifier", "ExtraTreesRegressor"),
    ),
    "sklearn.ensemble._gb": ("GradientBoostingClassifier", "GradientBoostingRegressor"),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": (
        *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    ),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.ensemble._hist_gradient_boosting.binning": ("_BinMapper",),
    "sklearn.ensemble._iforest": ("IsolationForest",),
    "sklearn.tree._tree": ("Tree",),
    "sklearn.tree._classes": (
        *("DecisionTreeClassifier", "DecisionTreeRegressor"),
        *("ExtraTreeClassifier", "ExtraTreeRegressor"),
    ),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    "sklearn.pipeline": ("Pipeline", "FeatureUnion"),
    "sklearn.compose._column_transformer": ("ColumnTransformer", "_RemainderColsList"),
    "sklearn.impute._base": ("SimpleImputer", "MissingIndicator"),
    "sklearn.preprocessing._encoders": ("OrdinalEncoder", "OneHotEncoder"),
    "sklearn.preprocessing._target_encoder": ("TargetEncoder",),
    "sklearn.preprocessing._discretization": ("KBinsDiscretizer",),
    "sklearn.feature_selection._univariate_selection": (
        *("SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe"),
        "GenericUnivariateSelect",
    ),
    "sklearn.feature_selection._from_model": ("SelectFromModel",),
    "sklearn.feature_selection._variance_threshold": ("VarianceThreshold",),
    "sklearn.feature_selection._rfe": ("RFE", "RFECV"),
    "sklearn.feature_selection._sequential": ("SequentialFeatureSelector",),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
    "sklearn.preprocessing._label": ("LabelEncoder", "LabelBinarizer"),
    "sklearn.utils.validation": ("check_array",),
    "sklearn.calibration": (
        *("CalibratedClassifierCV", "_CalibratedClassifier"),
        *("_SigmoidCalibration", "_TemperatureScaling"),
    ),
    "sklearn.isotonic": ("IsotonicRegression",),
    "sklearn.ensemble._voting": ("VotingClassifier", "VotingRegressor"),
    "sklearn.ensemble._bagging": ("BaggingClassifier", "BaggingRegressor"),
    "sklearn.ensemble._weight_boosting": ("AdaBoostClassifier", "AdaBoostRegressor"),
    "sklearn.ensemble._stacking": ("StackingClassifier", "StackingRegressor"),
    "sklearn.decomposition._pca": ("PCA",),
    "sklearn.decomposition._incremental_pca": ("IncrementalPCA",),
    "sklearn.decomposition._truncated_svd": ("TruncatedSVD",),
    "sklearn.preprocessing._polynomial": ("PolynomialFeatures",),
    "sklearn.impute._iterative": ("IterativeImputer", "_ImputerTriplet"),
    "sklearn.linear_model._bayes": ("BayesianRidge", "ARDRegression"),
    "sklearn.linear_model._coordinate_descent": (
        *("Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    ),
    "sklearn.linear_model._huber": ("HuberRegressor",),
    "sklearn.linear_model._base": ("LinearRegression",),
    "sklearn.linear_model._logistic": ("LogisticRegression",),
    "sklearn.linear_model._ridge": ("Ridge", "RidgeCV"),
    "sklearn.multiclass": ("OneVsRestClassifier",),
    "sklearn.multioutput": ("MultiOutputRegressor", "RegressorChain"),
    "sklearn.compose._target": ("TransformedTargetRegressor",),
    "sklearn.preprocessing._data": (
        *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Binarizer"),
        *("PowerTransformer", "QuantileTransformer", "Normalizer"),
    ),
    "sklearn.model_selection._classification_threshold": ("FixedThresholdClassifier",),
    "sklearn.model_selection._search": ("GridSearchCV", "RandomizedSearchCV"),
    "sklearn.frozen._frozen": ("FrozenEstimator",),
    "sklearn._loss.loss": _LOSSES,
    "sklearn._loss._loss": (
        *(f"Cy{loss}" for loss in _LOSSES),
        *(f"__pyx_unpickle_Cy{loss}" for loss in _LOSSES),
    ),
    "sklearn._loss.link": (
        *("Interval", "IdentityLink", "LogLink", "LogitLink", "HalfLogitLink"),
        "MultinomialLogit",
    ),
    "numpy": ("float64", "float32", "uint8", "int64", "uint32", *FUNCTIONS, *STEPS),
    "builtins": ("slice",),
}
# The only names of a record that are ever looked up, and only these.
_ALLOWED = {f"{module}.{name}": module for module, names in _NAMES.items() for name in names}
_PARTIAL = "functools.partial"
# They were used while fitting, and are not asked.
_FORGOTTEN = {
    *("transformers", "_columns", "score_func"),
    *(
        "_rng",
        "_feature_subsample_rng",
        "_scorer",
        "random_state",
        "random_state_",
        "oob_decision_function_",
    ),
    *(
        "cv",
        "_checked_cv_orig",
        "cv_results_",
        "scorer_",
        "named_estimators_",
        "estimator_samples_",
    ),
}
# See ``restore``.
RestoreOther = Callable[[Record], Any]
_FAULTS = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)


def restore(record: Record, restore_other: RestoreOther) -> Any:
    """The estimator of a record, or None.

    Args:
        record: an estimator whose trees were found to be sound, because scikit-learn does not
            check them when it is asked.
        restore_other: makes what stands for an estimator of another library in it; None for any
            other record.

    Returns:
        None if another version wrote it, or if it holds anything but the classes of tree
        ensembles; scikit-learn is then not asked.
    """
    if record.get("_sklearn_version") != installed_release():
        return None
    try:
        return _Restorer(restore_other).restore(record)
    except (UnsupportedEstimator, *_FAULTS):
        return None


class _Restorer:
    """Makes objects of known classes; each record is made once."""

    def __init__(self, restore_other: RestoreOther) -> None:
        self._restore_other = restore_other
        self._made: dict[int, Any] = {}

    def restore(self, value: Any) -> Any:
        """The value with objects in the place of records."""
        if isinstance(value, GlobalName):
            return _look_up(value)
        if isinstance(value, Record):
            if id(value) not in self._made:
                self._made[id(value)] = self._object(value)
            return self._made[id(value)]
        if isinstance(value, UnfinishedDtype):
            return value.finish()
        if isinstance(value, dict):
            return {
                key: self.restore(one) for key, one in value.items() if key not in _FORGOTTEN
            } | dict.fromkeys(_FORGOTTEN & value.keys())
        if isinstance(value, np.ndarray) and value.dtype == object:
            found = np.empty(value.size, object)
            found[:] = list(map(self.restore, value.ravel()))
            return found.reshape(value.shape)
        is_list = isinstance(value, list | tuple)
        return type(value)(map(self.restore, value)) if is_list else value

    def _object(self, record: Record) -> Any:
        other = self._restore_other(record)
        if other is not None:
            return other
        if str(record.kind) == _PARTIAL:
            function, arguments, keywords, _ = record.state
            return functools.partial(
                self.restore(function), *self.restore(arguments), **self.restore(keywords)
            )
        if record.get("_sklearn_version", installed_release()) != installed_release():
            raise ValueError("a part of it comes from another version")
        kind, arguments = _look_up(record.kind), self.restore(record.arguments)
        is_plain = isinstance(kind, type) and kind is not slice
        made = kind.__new__(kind, *arguments) if is_plain else kind(*arguments)
        state = self.restore(record.state)
        if state is not None and hasattr(made, "__setstate__"):
            made.__setstate__(state)
        elif state is not None:
            made.__dict__.update(state)
        return made


def _look_up(name: GlobalName) -> Any:
    """A class or function that is allowed.

    Raises:
        KeyError: if it is not.
    """
    return getattr(import_module(_ALLOWED[str(name)]), name.name)
