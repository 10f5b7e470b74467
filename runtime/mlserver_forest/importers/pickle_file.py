"""Pickles, joblib's among them: the one place where a pickle is loaded or written.

It runs in a process of its own, and only if the operator trusts the file.
"""

from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error, format_value
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.registry import can_import, importer_of, refusal


def refuse_pickle(path: str, found: Any) -> UnsupportedEstimator:
    """The error for a pickle that cannot be packed without running its code.

    Args:
        path: the file, as messages call it.
        found: what was read without running it, for the caller to raise.
    """
    if not isinstance(found, Record):
        return refuse_other(path, found)
    return UnsupportedEstimator(
        f"{path}: {refusal(found)}. To read anything else, Python runs the code in the pickle: if "
        "you trust where it comes from, add --trust-pickle"
    )


def refuse_other(path: str, found: Any) -> UnsupportedEstimator:
    """The error for a file that holds a plain value in the place of an estimator."""
    return UnsupportedEstimator(
        f"{path} holds {_describe(found)}, not an estimator; save the estimator alone, with "
        f"joblib.dump({_estimator_in(found)}, file)"
    )


def _describe(found: Any) -> str:
    if isinstance(found, dict):
        return f"a dict with the keys {format_value(list(found)[:8])}"
    if isinstance(found, GlobalName):
        return f"the name {found} alone"
    return f"a {type(found).__name__}"


def _estimator_in(found: Any) -> str:
    """How Python names the estimator in a container."""
    items: Any = ()
    if isinstance(found, dict):
        items = found.items()
    elif isinstance(found, list | tuple):
        items = enumerate(found)
    keys = [key for key, value in items if isinstance(value, Record) and can_import(value)]
    return f"joblib.load(this)[{format_value(keys[0])}]" if keys else "estimator"


def load(path: Path, found: Any) -> Any:
    """Load an estimator, which runs whatever code the pickle holds.

    Args:
        path: the file, which the operator trusts.
        found: what was read in it without running it; None if it could not be read.

    Raises:
        UnsupportedEstimator: if it cannot be loaded. If the reason may be the version of a
            library, the message names both versions.
    """
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        reason = format_error(error)
        importer = importer_of(found)
        written = found.get("_sklearn_version") if isinstance(found, Record) else None
        if importer is not None and written and written != importer.version:
            raise UnsupportedEstimator(
                f"{path} was written with {importer.title} {written} and cannot be loaded with "
                f"{importer.title} {importer.version}, which is installed here ({reason}); load it "
                f"with {written}, and save the tree ensemble in it alone"
            ) from error
        if isinstance(error, ModuleNotFoundError):
            raise UnsupportedEstimator(
                f"{path} needs the Python module {error.name}, which is not installed here; "
                "install it, or pack the model where it was trained"
            ) from error
        raise UnsupportedEstimator(f"{path} cannot be unpickled: {reason}") from error


def write(estimator: Any, path: Path) -> None:
    """Pickle an estimator for MLServer's own runtime."""
    import joblib

    joblib.dump(estimator, path)
