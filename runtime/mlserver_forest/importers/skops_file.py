"""Files of skops, which hold estimators without code."""

import re
import tokenize
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error

# Types that skops 0.16 asks about and that estimators of any library hold.
_COMMON_TYPES = re.compile(r"functools\.partial|collections\.OrderedDict")
# Besides those of zip archives, numpy's arrays raise many of these if they are damaged, and
# TokenError for a header that was written by Python 2 or looks like it.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_zip(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a zip archive, as skops files are."""
    return head.startswith(b"PK\x03\x04")


def read(path: Path, trusted: re.Pattern[str]) -> Any:
    """Read an estimator; types that neither skops nor ``trusted`` names are refused.

    Raises:
        UnsupportedEstimator: naming those types, or why the file cannot be read.
    """
    import skops.io

    _require_schema(path)
    try:
        asked = skops.io.get_untrusted_types(file=path)
        strange = [
            name for name in asked if not (_COMMON_TYPES.fullmatch(name) or trusted.fullmatch(name))
        ]
        if strange:
            raise UnsupportedEstimator(
                f"{path} holds types that skops does not trust and that tree ensembles do not "
                f"have: {', '.join(strange[:5])}; save only the fitted estimator"
            )
        return skops.io.load(path, trusted=asked)
    except _UNREADABLE as error:
        raise UnsupportedEstimator(
            f"{path} cannot be read by skops {version('skops')} with scikit-learn "
            f"{version('scikit-learn')}: {format_error(error)}"
        ) from error


def _require_schema(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            is_skops = "schema.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UnsupportedEstimator(f"{path} cannot be read: {error}") from error
    if not is_skops:
        raise UnsupportedEstimator(f"{path} is a zip archive, but not a skops file")
