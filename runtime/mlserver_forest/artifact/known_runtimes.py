"""MLServer's released runtimes: a row for each package, and nothing else knows their names.

Any other runtime may be served too; these rows hold what a person should be told, and what the
runtime reads if neither its metadata nor its settings say so (mlserver-* 1.7.1, each package's
``predict``).
"""

from dataclasses import dataclass
from typing import Literal

# MLServer's names for one tensor of numbers, a tensor for each column, and texts.
ContentType = Literal["np", "pd", "str"]


@dataclass(frozen=True)
class KnownRuntime:
    """A released package with runtimes.

    Attributes:
        module: what ``implementation`` begins with.
        distribution: what ``pip install`` calls it.
        model_file: a file that ``forest pack`` reads, as the runtime expects it; empty if it reads
            none.
        unpickles: whether loading a model runs whatever its file holds.
        content_type: how the runtime decodes a request that does not say.
        refusals: the errors by which its library refuses rows, as "module:class".
    """

    module: str
    distribution: str
    model_file: str = ""
    unpickles: bool = False
    content_type: ContentType = "np"
    refusals: tuple[str, ...] = ()


KNOWN_RUNTIMES = (
    KnownRuntime("mlserver_sklearn", "mlserver-sklearn", "model.joblib", unpickles=True),
    KnownRuntime(
        "mlserver_xgboost",
        "mlserver-xgboost",
        "model.json",
        refusals=("xgboost.core:XGBoostError",),
    ),
    KnownRuntime(
        "mlserver_lightgbm",
        "mlserver-lightgbm",
        "model.bst",
        refusals=("lightgbm.basic:LightGBMError",),
    ),
    KnownRuntime(
        "mlserver_catboost",
        "mlserver-catboost",
        "model.cbm",
        refusals=("_catboost:CatBoostError",),
    ),
    KnownRuntime(
        "mlserver_mlflow",
        "mlserver-mlflow",
        content_type="pd",
        refusals=("mlflow.exceptions:MlflowException",),
    ),
    KnownRuntime("mlserver_huggingface", "mlserver-huggingface", content_type="str"),
    KnownRuntime("mlserver_alibi_explain", "mlserver-alibi-explain"),
    KnownRuntime("mlserver_alibi_detect", "mlserver-alibi-detect"),
)


def find_known(implementation: str) -> KnownRuntime | None:
    """The released package that an implementation belongs to; None if it is somebody's own."""
    package = implementation.partition(".")[0]
    return next((known for known in KNOWN_RUNTIMES if known.module == package), None)
