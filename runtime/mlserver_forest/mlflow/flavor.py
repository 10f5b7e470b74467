"""The flavor ``mlserver_forest``: log, save and load a model, as with MLflow's own flavors."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import mlflow
from mlflow.artifacts import download_artifacts
from mlflow.models import Model as MlflowModel

from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.local.local_model import LocalModel
from mlserver_forest.mlflow.answers import ForestAnswers
from mlserver_forest.mlflow.model_uri import FLAVOR, MODEL_FOLDER
from mlserver_forest.mlflow.tracking.logged_model import log_directory
from mlserver_forest.mlflow.tracking.mlflow_folder import write_mlflow_folder
from mlserver_forest.mlflow.tracking.run_metrics import metrics_of


def save_model(
    model: LocalModel | str | PathLike[str],
    path: str | PathLike[str],
    mlflow_model: MlflowModel | None = None,
    **options: Any,
) -> None:
    """Save a model as an MLflow model.

    Args:
        model: a model of ``mlserver_forest``, or a model directory.
        path: the folder to write; it must be missing or empty.
        mlflow_model: the description to complete.
        options: ``signature``, ``input_example``, ``metadata``, ``pip_requirements`` and
            ``extra_pip_requirements``, as with MLflow's own flavors.

    Raises:
        InvalidArtifact: if there is no model, or it is damaged.
        InvalidInput: if ``model`` is neither.
        MlflowException: if the folder is not empty.
    """
    write_mlflow_folder(_directory_of(model), Path(path).absolute(), mlflow_model, **options)


def log_model(
    model: LocalModel | str | PathLike[str],
    name: str = "model",
    *,
    registered_model_name: str | None = None,
    **options: Any,
) -> Any:
    """Log a model to the active run, or to a new one.

    Its metrics, such as ``validation_accuracy``, are logged to the run.

    Args:
        model: a model of ``mlserver_forest``, or a model directory.
        name: of the model in the run; in MLflow 2, the folder of its artifacts.
        registered_model_name: the name under which the registry gets a new version.
        options: of ``save_model``, and those of MLflow's ``Model.log``, such as ``tags``.

    Returns:
        MLflow's ``ModelInfo``, whose ``model_uri`` can be loaded.

    Raises:
        InvalidArtifact: if there is no model, or it is damaged.
        InvalidInput: if ``model`` is neither.
        MlflowException: if the server refuses it.
    """
    directory = _directory_of(model)
    loaded = model if isinstance(model, LocalModel) else LocalModel.of(directory)
    if mlflow.active_run() is None:
        mlflow.start_run()
    if metrics := metrics_of(loaded.card):
        mlflow.log_metrics(metrics)
    return log_directory(directory, name, registered_model_name=registered_model_name, **options)


def load_model(model_uri: str, dst_path: str | None = None) -> LocalModel:
    """Load a model that was logged with this flavor.

    Args:
        model_uri: such as ``models:/churn@champion``, ``runs:/ID/model``, or a folder.
        dst_path: an existing folder for the files; by default a temporary one.

    Raises:
        InvalidArtifact: if it was not logged with this flavor, or is damaged.
        MlflowException: if there is no such model.
    """
    folder = Path(download_artifacts(artifact_uri=str(model_uri), dst_path=dst_path))
    flavors = MlflowModel.load(str(folder)).flavors
    if FLAVOR not in flavors:
        raise InvalidArtifact(
            f"{model_uri} is an MLflow model of the flavors {', '.join(flavors)}; expected "
            f"{FLAVOR}: turn it into one with forest pack {model_uri} --out FOLDER, then log FOLDER"
        )
    return LocalModel.of(folder / str(flavors[FLAVOR].get("data", MODEL_FOLDER)))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ForestAnswers:
    """The model as MLflow's ``python_function``; MLflow calls this."""
    return ForestAnswers(LocalModel.of(path))


def _directory_of(model: Any) -> Path:
    if isinstance(model, LocalModel):
        return model.directory
    if isinstance(model, str | PathLike):
        return Path(model).absolute()
    raise InvalidInput(
        f"the model is {format_value(model)}; expected a model of mlserver_forest, or a model "
        "directory; turn an estimator into one with mlserver_forest.pack(estimator)"
    )
