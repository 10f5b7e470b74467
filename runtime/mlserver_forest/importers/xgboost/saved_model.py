"""What any version of XGBoost wrote -> a booster that the installed version loaded.

https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html describes JSON and UBJ;
``old_binary.py`` reads the form before them. Until 0.90 a pickled booster holds a model in that
form, since then a model with a configuration: in binary until 1.2, in JSON until 1.5, then in UBJ
(``LearnerIO::Save`` in src/learner.cc).
"""

import json
import math
import re
import struct
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.saved_booster import (
    SavedBooster,
    booster_state,
    bytes_of,
    classes_of,
)
from mlserver_forest.importers.xgboost.old_binary import is_old_binary, read_old_binary
from mlserver_forest.importers.xgboost.older_rules import FIRST_WITH_ALL, modernize
from mlserver_forest.optional_library import require

_BOOSTER = GlobalName("xgboost.core", "Booster")
_KINDS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
_VERSION_IN_JSON = re.compile(rb'"version"\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})')
# An array of int8; "#L" is its length.
_VERSION_IN_UBJ = re.compile(rb"version\[#L\0{7}\x03i(.)i(.)i(.)", re.DOTALL)
_POSITION = re.compile(r"[0-9]{1,9}")
_BEFORE_VERSIONS = "0.90 or older"
# The model and the configuration of a pickled booster, and the length of the model.
_SNAPSHOT = b"CONFIG-offset:"
_SNAPSHOT_LENGTH = struct.Struct("<q")
# XGBoost's own messages may hold bytes of the file, which its package cannot decode.
_UNREADABLE = (AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
_LONGEST_REASON = 500
# Until 1.4 a data matrix named features that had no names.
_FIRST_WITHOUT_NAMES = (1, 5)


@dataclass(frozen=True)
class _Content:
    """What XGBoost is given to load.

    Attributes:
        data: a model in JSON or UBJ, or what ``Booster.__setstate__`` takes.
        number: (major, minor) of the version that wrote it; (0, 0) before 1.0.
        version: the same as text; empty if it is not known.
        is_snapshot: whether it has a configuration too.
        notes: what the user should know about it.
    """

    data: bytes
    number: tuple[int, int] | None = None
    version: str = ""
    is_snapshot: bool = False
    notes: tuple[str, ...] = ()


def is_model(head: bytes) -> bool:
    """Whether ``head`` begins a model: in JSON or UBJ, which start with the learner, or binary."""
    return (head.lstrip().startswith(b"{") and b"learner" in head) or is_old_binary(head)


def read(path: Path) -> SavedBooster:
    """Read a booster, and what the estimator that saved it says.

    Raises:
        UnsupportedEstimator: if XGBoost cannot read it.
    """
    content = _content_of(path.read_bytes(), {})
    booster = _load(str(path), content)
    return _with_wrapper(_saved(SavedBooster(_BOOSTER, booster, is_alone=True), content))


def unpickle(record: Record) -> SavedBooster:
    """The booster in the record of an estimator or booster, of XGBoost 0.90 or newer.

    Raises:
        UnsupportedEstimator: if XGBoost cannot load it.
    """
    state = booster_state(record)
    found = bytes_of(state)
    if not isinstance(found, bytes):
        raise UnsupportedEstimator(
            f"the trees of this {record.name} are text, not bytes; the file is damaged"
        )
    content = _content_of(found, state.attributes)
    booster = _load(f"this {record.name}", content)
    _restore_names(booster, state, content)
    classes, missing = classes_of(record), _number(record.get("missing"))
    saved = SavedBooster(record.kind, booster, classes, missing, is_alone=state is record)
    return _saved(saved, content)


def _saved(saved: SavedBooster, content: _Content) -> SavedBooster:
    """A saved booster with what its content says."""
    best = saved.booster.attr("best_iteration")
    if best is not None and not _POSITION.fullmatch(best):
        raise UnsupportedEstimator(
            f"the best round of this XGBoost model is {format_value(best[:80])}, not a number; "
            "the file is damaged"
        )
    return replace(
        saved,
        written_by=content.version,
        n_rounds=saved.booster.num_boosted_rounds(),
        n_best=None if best is None else int(best) + 1,
        predicts_all=saved.is_alone,
        notes=content.notes,
    )


def _content_of(data: bytes, state: Mapping[str, Any]) -> _Content:
    """A model as the installed version loads it, with the rules of the version that wrote it.

    Args:
        data: of the file, or of the pickled booster.
        state: the attributes of the pickled booster; empty if there is none.
    """
    configuration: Mapping[str, Any] = {}
    if data.startswith(_SNAPSHOT):
        data, configuration = _parts(data)
    if is_old_binary(data):
        document, number = read_old_binary(data)
        version = ".".join(map(str, number)) if number[0] else _BEFORE_VERSIONS
        return _mended(document, _Content(b"", number, version), configuration, state)
    found = _VERSION_IN_JSON.search(data) or _VERSION_IN_UBJ.search(data)
    if found is None:
        return _Content(data)
    is_json = found.re is _VERSION_IN_JSON
    major, minor, patch = (int(part) if is_json else part[0] for part in found.groups())
    content = _Content(data, (major, minor), f"{major}.{minor}.{patch}")
    if not is_json:
        return replace(content, is_snapshot=_is_snapshot(data))
    if (major, minor) >= FIRST_WITH_ALL and not _is_snapshot(data):
        return content
    parsed = _parsed(data)
    configuration = parsed.get("Config", configuration)
    return _mended(parsed.get("Model", parsed), content, configuration, state)


def _mended(
    document: Mapping[str, Any],
    content: _Content,
    configuration: Mapping[str, Any],
    state: Mapping[str, Any],
) -> _Content:
    """The content with a document in JSON that says all that newer versions need to know."""
    try:
        notes = modernize(document["learner"], content.number or (0, 0), configuration, state)
    except _UNREADABLE as error:
        raise _damaged(error) from error
    return replace(content, data=json.dumps(document).encode(), notes=notes)


def _parts(data: bytes) -> tuple[bytes, Mapping[str, Any]]:
    """The model and the configuration of a pickled booster of XGBoost 1.0 to 1.2."""
    start = len(_SNAPSHOT) + _SNAPSHOT_LENGTH.size
    if len(data) < start:
        raise UnsupportedEstimator("the pickled XGBoost model is cut off; copy it again")
    (length,) = _SNAPSHOT_LENGTH.unpack_from(data, len(_SNAPSHOT))
    end = start + max(length, 0)
    return data[start:end], _parsed(data[end:])


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(data)
    except _UNREADABLE as error:
        raise _damaged(error) from error
    if not isinstance(document, dict):
        raise _damaged("it is not an object")
    return document


def _damaged(reason: object) -> UnsupportedEstimator:
    return UnsupportedEstimator(
        f"the XGBoost model in JSON cannot be read ({reason}); the file is damaged"
    )


def _is_snapshot(data: bytes) -> bool:
    return b"Config" in data[:32]


def _load(subject: str, content: _Content) -> Any:
    """Let XGBoost load a booster, unless a newer one wrote it."""
    require("xgboost", "train")
    import xgboost

    _refuse_newer(content, xgboost.__version__)
    load: Callable[[Any], Any] = partial(_restored, xgboost)
    if not content.is_snapshot:
        load = partial(_loaded, xgboost)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That an old version wrote it.
            return load(bytearray(content.data))
    except (xgboost.core.XGBoostError, *_UNREADABLE) as error:
        reason = str(error).partition("Stack trace")[0].strip()
        raise UnsupportedEstimator(
            f"{subject} cannot be read by XGBoost {xgboost.__version__}: {reason[:_LONGEST_REASON]}"
        ) from error


def _loaded(xgboost: Any, data: bytearray) -> Any:
    return xgboost.Booster(model_file=data)


def _restored(xgboost: Any, data: bytearray) -> Any:
    booster = xgboost.Booster()
    booster.__setstate__({"handle": data})
    return booster


def _refuse_newer(content: _Content, ours: str) -> None:
    """Refuse a model of a newer XGBoost, whose rules the installed one does not know."""
    if content.number is not None and content.number > tuple(map(int, ours.split(".")[:2])):
        version = ".".join(map(str, content.number))
        raise UnsupportedEstimator(
            f"the model was written by XGBoost {version}, which is newer than {ours}, which is "
            f"installed; install xgboost>={version}"
        )


def _restore_names(booster: Any, state: Record, content: _Content) -> None:
    """Give a booster its features' names, which old versions kept in the pickle alone."""
    names = state.get("feature_names")
    if booster.feature_names is not None or not isinstance(names, list):
        return
    names = [str(name) for name in names]
    is_unnamed = names == [f"f{column}" for column in range(len(names))]
    is_named_by_default = content.number is None or content.number < _FIRST_WITHOUT_NAMES
    if len(names) == booster.num_features() and not (is_unnamed and is_named_by_default):
        booster.feature_names = names


def _with_wrapper(saved: SavedBooster) -> SavedBooster:
    """Add what a scikit-learn wrapper saved beside its booster, which became less in 2.0."""
    text = saved.booster.attr("scikit_learn")
    if text is None:
        return saved
    try:
        said = json.loads(text)
        kind = _KINDS.get(said.get("_estimator_type", ""), said.get("type", _BOOSTER.name))
        found = said.get("classes_")
        classes = np.array(found) if isinstance(found, list) and found else None
    except (AttributeError, TypeError, ValueError, RecursionError):
        return saved
    if kind not in _KINDS.values():
        return saved
    return replace(
        saved,
        kind=GlobalName("xgboost.sklearn", kind),
        classes_=classes,
        missing=_number(said.get("missing")),
        says_missing="missing" in said,
        is_alone=False,
        predicts_all=False,
    )


def _number(missing: Any) -> float | None:
    """A number that means missing beside NaN, if there is one."""
    is_number = isinstance(missing, int | float) and not math.isnan(missing)
    return float(missing) if is_number else None
