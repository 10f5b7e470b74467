"""Train tree ensembles, and serve them on SageMaker's contract and the V2 protocol.

``load``, ``pack`` and ``train`` are the Python API (``api.py``), ``Model`` is what they return,
``ForestClassifier`` and ``ForestRegressor`` are estimators of scikit-learn's API, and
``ForestModel`` is the MLServer runtime. Each is imported when it is first used, so that importing
this package loads nothing heavy. There is another reason: at each load, MLServer 1.7.1
re-executes the module that model-settings.json names (``mlserver/settings.py``,
``_reload_module``). Re-executing this file is harmless; re-executing the runtime's own module would
create a second class.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserver_forest.api import Model, load, pack, train
    from mlserver_forest.estimators.forest_estimators import ForestClassifier, ForestRegressor
    from mlserver_forest.estimators.forest_estimators import as_estimator as as_estimator
    from mlserver_forest.serving.models.mlserver_runtime import ForestModel

__version__ = "0.1.0"
__all__ = [
    "ForestClassifier",
    "ForestModel",
    "ForestRegressor",
    "Model",
    "__version__",
    "as_estimator",
    "load",
    "pack",
    "train",
]

_ESTIMATORS = "mlserver_forest.estimators.forest_estimators"
_MODULES = {
    "ForestClassifier": _ESTIMATORS,
    "ForestRegressor": _ESTIMATORS,
    "as_estimator": _ESTIMATORS,
    "ForestModel": "mlserver_forest.serving.models.mlserver_runtime",
    "Model": "mlserver_forest.api",
    "load": "mlserver_forest.api",
    "pack": "mlserver_forest.api",
    "train": "mlserver_forest.api",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name == "errors":  # Not needed to import the package, and named in except clauses.
        return import_module("mlserver_forest.errors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "errors"])
