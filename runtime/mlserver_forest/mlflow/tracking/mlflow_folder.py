"""A model directory as an MLflow model: the folder with ``MLmodel`` that MLflow logs and loads.

::

    MLmodel                 the flavors mlserver_forest and python_function, and the signature
    model/                  the model directory itself, which ``serve`` takes
    report/                 report.html and metrics.json, if training wrote them
    input_example.json
    requirements.txt  conda.yaml  python_env.yaml

The functions of MLflow that begin with an underscore are those that its own flavors and others'
call, the same in MLflow 2 and 3 (mlflow/lightgbm/__init__.py, ``save_model``).
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from mlflow import pyfunc
from mlflow.models import Model as MlflowModel
from mlflow.models import ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.utils import _save_example
from mlflow.utils.environment import (
    _CONDA_ENV_FILE_NAME,
    _PYTHON_ENV_FILE_NAME,
    _REQUIREMENTS_FILE_NAME,
    _process_pip_requirements,
    _PythonEnv,
)
from mlflow.utils.model_utils import _validate_and_prepare_target_save_path

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.report_files import METRICS_FILE, REPORT_FILE, find_report
from mlserver_forest.mlflow.model_uri import FLAVOR, MODEL_FOLDER
from mlserver_forest.mlflow.tracking.model_signature import example_of, signature_of

LOADER = "mlserver_forest.mlflow"
_REPORT_FOLDER = "report"


def write_mlflow_folder(
    directory: Path,
    path: Path,
    mlflow_model: MlflowModel | None = None,
    *,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: dict[str, Any] | None = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
) -> None:
    """Write an MLflow model.

    Args:
        directory: the model directory.
        path: the folder to write; it must be missing or empty.
        mlflow_model: the description to complete, as MLflow hands it to ``save_model``.
        signature: in place of that of the model's schema.
        input_example: in place of some rows of the model's self-test.
        metadata: of the caller, which MLflow keeps.
        pip_requirements: in place of this package and its version.
        extra_pip_requirements: beside it.

    Raises:
        InvalidArtifact: if there is no model, or it is damaged.
        MlflowException: if the folder is not empty.
    """
    model = model_directory.load(directory)
    _validate_and_prepare_target_save_path(str(path))
    model_directory.copy(directory, path / MODEL_FOLDER)
    described = MlflowModel() if mlflow_model is None else mlflow_model
    example = example_of(model) if input_example is None else input_example
    _save_example(described, example, str(path))
    described.signature = signature or signature_of(model.schema)
    if metadata is not None:
        described.metadata = metadata
    pyfunc.add_to_model(
        described,
        loader_module=LOADER,
        data=MODEL_FOLDER,
        conda_env=_CONDA_ENV_FILE_NAME,
        python_env=_PYTHON_ENV_FILE_NAME,
    )
    described.add_flavor(FLAVOR, data=MODEL_FOLDER, version=version("mlserver-forest"))
    if (report := find_report(directory, model.card)) is not None:
        (path / _REPORT_FOLDER).mkdir()
        (path / _REPORT_FOLDER / REPORT_FILE).write_text(report.html, "utf-8")
        (path / _REPORT_FOLDER / METRICS_FILE).write_text(report.metrics, "utf-8")
    described.save(str(path / MLMODEL_FILE_NAME))
    _write_environment(path, pip_requirements, extra_pip_requirements)


def _write_environment(path: Path, given: Any, extra: Any) -> None:
    default = None if given is not None else [f"mlserver-forest=={version('mlserver-forest')}"]
    conda, requirements, _ = _process_pip_requirements(default, given, extra)
    (path / _CONDA_ENV_FILE_NAME).write_text(yaml.safe_dump(conda, default_flow_style=False))
    (path / _REQUIREMENTS_FILE_NAME).write_text("\n".join(requirements))
    _PythonEnv.current().to_yaml(str(path / _PYTHON_ENV_FILE_NAME))
