"""``ForestClassifier`` and ``ForestRegressor``: this package's algorithms and models as estimators.

Without a model, ``fit`` makes the estimator with which ``train`` fits the algorithm, fits it, and
packs it in memory; the packed forest answers. A data frame with words or dates is trained on as
``train`` does, on all of its rows. With a model, ``fit`` learns nothing, and the model
answers, as in scikit-learn's ``FrozenEstimator``.
"""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from mlserver_forest.api import pack
from mlserver_forest.artifact.model_files import ModelFiles
from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import InvalidArtifact, InvalidHyperparameters, count
from mlserver_forest.estimators.table_fit import fit_table, has_words, local_model
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.local.local_model import LocalModel
from mlserver_forest.model.compile_ahead import compile_jobs, jobs_of, tell
from mlserver_forest.model.model import Model
from mlserver_forest.optional_library import require
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.schema import TargetKind
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters, parse
from mlserver_forest.training.algorithms.registry import DEFAULT

_LARGEST_SEED = 2**31 - 1


class _ForestEstimator(BaseEstimator):  # type: ignore[misc]  # it has no types
    """What both estimators share.

    Args:
        algorithm: such as "lightgbm".
        model: a fitted model, which then answers as it is.
        random_state: the seed, or a ``numpy.random.RandomState``.
        hyperparameters: those of the algorithm; see docs/hyperparameters.md.
    """

    _kind: ClassVar[TargetKind]

    def __init__(
        self,
        algorithm: str = DEFAULT,
        *,
        model: Model | None = None,
        random_state: Any = None,
        **hyperparameters: Any,
    ) -> None:
        self.algorithm = algorithm
        self.model = model
        self.random_state = random_state
        self._hyperparameters = hyperparameters

    @classmethod
    def of(cls, model: Model) -> Self:
        """The estimator of a fitted model.

        Args:
            model: of the kind that this class is for.

        Raises:
            InvalidArtifact: if it is of another kind.
        """
        if model.schema.kind != cls._kind or model.schema.n_targets != 1:
            targets = count(model.schema.n_targets, "target")
            raise InvalidArtifact(
                f"a model of kind {model.schema.kind} with {targets} cannot be a {cls.__name__}, "
                f"which needs a {cls._kind} with one"
            )
        return cls(model=model)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, with the hyperparameters that were given."""
        return {**super().get_params(deep), **self._hyperparameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; a name that is none of the constructor's is a hyperparameter."""
        own = {name: value for name, value in params.items() if name in self._get_param_names()}
        super().set_params(**own)
        others = {name: value for name, value in params.items() if name not in own}
        self._hyperparameters = {**self._hyperparameters, **others}
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None or hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = self.model is not None
        return tags

    def __getattr__(self, name: str) -> Any:
        # What fit would have set; scikit-learn looks for it to know the width and the names.
        model = self.__dict__.get("model")
        if model is not None and name in {"model_", "n_features_in_", "feature_names_in_"}:
            return {
                "model_": model,
                "n_features_in_": model.schema.n_features,
                "feature_names_in_": np.array(model.schema.feature_names, object),
            }[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def save(self, directory: str | PathLike[str]) -> LocalModel:
        """Write the fitted model as a model directory, proven to answer as its library does.

        Args:
            directory: the folder; made if missing. An earlier model in it is replaced.

        Returns:
            The model of that directory.

        Raises:
            InvalidArtifact: if the model was given and is not of a directory.
            InvalidEnvironment: if it cannot be written.
        """
        check_is_fitted(self)
        if isinstance(self.model_, LocalModel):
            return self.model_.save(directory)
        if self.model is not None:
            raise InvalidArtifact(
                "this model is not of a directory; load it with mlserver_forest.load"
            )
        schema = self.model_.schema
        names: dict[str, Any] = {
            "feature_names": schema.feature_names,
            "class_names": schema.classes,
        }
        return pack(self.estimator_, directory, **names)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """float64 (n_features,), of the training library, where it has them; not with ``model``."""
        check_is_fitted(self)
        found: NDArray[np.float64] = self.estimator_.feature_importances_
        return found

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        # The packed forest is made again, because pickling would make its arrays writable.
        model = state.pop("model_", None)
        if isinstance(model, LocalModel):
            state["_files"] = ModelFiles.read(model.directory)
        return state

    def __setstate__(self, state: Any) -> None:
        files = state.pop("_files", None)
        super().__setstate__(state)
        if files is not None:
            self.model_: Model = local_model(files)
        elif "estimator_" in state:
            self.model_ = self._packed()

    def _plain(self) -> dict[str, Any]:
        """The hyperparameters as values of Python, which a search may give as NumPy's."""
        return {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in self._hyperparameters.items()
        }

    def _chosen(self) -> Hyperparameters:
        chosen = parse({"algorithm": self.algorithm, **self._plain()})
        require(chosen.algorithm.module, chosen.algorithm.extra)
        return chosen

    def _fit(self, x: NDArray[Any], y: NDArray[Any], classes: Sequence[Any], weight: Any) -> None:
        """Fit the algorithm's estimator, and pack it.

        Args:
            x: (n_samples, n_features) in the algorithm's dtype.
            y: (n_samples,) positions of classes, or numbers.
            classes: the labels that the positions stand for; none for a regression.
            weight: (n_samples,), or None.
        """
        chosen = self._chosen()
        _refuse_settings_of_a_job(chosen)
        seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        estimator = make_estimator(chosen, self._kind, classes, self._names(x.shape[1]), {}, seed)
        self.estimator_ = estimator.fit(x, y, sample_weight=weight)
        self.model_ = self._packed()

    def _fit_table(self, X: Any, y: Any, weight: Any) -> None:  # noqa: N803
        """Train on a table with words, whose columns the model then reads as they are."""
        validate_data(self, X, skip_check_array=True)
        check_consistent_length(X, y)
        self._chosen()
        seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        chosen = {"random_state": seed, **self._plain()}
        self.__dict__.pop("estimator_", None)
        self.model_ = fit_table(X, y, weight, self._kind, self.algorithm, chosen)

    def _names(self, n_features: int) -> list[str]:
        found = getattr(self, "feature_names_in_", None)
        if found is None:
            return [f"feature_{column}" for column in range(n_features)]
        return [str(name) for name in found]

    def _packed(self) -> Model:
        """The model of the fitted estimator, which knows positions of classes and no names."""
        model = import_estimator(self.estimator_)
        compile_jobs(jobs_of(model.forest), tell)
        names = tuple(self._names(model.schema.n_features))
        schema = replace(model.schema, feature_names=names)
        labels = tuple(getattr(self, "classes_", np.empty(0)).tolist())
        if {type(label) for label in labels} in ({str}, {int}, {bool}):
            schema = replace(schema, classes=labels)
        return replace(model, schema=schema)

    def _checked(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:  # noqa: N803
        dtype = np.dtype(self._chosen().algorithm.dtype)
        is_number = self._kind == "regression"
        x, y = validate_data(
            self, X, y, dtype=dtype, order="C", ensure_all_finite="allow-nan", y_numeric=is_number
        )
        if sample_weight is not None:
            from sklearn.utils.validation import _check_sample_weight  # scikit-learn's own name

            sample_weight = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        return x, y, sample_weight

    def _predict(self, X: Any) -> Prediction:  # noqa: N803
        """The answers to rows: those of a fitted model are read as the model reads rows."""
        check_is_fitted(self)
        if not hasattr(self, "estimator_"):
            x = self.model_.matrix(X)
        else:
            dtype = self.model_.forest.feature_dtype
            x = validate_data(
                self, X, reset=False, dtype=dtype, order="C", ensure_all_finite="allow-nan"
            )
        found: Prediction = self.model_.forest.predict(x, n_cpus())
        return found


def _refuse_settings_of_a_job(chosen: Hyperparameters) -> None:
    """Refuse what only a job can do, which holds out rows and reads columns.

    Raises:
        InvalidHyperparameters: naming all of them.
    """
    given = set(chosen.job.model_fields_set) - {"algorithm", *chosen.own.FROM_JOB}
    if chosen.early_stopping_rounds is not None:
        given.add("early_stopping_rounds")
    if given:
        raise InvalidHyperparameters(
            [f"{name} is for train, not for an estimator; leave it out" for name in sorted(given)]
        )


class ForestClassifier(ClassifierMixin, _ForestEstimator):  # type: ignore[misc]  # it has no types
    """A classifier of scikit-learn's API.

    Args:
        algorithm: as for ``train``: random_forest, extra_trees, decision_tree,
            hist_gradient_boosting, xgboost, lightgbm or catboost.
        model: a fitted model, such as from ``load``, which then answers as it is.
        random_state: the seed, or a ``numpy.random.RandomState``.
        hyperparameters: those of the algorithm, such as ``n_estimators=200``.

    Attributes:
        model_: the packed model.
        estimator_: the fitted estimator of the training library; not there with ``model``, and
            for a table with words.
        classes_: (n_classes,) the labels, in the order of the columns of ``predict_proba``.

    Example:
        ``cross_val_score(ForestClassifier("lightgbm", n_estimators=50), X, y)``
    """

    _kind = "classification"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Fit the algorithm; with ``model``, learn nothing.

        Args:
            X: (n_samples, n_features) numbers, of which NaN means missing; or a data frame, which
                may hold categories and dates, too.
            y: (n_samples,) labels.
            sample_weight: (n_samples,) weights of at least 0, or None.

        Raises:
            InvalidHyperparameters: naming every one that is unknown or out of range.
            ValueError: if the rows are not what scikit-learn's estimators take.
        """
        if self.model is not None:
            return self
        if has_words(X):
            labels = column_or_1d(y)
            check_classification_targets(labels)
            self._fit_table(X, labels, sample_weight)
            self.classes_ = np.array(self.model_.schema.classes)
            return self
        x, y, weight = self._checked(X, y, sample_weight)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._fit(x, codes, self.classes_.tolist(), weight)
        return self

    def __getattr__(self, name: str) -> Any:
        model = self.__dict__.get("model")
        if name == "classes_" and model is not None:
            return np.array(model.schema.classes)
        return super().__getattr__(name)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Predict labels.

        Args:
            X: (n_samples, n_features) numbers; with ``model``, all that ``Model.predict`` takes.

        Returns:
            (n_samples,) labels.
        """
        found = self._predict(X)
        labels: NDArray[Any] = self.classes_[found.positions]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """float64 (n_samples, n_classes) probabilities, columns in the order of ``classes_``."""
        return self._predict(X).values


class ForestRegressor(RegressorMixin, _ForestEstimator):  # type: ignore[misc]  # it has no types
    """A regressor of scikit-learn's API; see ``ForestClassifier``.

    Attributes:
        model_: the packed model.
        estimator_: the fitted estimator of the training library; not there with ``model``.
    """

    _kind = "regression"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Fit the algorithm to (n_samples,) numbers; see ``ForestClassifier.fit``."""
        if self.model is not None:
            return self
        if has_words(X):
            self._fit_table(X, np.asarray(column_or_1d(y), np.float64), sample_weight)
            return self
        x, y, weight = self._checked(X, y, sample_weight)
        self._fit(x, np.asarray(y, np.float64), (), weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """float64 (n_samples,) predictions; see ``ForestClassifier.predict``."""
        return self._predict(X).values[:, 0]


def as_estimator(model: Model) -> ForestClassifier | ForestRegressor:
    """A fitted model as an estimator of scikit-learn's API.

    Args:
        model: a classification, or a regression with one target, such as from ``load``.

    Returns:
        The estimator, which is fitted: ``fit`` learns nothing.

    Raises:
        InvalidArtifact: if the model is of another kind.

    Example:
        ``permutation_importance(as_estimator(load("ml/model")), X, y)``
    """
    is_class = model.schema.kind == "classification"
    return ForestClassifier.of(model) if is_class else ForestRegressor.of(model)
