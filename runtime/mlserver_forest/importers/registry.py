"""The model libraries, one row each, and the forms of file that hold one of their models.

A row says how a library's files are recognized by their first bytes, how they are read without
running code, which classes are understood, and how exactly the packed model must agree with the
library. Nothing in a file chooses code: only what stands in these tables is ever called.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from warnings import WarningMessage

from numpy.typing import NDArray

from mlserver_forest.importers import (
    lightgbm_booster,
    skops_file,
    xgboost_booster,
)
from mlserver_forest.importers.fitted_estimator import Answers, module_of
from mlserver_forest.importers.onnx import onnx_file, onnx_model
from mlserver_forest.importers.pickles.pickle_reader import is_pickle, read_pickle
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn import restored_estimator, scikit_learn_model
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema

# How many of a file's first bytes ``FileFormat.matches`` is given.
HEAD_BYTES = 512


def _no_note(_: Sequence[WarningMessage]) -> str:
    return ""


@dataclass(frozen=True)
class FileFormat:
    """A form of file that holds one model.

    Attributes:
        title: for error messages, such as "a LightGBM text file".
        matches: recognizes it by the first ``HEAD_BYTES`` bytes.
        read: reads the estimator or booster in it, or raises UnsupportedEstimator. Nothing in the
            file is executed; a pickle is read as a ``Record``.
        is_pickle: whether the library itself could read it only by running the code in it.
    """

    title: str
    matches: Callable[[bytes], bool]
    read: Callable[[Path], Any]
    is_pickle: bool = False


@dataclass(frozen=True)
class RecordSupport:
    """How a library's estimators are read from records; ``Importer.to_model`` takes both.

    Attributes:
        version_of: the version of the library that a record names.
        restore: the estimator of a record, to be asked, or None if this installation cannot
            answer for the version that wrote it.
        walk: answers for rows without the library; like ``estimator_answers``.
    """

    version_of: Callable[[Record], str]
    restore: Callable[[Record], Any]
    walk: Callable[[Record, NDArray[Any], Schema], Answers]


@dataclass(frozen=True)
class Importer:
    """A model library.

    Attributes:
        module: the name it is imported by, which is also how its estimators are recognized.
        title: its name in messages.
        distribution: its name in a model's ``versions``.
        class_names: the classes of estimators and boosters that ``to_model`` understands.
        to_model: a fitted estimator -> the model, or raises UnsupportedEstimator.
        answers: the library's own answers for rows, for the proof; like ``estimator_answers``.
        tolerance: how far the packed model's values may differ, relative to their size or to 1.
        has_exact_sums: whether values that are sums must be equal to the last bit.
        files: the library's own forms of file.
        hints: for classes that cannot be packed, what to do instead.
        serves_pickles: whether MLServer has a runtime that serves its other estimators.
        records: how estimators are read from records, which ``to_model`` then takes.
        unpickle: makes what ``to_model`` and ``answers`` take from the record of an estimator; None
            if they take records.
        answered_by: the name of what answers, if it is not the library itself.
        note: turns the warnings from reading a file into a note for the user, or an empty string.
    """

    module: str
    title: str
    distribution: str
    class_names: tuple[str, ...]
    to_model: Callable[[Any], Model]
    answers: Callable[[Any, NDArray[Any], Schema], Answers]
    tolerance: float
    has_exact_sums: bool = False
    files: tuple[FileFormat, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)
    serves_pickles: bool = False
    records: RecordSupport | None = None
    unpickle: Callable[[Record], Any] | None = None
    answered_by: str = ""
    note: Callable[[Sequence[WarningMessage]], str] = _no_note

    @property
    def version(self) -> str:
        """The installed version of the library; says so if there is none."""
        try:
            return str(import_module(self.module).__version__)
        except ImportError:
            return "(not installed)"

    def tolerance_for(self, model: Model) -> float:
        """How far the values of a packed model may differ."""
        is_sum = model.forest.postprocessor.name == "identity"
        return 0.0 if self.has_exact_sums and is_sum else self.tolerance


IMPORTERS: tuple[Importer, ...] = (
    Importer(
        module="sklearn",
        title="scikit-learn",
        distribution="scikit-learn",
        class_names=tuple(scikit_learn_model.FORESTS),
        to_model=scikit_learn_model.to_model,
        answers=scikit_learn_model.answers,
        tolerance=1e-12,
        has_exact_sums=True,
        hints=scikit_learn_model.HINTS,
        serves_pickles=True,
        records=RecordSupport(
            version_of=scikit_learn_model.version_of,
            restore=restored_estimator.restore,
            walk=scikit_learn_model.walk,
        ),
        note=scikit_learn_model.note,
    ),
    Importer(
        module="xgboost",
        title="XGBoost",
        distribution="xgboost",
        class_names=xgboost_booster.CLASS_NAMES,
        to_model=xgboost_booster.to_model,
        answers=xgboost_booster.answers,
        tolerance=1e-6,
        files=(
            FileFormat(
                "an XGBoost UBJ or JSON file", xgboost_booster.is_model, xgboost_booster.read
            ),
        ),
        unpickle=xgboost_booster.unpickle,
    ),
    Importer(
        module="lightgbm",
        title="LightGBM",
        distribution="lightgbm",
        class_names=lightgbm_booster.CLASS_NAMES,
        to_model=lightgbm_booster.to_model,
        answers=lightgbm_booster.answers,
        tolerance=1e-6,
        files=(
            FileFormat("a LightGBM text file", lightgbm_booster.is_model, lightgbm_booster.read),
        ),
        unpickle=lightgbm_booster.unpickle,
    ),
    Importer(
        module=onnx_file.MODULE,
        title="ONNX",
        answered_by="ONNX Runtime",
        distribution="onnx",
        class_names=onnx_model.CLASS_NAMES,
        to_model=onnx_model.to_model,
        answers=onnx_model.answers,
        tolerance=1e-6,
        files=(FileFormat("an ONNX file", onnx_file.is_model, onnx_file.read),),
        records=RecordSupport(
            version_of=onnx_model.version_of,
            restore=onnx_model.restore,
            walk=onnx_model.walk,
        ),
    ),
)

# Libraries and files that are recognized in order to say what to do instead.
UNSUPPORTED_LIBRARIES: Mapping[str, str] = {
    "catboost": "CatBoost keeps its trees in a form of its own: train with LightGBM or XGBoost",
}
UNSUPPORTED_FILES: Mapping[bytes, str] = {
    b"CBM1": "a CatBoost model; CatBoost keeps its trees in a form of its own, so train with "
    "LightGBM or XGBoost",
    b"binf": "a model in XGBoost's old binary format; load it with the XGBoost that wrote it and "
    "save it again with save_model('model.ubj')",
}


def file_formats() -> tuple[FileFormat, ...]:
    """All forms of file: those that hold any library's estimators, and each library's own."""
    shared = (
        FileFormat(
            "a joblib or pickle file",
            is_pickle,
            read_pickle,
            is_pickle=True,
        ),
        FileFormat("a skops file", skops_file.is_zip, skops_file.read),
    )
    return (*shared, *(form for one in IMPORTERS for form in one.files))


def format_of(head: bytes) -> FileFormat | None:
    """The form of a file that begins with ``head``, or None."""
    return next((form for form in file_formats() if form.matches(head)), None)


def importer_of(estimator: Any) -> Importer | None:
    """The library of an estimator, or None if it is not registered."""
    library = module_of(estimator)
    return next((one for one in IMPORTERS if one.module == library), None)
