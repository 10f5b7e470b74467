"""MLflow: a flavor for logged models, the log of trainings, and a target of deployments.

``import mlserver_forest.mlflow`` gives ``log_model``, ``save_model`` and ``load_model``, as the
modules of MLflow's own flavors do. ``tracking/`` turns a model directory into an MLflow model and a
training into a run; ``model_uri`` fetches a model by its URI; ``deployments`` is the plugin. The
extra ``mlserver-forest[mlflow]`` installs MLflow, which nothing else in this package imports.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserver_forest.mlflow.flavor import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]

# ``training`` imports parts of this package, so the flavor must not be imported with it.
# MLflow itself calls ``_load_pyfunc`` (mlflow/pyfunc/__init__.py).
_NAMES = frozenset({*__all__, "_load_pyfunc"})


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module("mlserver_forest.mlflow.flavor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
