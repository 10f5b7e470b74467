"""A job whose training is logged to MLflow if ``MLFLOW_TRACKING_URI`` is set."""

from collections.abc import Callable

from mlserver_forest.environment import limit_mlflow, mlflow_tracking_uri
from mlserver_forest.errors import MissingLibrary
from mlserver_forest.optional_library import require
from mlserver_forest.training.config import TrainingConfig


def run_tracked(
    config: TrainingConfig, say: Callable[[str], None], train: Callable[[], None]
) -> None:
    """Train, and log the training if that is asked for; the first of several hosts does it.

    A server that does not answer is said, and costs at most about a minute; the model is kept.

    Args:
        config: the job.
        say: is called with each line about the log.
        train: trains and saves the model.

    Raises:
        MissingLibrary: if it is asked for, and MLflow is not installed; nothing is trained then.
    """
    if mlflow_tracking_uri() is None or not config.is_first:
        train()
        return
    _require_mlflow()
    limit_mlflow()
    from mlserver_forest.mlflow.tracking.logged_training import LoggedTraining

    run = LoggedTraining(say)
    run.start()
    try:
        train()
    except BaseException:
        run.fail()
        raise
    from mlserver_forest.training.algorithms.hyperparameters import decode

    run.log(config.model_dir, {name: decode(one) for name, one in config.hyperparameters.items()})


def _require_mlflow() -> None:
    try:
        require("mlflow", "mlflow")
    except MissingLibrary as error:
        raise MissingLibrary(
            f"MLFLOW_TRACKING_URI is set, so the training is to be logged, but {error}; without "
            "the variable nothing is logged"
        ) from error
