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

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import forests_in
from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers import skops_file
from mlserver_forest.importers.catboost import catboost_library, catboost_model
from mlserver_forest.importers.fitted_estimator import Answers, class_of, module_of
from mlserver_forest.importers.lightgbm import lightgbm_booster, saved_text
from mlserver_forest.importers.onnx import onnx_file, onnx_model
from mlserver_forest.importers.pickles.pickle_reader import is_pickle, read_pickle
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn import restored_estimator, scikit_learn_model
from mlserver_forest.importers.xgboost import saved_model, xgboost_booster
from mlserver_forest.model.model import Model
from mlserver_forest.optional_library import is_installed
from mlserver_forest.schema.schema import Schema

# How many of a file's first bytes ``FileFormat.matches`` is given.
HEAD_BYTES = 512
# Of a model with a forest that adds up in float32.
_FLOAT32_TOLERANCE = 1e-6


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
        can_be_asked: whether an estimator in memory takes the rows of the packed model.
    """

    version_of: Callable[[Record], str]
    restore: Callable[[Record], Any]
    walk: Callable[[Record, NDArray[Any], Schema], Answers]
    can_be_asked: Callable[[Any], bool] = lambda _: True


@dataclass(frozen=True)
class PipelineSupport:
    """How a library's estimators are treated that prepare raw rows themselves.

    Attributes:
        describe: for each raw column of an estimator, its name and what is done with it; empty if
            the estimator prepares nothing.
        rows: raw rows for an estimator, or its record, and rows of ``X`` of its model: a data frame
            or an array; None if the estimator prepares nothing.
        ask: answers for rows as a user has them; like ``estimator_answers``.
    """

    describe: Callable[[Any], Mapping[str, str]]
    rows: Callable[[Any, NDArray[Any]], Any]
    ask: Callable[[Any, Any, Schema], Answers]


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
        around_others: the classes among ``class_names`` whose estimators stand around others, which
            may be of a kind that cannot be packed.
        records: how estimators are read from records, which ``to_model`` then takes.
        use_all_rounds: makes a booster of the library forget the round at which it stopped early.
        has_missing_number: whether a number may mean missing in its models.
        unpickle: makes what ``to_model`` and ``answers`` take from the record of an estimator; None
            if they take records.
        script: what another interpreter runs to load and ask a booster (``--prove-with``): the
            functions ``load_booster(path)`` and ``ask_booster(booster, x, n_rounds)``, for Python
            2.7 and later; the second returns arrays named as the arguments of ``booster_answers``.
        pipelines: for a library whose estimators may prepare raw rows.
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
    around_others: tuple[str, ...] = ()
    records: RecordSupport | None = None
    use_all_rounds: Callable[[Any], None] | None = None
    has_missing_number: bool = False
    unpickle: Callable[[Record], Any] | None = None
    script: str = ""
    pipelines: PipelineSupport | None = None
    answered_by: str = ""
    note: Callable[[Sequence[WarningMessage]], str] = _no_note

    @property
    def version(self) -> str:
        """The installed version of the library, or "(not installed)"."""
        if not is_installed(self.module):
            return "(not installed)"
        return str(import_module(self.module).__version__)

    def raw_rows(self, estimator: Any, x: NDArray[Any]) -> Any:
        """Raw rows for an estimator that prepares them; None for any other."""
        return self.pipelines.rows(estimator, x) if self.pipelines else None

    def wrote(self, found: Any) -> bool:
        """Whether the installed version wrote a booster, as far as that is known."""
        written_by = getattr(found, "written_by", "")
        return not written_by or is_version(self.version, written_by)

    def tolerance_for(self, model: Model) -> float:
        """How far the values of a packed model may differ."""
        dtypes = [forest.leaf_values.dtype for forest, _ in forests_in(model.forest)]
        if np.float32 in dtypes:
            return max(self.tolerance, _FLOAT32_TOLERANCE)
        is_exact = isinstance(model.forest, Forest) and model.forest.is_sum
        return 0.0 if self.has_exact_sums and is_exact else self.tolerance


IMPORTERS: tuple[Importer, ...] = (
    Importer(
        module="sklearn",
        title="scikit-learn",
        distribution="scikit-learn",
        class_names=scikit_learn_model.CLASS_NAMES,
        to_model=lambda estimator: scikit_learn_model.to_model(estimator, import_member),
        answers=scikit_learn_model.answers,
        tolerance=1e-12,
        has_exact_sums=True,
        hints=scikit_learn_model.HINTS,
        serves_pickles=True,
        around_others=tuple(scikit_learn_model.META_ESTIMATORS),
        records=RecordSupport(
            version_of=scikit_learn_model.version_of,
            restore=lambda record: restored_estimator.restore(record, restore_member),
            walk=lambda record, x, schema: scikit_learn_model.walk(
                record, x, schema, import_member
            ),
        ),
        pipelines=PipelineSupport(
            describe=lambda estimator: scikit_learn_model.describe(estimator, import_member),
            rows=lambda estimator, x: scikit_learn_model.raw_rows(estimator, x, import_member),
            ask=scikit_learn_model.ask_raw,
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
                "an XGBoost UBJ, JSON or binary file", saved_model.is_model, saved_model.read
            ),
        ),
        use_all_rounds=xgboost_booster.use_all_rounds,
        has_missing_number=True,
        unpickle=saved_model.unpickle,
        script=xgboost_booster.SCRIPT,
    ),
    Importer(
        module="lightgbm",
        title="LightGBM",
        distribution="lightgbm",
        class_names=lightgbm_booster.CLASS_NAMES,
        to_model=lightgbm_booster.to_model,
        answers=lightgbm_booster.answers,
        tolerance=1e-6,
        files=(FileFormat("a LightGBM text file", saved_text.is_model, saved_text.read),),
        use_all_rounds=lightgbm_booster.use_all_rounds,
        unpickle=saved_text.unpickle,
        script=lightgbm_booster.SCRIPT,
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
    Importer(
        module="catboost",
        title="CatBoost",
        distribution="catboost",
        class_names=catboost_model.CLASS_NAMES,
        to_model=catboost_model.to_model,
        answers=catboost_library.answers,
        tolerance=1e-6,
        files=(
            FileFormat("a CatBoost cbm file", catboost_model.is_cbm, catboost_model.read),
            FileFormat("a CatBoost JSON file", catboost_model.is_json, catboost_model.read),
        ),
        records=RecordSupport(
            version_of=catboost_model.version_of,
            restore=catboost_library.restore,
            walk=catboost_model.walk,
            can_be_asked=catboost_library.can_be_asked,
        ),
    ),
)

# Libraries that are recognized in order to say what to do instead.
UNSUPPORTED_LIBRARIES: Mapping[str, str] = {
    "sklearnex": "its trees are scikit-learn's: move them to scikit-learn's own class, as "
    "docs/bring-your-own-model.md shows",
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
    # A binary model may begin as a pickle does: its first bytes are a number.
    return (*(form for one in IMPORTERS for form in one.files), *shared)


def format_of(head: bytes) -> FileFormat | None:
    """The form of a file that begins with ``head``, or None."""
    return next((form for form in file_formats() if form.matches(head)), None)


def is_version(version: str, written_by: str) -> bool:
    """Whether a version is the one that wrote a model, of which a file may say a part: "1.5"."""
    return f"{version}.".startswith(f"{written_by}.")


def importer_of(estimator: Any) -> Importer | None:
    """The library of an estimator, or None if it is not registered."""
    library = module_of(estimator)
    return next((one for one in IMPORTERS if one.module == library), None)


def can_import(estimator: Any) -> bool:
    """Whether an estimator, or its record, is of a class that can be packed."""
    importer = importer_of(estimator)
    return importer is not None and class_of(estimator) in importer.class_names


def require_importer(estimator: Any) -> Importer:
    """The library of an estimator of a class that can be packed.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    importer = importer_of(estimator)
    if importer is None or not can_import(estimator):
        raise UnsupportedEstimator(refusal(estimator))
    return importer


def import_member(estimator: Any) -> Model:
    """Read an estimator, or its record, that stands in an estimator of another library.

    Raises:
        UnsupportedEstimator: if it cannot be packed.
    """
    return require_importer(estimator).to_model(from_record(estimator))


def restore_member(record: Record) -> Any:
    """What stands for an estimator of another library in one of scikit-learn, to be asked.

    Returns:
        An estimator that asks that library; None for any other record.

    Raises:
        UnsupportedEstimator: if the version that wrote it cannot be asked.
    """
    importer = importer_of(record)
    if importer is None or importer.serves_pickles:
        return None
    from mlserver_forest.importers.scikit_learn.member_stand_in import stand_in, unfitted

    try:
        found = from_record(record)
        schema = importer.to_model(found).schema
    except UnsupportedEstimator:
        return unfitted()
    asked = found if importer.records is None else importer.records.restore(record)
    if asked is None or not importer.wrote(found):
        raise UnsupportedEstimator(f"this {importer.title} cannot be asked about a {record.name}")
    return stand_in(lambda x: importer.answers(asked, x, schema), schema)


def from_record(estimator: Any) -> Any:
    """What an importer takes in the place of a record: the record, or the booster in it.

    Raises:
        UnsupportedEstimator: if the booster cannot be loaded.
    """
    importer = importer_of(estimator)
    if not isinstance(estimator, Record) or importer is None or importer.unpickle is None:
        return estimator
    return importer.unpickle(estimator)


def refusal(estimator: Any) -> str:
    """The message for an estimator, or its record, that cannot be packed."""
    library, name = module_of(estimator), class_of(estimator)
    importer = importer_of(estimator)
    hint = UNSUPPORTED_LIBRARIES.get(library, "")
    if importer is not None:
        hint = importer.hints.get(name, "")
    *others, last = (one.title for one in IMPORTERS)
    return (
        f"{library}'s {name} cannot be packed{hint and '; '}{hint}; expected a tree ensemble of "
        f"{', '.join(others)} or {last}, or an estimator of scikit-learn around some"
    )
