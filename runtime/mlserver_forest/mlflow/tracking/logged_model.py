"""A model directory in a run of MLflow; this module is what MLflow calls the flavor's."""

import inspect
import sys
from pathlib import Path
from typing import Any

from mlflow.models import Model as MlflowModel

from mlserver_forest.mlflow.tracking.mlflow_folder import write_mlflow_folder


def log_directory(
    directory: Path, name: str, *, registered_model_name: str | None = None, **options: Any
) -> Any:
    """Log a model directory to the active run.

    Args:
        directory: the model directory.
        name: of the model; in MLflow 2, the folder of its artifacts.
        registered_model_name: the name under which the registry gets a new version.
        options: of ``write_mlflow_folder`` and of MLflow's ``Model.log``.

    Returns:
        MLflow's ``ModelInfo``.

    Raises:
        InvalidArtifact: if there is no model, or it is damaged.
        MlflowException: if the server refuses it.
    """
    return MlflowModel.log(
        **_named(name),
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        model=directory,
        **options,
    )


def save_model(
    model: Path, path: str, mlflow_model: MlflowModel | None = None, **options: Any
) -> None:
    """Save a model directory as ``Model.log`` asks for it; see ``write_mlflow_folder``."""
    write_mlflow_folder(model, Path(path), mlflow_model, **options)


def _named(name: str) -> dict[str, Any]:
    """MLflow 3 takes the name of a model; for MLflow 2 it was the path of its artifacts."""
    if "name" in inspect.signature(MlflowModel.log).parameters:
        return {"artifact_path": None, "name": name}
    return {"artifact_path": name}
