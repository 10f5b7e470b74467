"""One fit on rows that this machine has: the argument of each algorithm's fit function."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Progress, Say
from mlserver_forest.training.fitting.stopping import Stop

# A table of fewer values is boosted by one thread as fast as by several.
_SMALL_TABLE = 50_000
# Where a library was compiled, which its message begins with.
_COMPILED = re.compile(r"^(\[[0-9:]+\] )?\S+\.\w+:\d+: ")


@dataclass(frozen=True, eq=False)
class FitContext:
    """One fit.

    Attributes:
        spec: what to fit.
        estimator: unfitted, with scikit-learn's interface.
        training: the rows to learn from.
        validation: the rows on which metrics are watched, or None.
        progress: is updated after each step.
        stop: is checked between steps.
        checkpoints: the checkpoints to write, or None.
        say_once: logs a line that is not repeated for each fit of a job.
    """

    spec: FitSpec
    estimator: Any
    training: Rows
    validation: Rows | None
    progress: Progress
    stop: Stop
    checkpoints: Checkpoints | None
    say_once: Say

    @property
    def n_steps(self) -> int:
        """The number of trees or rounds to fit."""
        return self.spec.n_steps

    @property
    def early_stopping_rounds(self) -> int | None:
        """Rounds without improvement before boosting stops; None without validation rows."""
        return None if self.validation is None else self.spec.early_stopping_rounds

    @property
    def is_small(self) -> bool:
        """Whether one thread is fastest, because waking others takes longer than the work."""
        return self.training.x.size < _SMALL_TABLE


def fit(context: FitContext) -> FitResult:
    """Fit an estimator by its algorithm's function.

    Raises:
        InvalidData: if the training library refuses the rows.
    """
    try:
        result: FitResult = resolve_name(context.spec.algorithm.fit_function)(context)
        return result
    finally:
        context.progress.close()


def fit_whole(context: FitContext) -> FitResult:
    """Fit an estimator that cannot be fitted in steps.

    Raises:
        InvalidData: if the training library refuses the rows.
    """
    rows = context.training
    with library_refusals():
        estimator = context.estimator.fit(rows.x, rows.y, sample_weight=rows.weight)
    context.progress.at(context.n_steps)
    return FitResult(estimator, context.n_steps)


@contextmanager
def library_refusals(*errors: type[Exception]) -> Iterator[None]:
    """Translate a training library's refusal of the rows.

    Args:
        errors: the library's own errors, beside ValueError.

    Raises:
        InvalidData: with the library's reason.
    """
    refusals: tuple[type[Exception], ...] = (ValueError, *errors)
    with warnings.catch_warnings():
        # They name the library's own arguments and codes, and come with each step of each fit.
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except refusals as error:
            # XGBoost adds its stack.
            reason = _COMPILED.sub("", str(error).partition("Stack trace:")[0]).strip()
            raise InvalidData(f"the training library cannot fit these rows: {reason}") from error
