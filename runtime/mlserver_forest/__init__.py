"""Train tree ensembles and serve them on SageMaker's contract and the V2 protocol.

Importing this package loads nothing heavy. ``ForestModel``, the MLServer
runtime, is imported when it is first asked for: MLServer 1.7.1 re-executes the
module that a model-settings.json names at each load
(``mlserver/settings.py``, ``_reload_module``), and re-executing this file is
harmless where re-executing the runtime's own module would make a second class.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserver_forest.serving.models.runtime import ForestModel

__version__ = "0.1.0"
__all__ = ["ForestModel", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "ForestModel":
        from mlserver_forest.serving.models.runtime import ForestModel

        return ForestModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
