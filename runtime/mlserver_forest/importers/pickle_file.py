"""Pickles, joblib's among them: the one place where a pickle is loaded or written.

It runs in a process of its own, and only if the operator trusts the file.
"""

import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error

# Pickles since protocol 2, and the compressions that joblib wraps around them.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_GZIP = b"\x1f\x8b"
_COMPRESSED = (_GZIP, b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"BZh", b"\xfd7zXZ")
_STARTS = (*_PICKLES, *_COMPRESSED, b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
_SEARCHED_BYTES = 1 << 30


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a pickle, compressed or not."""
    return head.startswith(_STARTS)


def refuse_pickle(path: Path) -> UnsupportedEstimator:
    """The error for a pickle that is not trusted, for the caller to raise."""
    return UnsupportedEstimator(
        f"{path} is a pickle, and a pickle can run any code when it is read; if you trust where "
        "it comes from, add --trust-pickle, or save the model with skops, which cannot run code"
    )


def read(path: Path, versions: Mapping[str, Callable[[bytes], str | None]]) -> Any:
    """Load an estimator, which runs whatever code the pickle holds.

    Args:
        path: the file, which the operator trusts.
        versions: by distribution, a function that finds in a pickle the version that wrote it.

    Raises:
        UnsupportedEstimator: if it cannot be loaded. If the reason is the version of a library,
            the message names both versions.
    """
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        reason = format_error(error)
        for library, version_in in versions.items():
            written, ours = version_in(_decompressed(path)), version(library)
            if written and written != ours:
                raise UnsupportedEstimator(
                    f"{path} was written with {library} {written} and cannot be read with "
                    f"{library} {ours}, which is installed here ({reason}); install {library} "
                    f"{written} in an environment of its own and pack it there, or save it again "
                    f"with {ours}"
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


def _decompressed(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_SEARCHED_BYTES)
    try:
        # wbits of 32 and more accept zlib's header and gzip's.
        return zlib.decompressobj(wbits=47).decompress(content, _SEARCHED_BYTES)
    except zlib.error:
        return content
