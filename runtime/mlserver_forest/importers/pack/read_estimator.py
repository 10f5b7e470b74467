"""A model file -> the estimator, by the library that wrote it.

This is the one place where a pickle is loaded or written. It runs in a process of its own, and only
if the operator said that the file is to be trusted.
"""

import re
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pack.model_file import ModelFile

# Types that skops 0.16 asks about and that tree ensembles are made of.
_TRUSTED_BY_US = re.compile(
    r"sklearn\.tree\._tree\.Tree"
    r"|sklearn\.ensemble\._hist_gradient_boosting\.predictor\.TreePredictor"
    r"|sklearn\.utils\.validation\.check_array|functools\.partial|collections\.OrderedDict"
    r"|xgboost\.core\.Booster|xgboost\.sklearn\.XGB\w+"
    r"|lightgbm\.basic\.Booster|lightgbm\.sklearn\.LGBM\w+"
)
_UNREADABLE = (
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)
# What a pickle of protocol 4 or 2 holds between the name and the text that follows it.
_SKLEARN_VERSION = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c.|X....)(\d+\.\d+[\w.]*)", re.DOTALL
)
_SEARCHED_BYTES = 1 << 30


def read_model(file: ModelFile, *, trust_pickle: bool) -> Any:
    """Load an estimator or booster.

    Raises:
        UnsupportedEstimator: if the file cannot be read; where that is because of the
            version of scikit-learn, with both versions.
    """
    return {
        "pickle": lambda: _unpickle(file.path, trust_pickle),
        "skops": lambda: _read_skops(file.path),
        "xgboost": lambda: _read_xgboost(file.path),
        "lightgbm": lambda: _read_lightgbm(file.path),
    }[file.kind]()


def refuse_pickle(path: Path) -> UnsupportedEstimator:
    return UnsupportedEstimator(
        f"{path} is a pickle, and a pickle can run any code when it is read; if you trust where "
        "it comes from, add --trust-pickle, or save the model with skops, which needs no trust"
    )


def _unpickle(path: Path, trust_pickle: bool) -> Any:
    if not trust_pickle:
        raise refuse_pickle(path)
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        written, ours = _version_in(path), version("scikit-learn")
        reason = f"{type(error).__name__}: {error}"
        if written and written != ours:
            raise UnsupportedEstimator(
                f"{path} was written with scikit-learn {written} and cannot be read with "
                f"scikit-learn {ours}, which is installed here ({reason}); install scikit-learn "
                f"{written} in an environment of its own and pack it there, or save it again "
                f"with {ours}"
            ) from error
        if isinstance(error, ModuleNotFoundError):
            raise UnsupportedEstimator(
                f"{path} needs the Python module {error.name}, which is not installed here; "
                "install it, or pack the model where it was trained"
            ) from error
        raise UnsupportedEstimator(f"{path} cannot be unpickled: {reason}") from error


def _version_in(path: Path) -> str | None:
    """The version of scikit-learn that a pickle names, found without loading it."""
    match = _SKLEARN_VERSION.search(_decompressed(path))
    return match[1].decode() if match else None


def _decompressed(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_SEARCHED_BYTES)
    try:
        # 32 and more: zlib's header or gzip's.
        return zlib.decompressobj(wbits=47).decompress(content, _SEARCHED_BYTES)
    except zlib.error:
        return content


def _read_skops(path: Path) -> Any:
    import skops.io

    try:
        asked = skops.io.get_untrusted_types(file=path)
        strange = [name for name in asked if not _TRUSTED_BY_US.fullmatch(name)]
        if strange:
            raise UnsupportedEstimator(
                f"{path} holds types that skops does not trust and that no tree ensemble is made "
                f"of: {', '.join(strange[:5])}; save only the fitted estimator"
            )
        return skops.io.load(path, trusted=asked)
    except _UNREADABLE as error:
        raise UnsupportedEstimator(
            f"{path} cannot be read by skops {version('skops')} with scikit-learn "
            f"{version('scikit-learn')}: {type(error).__name__}: {error}"
        ) from error


def _read_xgboost(path: Path) -> Any:
    import xgboost

    try:
        return xgboost.Booster(model_file=bytearray(path.read_bytes()))
    except xgboost.core.XGBoostError as error:
        raise UnsupportedEstimator(
            f"{path} cannot be read by XGBoost {version_of('xgboost')}: "
            f"{str(error).partition('Stack trace')[0].strip()}"
        ) from error


def _read_lightgbm(path: Path) -> Any:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=path.read_text("utf-8", "replace"))
    except (lightgbm.basic.LightGBMError, *_UNREADABLE) as error:
        raise UnsupportedEstimator(
            f"{path} cannot be read by LightGBM {version_of('lightgbm')}: {error}"
        ) from error


def write_pickle(estimator: Any, path: Path) -> None:
    """For MLServer's own runtime."""
    import joblib

    joblib.dump(estimator, path)


def version_of(library: str) -> str:
    """The installed version of a library, by the name of its module."""
    module = __import__(library)
    return str(module.__version__)


def written_by(recorded: list[warnings.WarningMessage]) -> str | None:
    """The version of scikit-learn that wrote a file, if it warned that it was another."""
    for warning in recorded:
        written = getattr(warning.message, "original_sklearn_version", None)
        if written:
            return str(written)
    return None
