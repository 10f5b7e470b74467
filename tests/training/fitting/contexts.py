"""Small fits for tests: tables, a context for an estimator, and a stop after some steps."""

import numpy as np
from sklearn.datasets import make_classification, make_regression

from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting.fit_context import FitContext
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.stopping import Stop


def rows_of(x, y):
    return Rows(x.astype(np.float32), y)


CLASSES = rows_of(*make_classification(400, 6, n_informative=4, n_classes=3, random_state=1))
NUMBERS = rows_of(*make_regression(400, 6, noise=1.0, random_state=1))


class StopAfter(Stop):
    """A stop that is requested once it has been asked for a number of times."""

    def __init__(self, times):
        super().__init__()
        self._left = times

    @property
    def is_requested(self):
        self._left -= 1
        if self._left < 0:
            self.request()
        return super().is_requested


def context_of(
    estimator,
    n_steps,
    rows,
    *,
    validation=None,
    stop=None,
    checkpoints=None,
    hyperparameters=None,
    **spec,
):
    """The context of a fit of the given estimator, whatever the hyperparameters say."""
    is_classes = hasattr(estimator, "predict_proba")
    target = Target(*(("classification", (0, 1, 2)) if is_classes else ("regression", ())))
    names = tuple(f"feature_{i}" for i in range(rows.x.shape[1]))
    return FitContext(
        spec=FitSpec(parse(hyperparameters or {}), target, names, {}, 3, n_steps, **spec),
        estimator=estimator,
        training=rows,
        validation=validation,
        progress=Progress("trees", n_steps, lambda line: None),
        stop=stop or Stop(),
        checkpoints=checkpoints,
        say_once=lambda line: None,
    )


def answers(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "classes_") else estimator.predict(x)
