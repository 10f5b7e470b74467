"""Models of MLflow by their URIs: ``models:/churn@champion`` -> a folder on this disk.

Nothing of a model is loaded: MLflow copies its files.
"""

import re
from pathlib import Path

from mlserver_forest.environment import limit_mlflow
from mlserver_forest.errors import ForestError
from mlserver_forest.optional_library import require

# The flavor of this package, and the folder of its model directory beside MLmodel.
FLAVOR = "mlserver_forest"
MODEL_FOLDER = "model"
_URI = re.compile(r"(models|runs|mlflow-artifacts):/+[^/]")
# models:/NAME/VERSION and models:/NAME@ALIAS, as mlflow/store/artifact/utils/models.py reads them.
_REGISTERED = re.compile(r"models:/+([^/@]+)(?:[/@].*)?")


def is_mlflow_uri(text: str) -> bool:
    """Whether a text is the URI of something that MLflow keeps."""
    return _URI.match(text) is not None


def name_in_uri(uri: str) -> str:
    """The part of a URI that says what the model is: its registered name, or its last folder."""
    found = _REGISTERED.fullmatch(uri)
    return found[1] if found else uri.rstrip("/").rpartition("/")[2]


def download_model(uri: str, folder: Path) -> Path:
    """Download the files of a model.

    Args:
        uri: models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID/PATH or mlflow-artifacts:/PATH.
        folder: where a folder of it is made.

    Returns:
        The folder with ``MLmodel``.

    Raises:
        MissingLibrary: if MLflow is not installed.
        ForestError: with MLflow's reason, if there is no such model or no answer.
    """
    require("mlflow", "mlflow")
    limit_mlflow()
    import mlflow

    try:
        found = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder))
    except Exception as error:  # the stores of artifacts raise what they like
        reason = " ".join(str(error).split()).rstrip(".")
        raise ForestError(
            f"{uri} cannot be downloaded from {mlflow.get_tracking_uri()}: {reason}; expected "
            "models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/PATH of a model that is there, "
            "and MLFLOW_TRACKING_URI to name its server"
        ) from error
    return Path(found)
