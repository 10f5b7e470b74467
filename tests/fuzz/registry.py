"""Every target, by the name of its module in ``targets``: one decoder each."""

from importlib import import_module

REQUESTS = (
    "csv",
    "json",
    "jsonlines",
    "npy",
    "npz",
    "parquet",
    "arrow_stream",
    "libsvm",
    "recordio",
    "v2_json",
    "v2_binary",
    "v2_grpc",
    "content_codings",
)
FILES = (
    "forest_file",
    "model_settings",
    "model_archive",
    "xgboost",
    "xgboost_binary",
    "lightgbm",
    "catboost",
    "skops",
    "pickle",
    "onnx",
)
NAMES = (*REQUESTS, *FILES)


def load(name):
    """The target of a name."""
    return import_module(f"fuzz.targets.fuzz_{name}").TARGET
