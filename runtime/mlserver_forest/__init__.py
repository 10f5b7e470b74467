"""Train tree ensembles, and serve them on SageMaker's contract and the V2 protocol.

``load`` and ``pack`` are the Python API (``api.py``), ``Model`` is what they return, and
``ForestModel`` is the MLServer runtime. Each is imported when it is first used, so that importing
this package loads nothing heavy. There is another reason: at each load, MLServer 1.7.1
re-executes the module that model-settings.json names (``mlserver/settings.py``,
``_reload_module``). Re-executing this file is harmless; re-executing the runtime's own module would
create a second class.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserver_forest.api import Model, load, pack
    from mlserver_forest.serving.models.runtime import ForestModel

__version__ = "0.1.0"
__all__ = ["ForestModel", "Model", "__version__", "load", "pack"]

_MODULES = {
    "ForestModel": "mlserver_forest.serving.models.runtime",
    "Model": "mlserver_forest.api",
    "load": "mlserver_forest.api",
    "pack": "mlserver_forest.api",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
