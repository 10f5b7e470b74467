"""Other engines for a booster, in one thread, as far as they are installed.

``pip install tl2cgen`` adds the one that is not among the project's dependencies; daal4py comes
with scikit-learn-intelex. lleaves 1.3 needs llvmlite below 0.45, which Numba cannot use, so that it
is not among them: it took 1,076 s on a busy machine to compile 500 trees of
63 leaves.
"""

import ctypes
import importlib
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
import treelite

# Packages, and what the table calls their engines.
PEERS = {"treelite": "GTIL", "daal4py": "daal4py", "tl2cgen": "tl2cgen"}
_FLOAT64 = 1  # C_API_DTYPE_FLOAT64


def peers_of_booster(booster):
    """Yield the name of each engine, and a function of rows that gives probabilities of class 1.

    Engines that are not installed are named on a line.
    """
    is_light = isinstance(booster, lightgbm.Booster)
    if is_light:
        yield "its C API", _c_api(booster)
    read = treelite.frontend.from_lightgbm if is_light else treelite.frontend.from_xgboost
    trees = read(booster)
    for package, name in PEERS.items():
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"{name} is not installed: pip install {package}")
            continue
        make = {"treelite": _gtil, "daal4py": _daal, "tl2cgen": _compiled}[package]
        yield name, make(booster, trees)


def _gtil(_, trees):
    return lambda x: treelite.gtil.predict(trees, x, nthread=1)[:, 0, 0]


def _daal(booster, _):
    daal = importlib.import_module("daal4py")
    daal.daalinit(1)
    model = daal.mb.convert_model(booster)
    return lambda x: model.predict_proba(x)[:, 1]


def _compiled(_, trees):
    tl2cgen = importlib.import_module("tl2cgen")
    folder = Path(tempfile.mkdtemp(), "trees.so")
    tl2cgen.export_lib(trees, "gcc", str(folder), params={"parallel_comp": 8})
    predictor = tl2cgen.Predictor(str(folder), nthread=1)
    return lambda x: predictor.predict(tl2cgen.DMatrix(x)).reshape(len(x))


def _c_api(booster):
    """LightGBM without its Python: raw scores of rows in float64, and their sigmoid."""
    library, handle = lightgbm.basic._LIB, booster._handle
    options = ctypes.c_char_p(b"num_threads=1")

    def predict(x):
        out, n_out = np.empty(len(x)), ctypes.c_int64()
        library.LGBM_BoosterPredictForMat(
            handle,
            x.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(len(x)),
            ctypes.c_int32(x.shape[1]),
            ctypes.c_int(1),  # row by row
            ctypes.c_int(0),  # probabilities
            ctypes.c_int(0),
            ctypes.c_int(-1),
            options,
            ctypes.byref(n_out),
            out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        return out

    return predict
