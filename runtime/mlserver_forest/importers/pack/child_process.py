"""The child process of ``forest pack``: read the model, import it, ask its library, write a draft.

The parent loads the draft as a server would, without the library, and compares.
``python -m mlserver_forest.importers.pack.child_process`` reads a ``PackRequest`` from standard
input, writes lines about its progress to standard output, and a ``PackReport`` beside the draft.
"""

import json
import os
import resource
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import ForestError, InvalidInput, UnsupportedEstimator
from mlserver_forest.formats import registry
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.importers import pickle_file
from mlserver_forest.importers.fitted_estimator import class_of
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack import packing
from mlserver_forest.importers.pack.column_report import describe_columns
from mlserver_forest.importers.pack.expected_answers import compare_expected
from mlserver_forest.importers.pack.failure import describe_exception
from mlserver_forest.importers.pack.model_file import ModelFile, find_model
from mlserver_forest.importers.pack.pickled_schema import columns_by_name, schema_of
from mlserver_forest.importers.pack.proof import ask, ask_elsewhere, hard_rows
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.registry import (
    Importer,
    can_import,
    from_record,
    importer_of,
    refusal,
)
from mlserver_forest.importers.saved_booster import SavedBooster
from mlserver_forest.model.compile_ahead import Say, compile_jobs, jobs_of
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema

REPORT_FILE = "report.json"
ANSWERS_FILE = "answers.npz"
DRAFT = "draft"
_MAX_SAMPLE_BYTES = 1 << 30
# For the libraries and their threads, and for a model that was compressed.
_LEAST_MEMORY = 4 << 30
_MEMORY_PER_BYTE = 200


@dataclass(frozen=True)
class PackRequest:
    """A model to pack, as the parent sends it in JSON.

    Attributes:
        path: the model file, or a folder that holds one.
        folder: where the draft, the answers and the report are written.
        name: the model's name on the V2 protocol.
        sample: a CSV file with rows to compare, or None.
        feature_names: other names for the features, or none.
        class_names: other names for the classes, or none.
        trust_pickle: whether a pickle may be loaded.
        expected: a file with the user's own answers to the sample, or None.
        prove_with: the command of an interpreter that is asked for answers, or an empty string.
        rounds: which rounds of a booster that stopped early answer; empty for its usual ones.
        missing: a number that means missing, or None.
        ignores_extra: whether the server skips named columns that are not features.
    """

    path: str
    folder: str
    name: str
    sample: str | None
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    trust_pickle: bool
    expected: str | None = None
    prove_with: str = ""
    rounds: str = ""
    missing: float | None = None
    ignores_extra: bool = False


@dataclass(frozen=True)
class PackReport:
    """The result, as the child writes it in JSON.

    Attributes:
        error: why nothing was packed; empty if all went well.
        summary: the estimator and the library that read it.
        note: anything else that the user should know.
        tolerance: the tolerance of the comparison; None if a pickle was packed.
        source: whose answers the packed model is compared with.
        agreement: how the user's own answers compare; empty if there are none.
        columns: how each raw column of a pipeline is read.
    """

    error: str = ""
    summary: str = ""
    note: str = ""
    tolerance: float | None = None
    source: str = ""
    agreement: str = ""
    columns: tuple[str, ...] = ()


def run(request: PackRequest, say: Say) -> PackReport:
    """Write a draft of the model directory, and the answers, to ``request.folder``.

    Args:
        request: the model to pack.
        say: is called with lines about the progress.

    Raises:
        UnsupportedEstimator: if the model cannot be read or represented.
        InvalidInput: if the sample is not what the model reads.
    """
    folder = Path(request.folder)
    file = find_model(Path(request.path), folder)
    _limit_memory(file.path.stat().st_size)
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        estimator = _read_pickle(file, request) if file.form.is_pickle else _read(file)
    importer = importer_of(estimator)
    if importer is None:
        raise UnsupportedEstimator(refusal(estimator))
    note = importer.note(recorded)
    if importer.serves_pickles and not can_import(estimator) and hasattr(estimator, "predict"):
        return _pack_pickle(request, importer, estimator, folder, note)
    estimator = _as_requested(importer, estimator, request)
    try:
        model = import_estimator(estimator)
    except UnsupportedEstimator as error:
        if class_of(estimator) not in importer.around_others:
            raise
        if not request.trust_pickle:
            raise UnsupportedEstimator(
                f"this {class_of(estimator)} cannot be packed: {error}. If it comes from a source "
                "that you trust, --trust-pickle packs the pickle for MLServer's own runtime"
            ) from error
        is_record = isinstance(estimator, Record)
        loaded = pickle_file.load(file.path, estimator) if is_record else estimator
        return _pack_pickle(request, importer, loaded, folder, f"it stays a pickle: {error}")
    report = _pack_forest(request, importer, estimator, model, file, folder, say)
    notes = [note, *getattr(estimator, "notes", ())]
    return replace(report, note="; ".join(filter(None, notes)))


def _as_requested(importer: Importer, estimator: Any, request: PackRequest) -> Any:
    """The estimator with the rounds and the missing number that were asked for.

    Raises:
        InvalidInput: if it has nothing of the kind.
    """
    if request.missing is not None and not importer.has_missing_number:
        raise InvalidInput(
            f"--missing is given, but {importer.title} reads no number as missing; leave it out"
        )
    if isinstance(estimator, SavedBooster) and importer.use_all_rounds is not None:
        return estimator.as_requested(request.rounds, request.missing, importer.use_all_rounds)
    if request.rounds or request.missing is not None:
        raise InvalidInput(
            f"--rounds and --missing are for boosters in files of their own library or in pickles, "
            f"not for this {class_of(estimator)}; leave them out"
        )
    return estimator


def _read(file: ModelFile) -> Any:
    """What an importer takes of a file whose library runs no code to read it."""
    found = file.read()
    if not isinstance(found, Record) and importer_of(found) is None:
        raise pickle_file.refuse_other(file.name, found)
    return from_record(found) if can_import(found) else found


def _read_pickle(file: ModelFile, request: PackRequest) -> Any:
    """What an importer takes of a pickle, or what Python loads if the operator trusts it.

    Raises:
        UnsupportedEstimator: if it holds something else, or cannot be read without trust.
    """
    try:
        found = file.read()
    except UnsupportedEstimator:
        if not request.trust_pickle:
            raise
        return pickle_file.load(file.path, None)
    if can_import(found):
        return from_record(found)
    if not request.trust_pickle or not isinstance(found, Record):
        raise pickle_file.refuse_pickle(file.name, found)
    return pickle_file.load(file.path, found)


def _read_by(importer: Importer) -> str:
    return f", read by {importer.title} {importer.version}"


def _pack_forest(
    request: PackRequest,
    importer: Importer,
    estimator: Any,
    found: Model,
    file: ModelFile,
    folder: Path,
    say: Say,
) -> PackReport:
    """Write a draft of a forest, and the answers that it has to give."""
    model = packing.renamed(found, request.feature_names, request.class_names)
    model = replace(model, schema=replace(model.schema, ignores_extra=request.ignores_extra))
    compile_jobs(jobs_of(model.forest), say)
    sample = _read_sample(request.sample, model.schema) if request.sample else None
    rows = hard_rows(model, sample)
    if request.prove_with:
        answers = ask_elsewhere(importer, estimator, request.prove_with, file, found, rows)
    else:
        answers = ask(importer, estimator, model, rows)
    agreement = ""
    if request.expected and sample is not None:
        agreement = compare_expected(Path(request.expected), model, sample)
    packing.write(model, importer, answers, folder / DRAFT, name=request.name)
    np.savez(folder / ANSWERS_FILE, x=answers.x, values=answers.values, positions=answers.positions)
    forest, written_by = model.forest, answers.written_by
    origin = f" of {importer.title} {written_by}" if written_by else _read_by(importer)
    return PackReport(
        summary=f"{class_of(estimator)} with {forest.n_trees:,} trees and {forest.n_nodes:,} "
        f"nodes{origin}",
        tolerance=answers.tolerance,
        source=answers.source,
        agreement=agreement,
        columns=_columns_of(importer, estimator, model),
    )


def _columns_of(importer: Importer, estimator: Any, model: Model) -> tuple[str, ...]:
    says = importer.pipelines.describe(estimator) if importer.pipelines else {}
    return tuple(describe_columns(model, says)) if says else ()


def _limit_memory(n_bytes: int) -> None:
    """Bound this process's memory by the size of the model file.

    A length in a damaged file may name more memory than there is, and not every library compares it
    with the size of the file (XGBoost 3.2, UBJ).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _LEAST_MEMORY + _MEMORY_PER_BYTE * n_bytes
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _read_sample(path: str, schema: Schema) -> NDArray[Any]:
    if os.path.getsize(path) > _MAX_SAMPLE_BYTES:  # noqa: PTH202  # a path in text
        raise InvalidInput(f"{path} has more than {_MAX_SAMPLE_BYTES} bytes; give fewer rows")
    body = Path(path).read_bytes()
    first = body.partition(b"\n")[0].decode("utf-8", "replace").strip().split(",")
    names = {name.strip().strip('"') for name in first}
    header = {"header": "present"} if names & set(schema.feature_names) else {}
    try:
        return RequestDecoder(schema).decode(registry.default(), body, header)
    except InvalidInput as error:
        raise InvalidInput(
            f"{path}: {error}; the sample has the features alone, without the label, and if it "
            "has a header, the names of the features"
        ) from error


def _pack_pickle(
    request: PackRequest, importer: Importer, estimator: Any, folder: Path, note: str
) -> PackReport:
    """Write a draft for MLServer's own runtime, which loads a pickle."""
    if not request.trust_pickle:
        raise UnsupportedEstimator(
            f"a {type(estimator).__name__} is not a tree ensemble, so MLServer's own runtime "
            "would serve it from a pickle, which can run any code; if that is what you want, add "
            "--trust-pickle"
        )
    path = folder / "estimator.joblib"
    pickle_file.write(estimator, path)
    model_directory.save_pickle(
        folder / DRAFT,
        path,
        schema_of(estimator, request.feature_names),
        columns=columns_by_name(estimator, request.feature_names),
        name=request.name,
        versions=[f"{importer.distribution}/{importer.version}"],
    )
    return PackReport(summary=f"{class_of(estimator)}{_read_by(importer)}", note=note)


def _progress() -> Say:
    """Say lines to the parent; what libraries print from now on is not for it."""
    to_parent = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123  # not a file of ours
        os.dup2(nothing.fileno(), 1)

    def say(line: str) -> None:
        print(line, file=to_parent)

    return say


def main(text: str) -> None:
    """Run a request given as JSON, and write the report beside the draft."""
    given: Mapping[str, Any] = json.loads(text)
    request = PackRequest(**given)
    try:
        _limit_memory(0)
        report = run(request, _progress())
    except (ForestError, OSError) as error:
        report = PackReport(error=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # Libraries raise anything.
        limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
        report = PackReport(error=describe_exception(request.path, error, limit))
    (Path(request.folder) / REPORT_FILE).write_text(json.dumps(asdict(report)))


if __name__ == "__main__":
    main(sys.stdin.read())
