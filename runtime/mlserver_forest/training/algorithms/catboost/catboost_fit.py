"""CatBoost on one host."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import catboost

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.algorithms.catboost.catboost_estimators import with_texts
from mlserver_forest.training.fitting.boosting_rounds import BoostingRounds
from mlserver_forest.training.fitting.checkpoints import Checkpoints, newest
from mlserver_forest.training.fitting.fit_context import FitContext, library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import Rows

_SECONDS_BETWEEN_SNAPSHOTS = 2


def fit(context: FitContext) -> FitResult:
    """Boost with CatBoost.

    A checkpoint is CatBoost's own snapshot, from which it goes on with the same random choices and
    statistics of categories; it would not, if it started from another model.

    Raises:
        InvalidData: if CatBoost refuses the rows.
    """
    rounds = BoostingRounds(context.progress, context.stop, context.checkpoints)
    rows, watched, patience = context.training, context.validation, context.early_stopping_rounds
    estimator = context.estimator.set_params(iterations=context.n_steps)
    if context.is_small and "thread_count" not in estimator.get_params():
        estimator.set_params(thread_count=1)
    with (
        library_refusals(catboost.CatBoostError),
        _refusal_of_a_draw(estimator, len(rows)),
        _snapshot_of(context.checkpoints) as snapshot,
    ):
        if snapshot:
            estimator.set_params(**snapshot.parameters)
        estimator.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            eval_set=watched and _pool(watched, estimator),
            early_stopping_rounds=patience,
            use_best_model=patience is not None,
            callbacks=[_AfterRound(rounds, snapshot)],
        )
    return FitResult(estimator, estimator.tree_count_, rounds.curve)


@contextmanager
def _refusal_of_a_draw(estimator: Any, n_rows: int) -> Iterator[None]:
    """Name the hyperparameter by which a round has drawn no row, which depends on chance."""
    try:
        yield
    except catboost.CatBoostError as error:
        if "Too few sampling units" not in str(error):
            raise
        subsample = estimator.get_params()["subsample"]
        fault = f"subsample={subsample:g} of {n_rows} rows left a round without rows"
        raise InvalidHyperparameters([f"{fault}; choose a larger one"]) from error


def _pool(rows: Rows, estimator: Any) -> Any:
    columns = estimator.n_categories
    x = with_texts(rows.x, columns)
    return catboost.Pool(x, rows.y, cat_features=sorted(columns), weight=rows.weight)


class _Snapshot:
    """The file in which CatBoost keeps what it needs to go on; it is written between rounds.

    Args:
        folder: for this file and for what else CatBoost writes.
        content: of a checkpoint to go on from, or None.
    """

    def __init__(self, folder: Path, content: bytes | None) -> None:
        self._folder = folder
        self._path = folder / "snapshot"
        self._version = (0, 0, 0)
        self._n_rounds = 0
        if content is not None:
            self._path.write_bytes(content)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters by which CatBoost keeps it."""
        return {
            "allow_writing_files": True,
            "train_dir": str(self._folder),
            "save_snapshot": True,
            "snapshot_file": str(self._path),
            "snapshot_interval": _SECONDS_BETWEEN_SNAPSHOTS,
        }

    def n_rounds(self, n_done: int) -> int:
        """How many rounds it holds after ``n_done`` of them; 0 if there is none."""
        if not self._path.exists():
            return 0
        found = self._path.stat()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._version:  # It was written after the round before.
            self._version, self._n_rounds = version, n_done - 1
        return self._n_rounds

    def content(self) -> bytes:
        """Its bytes."""
        return self._path.read_bytes()


@contextmanager
def _snapshot_of(checkpoints: Checkpoints | None) -> Iterator[_Snapshot | None]:
    """A snapshot with the content of the newest checkpoint; None if none are kept."""
    if checkpoints is None:
        yield None
        return
    content = newest(checkpoints, lambda checkpoint: checkpoint.content)
    with TemporaryDirectory(prefix="forest-catboost-") as folder:
        yield _Snapshot(Path(folder), content)


class _AfterRound:
    """CatBoost's callback after each round."""

    def __init__(self, rounds: BoostingRounds, snapshot: _Snapshot | None) -> None:
        self._rounds = rounds
        self._snapshot = snapshot

    def after_iteration(self, info: Any) -> bool:
        """Record a round; CatBoost goes on if it is true."""
        watched = info.metrics.get("validation", {})
        metrics = {name: float(values[-1]) for name, values in watched.items()}
        n_kept = self._snapshot.n_rounds(info.iteration) if self._snapshot else 0
        content = self._snapshot.content if self._snapshot else bytes
        return not self._rounds.end_round(info.iteration, metrics, content, n_kept)
