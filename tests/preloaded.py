"""What the process that tests fork has imported: all that a command imports sooner or later.

CPU seconds that each command takes without it: scikit-learn and what stands on it 2, skops 1.2,
Numba's types, which its first function loads, 0.6, CatBoost 1, a command of AWS 0.6,
Matplotlib 0.4.
"""

import importlib

import numba

import botocore_models
from mlserver_forest.cli import forest

for name in (
    *("mlserver_forest.cli", "mlserver_forest.serving.cli", "mlserver_forest.training.cli"),
    *("mlserver_forest.training.job", "mlserver_forest.training.cluster.roles"),
    *("mlserver_forest.training.algorithms.forests.forest_fit", "mlserver_forest.serving.server"),
    *("mlserver_forest.importers.pack.cli", "mlserver_forest.importers.pack.child_process"),
    *("mlserver_forest.doctor.cli", "sklearn.ensemble", "skops.io", "distributed", "dask.array"),
    *(
        "catboost",
        "xgboost.dask",
        "lightgbm.dask",
        "matplotlib.figure",
        "matplotlib.backends.backend_svg",
    ),
    *("mlserver_forest.scoring.cli", "mlserver_forest.scoring.run", "pyarrow.fs", "boto3"),
):
    importlib.import_module(name)
for name in forest.list_commands(None):
    forest.get_command(None, name)
botocore_models.keep_parsed()
botocore_models.parse_all()

numba.njit(lambda: None)()
