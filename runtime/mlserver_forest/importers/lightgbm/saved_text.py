"""The text that any version of LightGBM wrote -> a booster that the installed version loaded.

``GBDT::SaveModelToString`` in src/boosting/gbdt_model_text.cpp writes the trees, then the
parameters of training; the Python package adds the categories of data frames.
"""

import re
from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.saved_booster import (
    SavedBooster,
    booster_state,
    bytes_of,
    classes_of,
)
from mlserver_forest.optional_library import require

_BOOSTER = GlobalName("lightgbm.basic", "Booster")
_UNREADABLE = (AttributeError, LookupError, MemoryError, OSError, TypeError, ValueError)
_FORM = re.compile(r"^version=v(\d{1,3})$", re.MULTILINE)
# The form that LightGBM 4.0 brought; forms 2 and 3 are of LightGBM 2 and 3.
_NEWEST_FORM = 4
_OLDER = "3 or older"
_END_OF_TREES = "\nend of trees"
# Either of them ends a file.
_ENDS = ("\nend of parameters", "\npandas_categorical:")
_HAS_CATEGORIES = re.compile(r"^num_cat=[1-9]", re.MULTILINE)


def is_model(head: bytes) -> bool:
    """Whether ``head`` begins a model that LightGBM saved as text."""
    return head.startswith((b"tree\n", b"tree\r\n"))


def read(path: Path) -> SavedBooster:
    """Read a booster.

    Raises:
        UnsupportedEstimator: if LightGBM cannot read it, or its end is lost.
    """
    text = path.read_text("utf-8", "replace")
    return SavedBooster(
        _BOOSTER,
        _load(str(path), text),
        is_alone=True,
        written_by=_written_by(text),
        notes=_check_end(str(path), text),
    )


def unpickle(record: Record) -> SavedBooster:
    """The booster in the record of an estimator or booster.

    Raises:
        UnsupportedEstimator: if LightGBM cannot load it.
    """
    state = booster_state(record)
    content = bytes_of(state)
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    booster = _load(f"this {record.name}", text)
    found = state.get("best_iteration")
    best = found if isinstance(found, int) and found > 0 else None
    booster.best_iteration = best or -1
    return SavedBooster(
        record.kind,
        booster,
        classes_of(record),
        is_alone=state is record,
        written_by=_written_by(text),
        n_rounds=booster.current_iteration(),
        n_best=best,
    )


def _load(subject: str, text: str) -> Any:
    require("lightgbm", "train")
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, *_UNREADABLE) as error:
        raise UnsupportedEstimator(
            f"{subject} cannot be read by LightGBM {lightgbm.__version__}: {error}"
        ) from error


def _written_by(text: str) -> str:
    """The version that wrote a text, if it is older than those that write the same form."""
    form = _FORM.search(text[:512])
    return _OLDER if form is not None and int(form[1]) < _NEWEST_FORM else ""


def _check_end(subject: str, text: str) -> tuple[str, ...]:
    """What the user should know if the end of a file is lost.

    Raises:
        UnsupportedEstimator: if trees are lost, or what the categories are.
    """
    trees, end_of_trees, rest = text.partition(_END_OF_TREES)
    if not end_of_trees:
        raise UnsupportedEstimator(
            f"{subject} is cut off: it has no line `end of trees`, so trees are lost; copy it again"
        )
    if any(end in rest for end in _ENDS):
        return ()
    if _HAS_CATEGORIES.search(trees):
        raise UnsupportedEstimator(
            f"{subject} is cut off after its trees, so what its categories are is lost; copy it "
            "again, or if they are the numbers 0, 1, 2, ..., add the line `pandas_categorical:null`"
        )
    return ("the file is cut off after its trees, so the parameters of its training are lost",)
