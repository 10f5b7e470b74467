"""A training as a run of MLflow: parameters, metrics, the report and the model.

MLflow itself reads ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and ``MLFLOW_RUN_ID``
(mlflow/tracking/fluent.py, ``start_run``).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.report_files import report_folder
from mlserver_forest.environment import impatient_mlflow
from mlserver_forest.mlflow.tracking.logged_model import log_directory
from mlserver_forest.mlflow.tracking.run_metrics import metrics_of

_MODEL, _REPORT = "model", "report"
_FAILED, _FINISHED = "FAILED", "FINISHED"
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class LoggedTraining:
    """A run of MLflow that begins before a training and ends after it.

    Whatever fails here is said and ends nothing: the model is worth more than the log of it.

    Args:
        say: is called with each line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._uri = _without_password(mlflow.get_tracking_uri())
        self._id = ""

    def start(self) -> None:
        """Start the run, or the one that ``MLFLOW_RUN_ID`` names."""
        with self._telling("no run is started before the training; it is tried again afterwards"):
            self._begin()

    def log(self, directory: Path, parameters: Mapping[str, Any]) -> None:
        """Log a trained model, and finish the run.

        Args:
            directory: the model directory, beside which the report is.
            parameters: the hyperparameters.
        """
        with self._telling(
            f"the training is not logged, or not all of it; the model is in {directory}: log it "
            f"with mlserver_forest.mlflow.log_model({str(directory)!r})"
        ):
            if not self._id:
                self._begin()
            card = model_directory.load(directory).card
            algorithm = {"algorithm": card.algorithm} if card else {}
            mlflow.log_params({**parameters, **algorithm})
            if card is not None:
                mlflow.set_tag("mlserver_forest.target", card.target_name or card.target)
            if metrics := metrics_of(card):
                mlflow.log_metrics(metrics)
            if report_folder(directory).is_dir():
                mlflow.log_artifacts(str(report_folder(directory)), _REPORT)
            log_directory(directory, _MODEL)
            mlflow.end_run(_FINISHED)
            self._say(f"logged to MLflow: run {self._id} at {self._uri}")
            self._id = ""

    def fail(self) -> None:
        """End the run of a training that has failed; nothing happens if there is none."""
        if self._id:
            with suppress(Exception):
                mlflow.end_run(_FAILED)

    def _begin(self) -> None:
        with impatient_mlflow():
            self._id = mlflow.start_run().info.run_id

    @contextmanager
    def _telling(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # MLflow's stores raise what they like
            reason = _without_password(" ".join(str(error).split()))
            self._say(f"warning: MLflow at {self._uri}: {reason}; {consequence}")


def _without_password(text: str) -> str:
    """A text without the names and passwords of its URLs."""
    return _CREDENTIALS.sub("//", text)
