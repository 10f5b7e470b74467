"""What the child process does: read the model, import it, ask its library, write a draft.

The parent loads the draft as a server would, without the library, and compares.
``python -m mlserver_forest.importers.pack.child_process`` reads a ``Request`` from standard
input and writes a ``Report`` beside the draft.
"""

import json
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import ForestError, InvalidInput, UnsupportedEstimator, format_value
from mlserver_forest.formats.csv import text_csv
from mlserver_forest.importers.importer import ImportedModel, can_import, import_estimator
from mlserver_forest.importers.pack.model_file import find_model
from mlserver_forest.importers.pack.proof import Answers, ask, hard_rows
from mlserver_forest.importers.pack.read_estimator import (
    read_model,
    version_of,
    write_pickle,
    written_by,
)
from mlserver_forest.schema.schema import Schema

REPORT_FILE = "report.json"
ANSWERS_FILE = "answers.npz"
_SELF_TEST_ROWS = 17
_MAX_SAMPLE_BYTES = 1 << 30
_LIBRARIES = {"sklearn": "scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM"}


@dataclass(frozen=True)
class Request:
    """What is to be packed, as JSON hands it to the child."""

    path: str
    folder: str
    name: str
    sample: str | None
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    trust_pickle: bool


@dataclass(frozen=True)
class Report:
    """What the child found.

    Attributes:
        error: why nothing was packed; empty if all went well.
        summary: the estimator and the library that read it, in a sentence.
        note: what the user should know besides.
        tolerance: of the comparison; None if it is a pickle that was packed.
    """

    error: str = ""
    summary: str = ""
    note: str = ""
    tolerance: float | None = None


def run(request: Request) -> Report:
    """Write a draft of the model directory, and the answers, to ``request.folder``.

    Raises:
        UnsupportedEstimator: if the model cannot be read or represented.
        InvalidInput: if the sample is not what the model reads.
    """
    folder = Path(request.folder)
    file = find_model(Path(request.path), folder)
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        estimator = read_model(file, trust_pickle=request.trust_pickle)
    library = type(estimator).__module__.split(".")[0]
    name = type(estimator).__name__
    read_by = f"{_LIBRARIES.get(library, library)} {version_of(library)}"
    written = written_by(recorded)
    note = f"it was written with scikit-learn {written}" if written else ""
    if library == "sklearn" and not can_import(estimator) and hasattr(estimator, "predict"):
        _pack_pickle(request, estimator, folder)
        return Report(summary=f"{name}, read by {read_by}", note=note)
    imported = _named(import_estimator(estimator), request)
    sample = _read_sample(request.sample, imported.schema) if request.sample else None
    exact = library == "sklearn" and imported.forest.postprocessor.name == "identity"
    answers = ask(estimator, hard_rows(imported, sample), imported.schema, exact=exact)
    _write_draft(request, imported, answers, folder, library)
    forest = imported.forest
    return Report(
        summary=f"{name} with {forest.n_trees:,} trees and {len(forest.nodes):,} nodes, "
        f"read by {read_by}",
        note=note,
        tolerance=answers.tolerance,
    )


def _named(imported: ImportedModel, request: Request) -> ImportedModel:
    """With the names of features and classes that the user gave."""
    changes: dict[str, Any] = {}
    for given, own, key in (
        (request.feature_names, imported.schema.feature_names, "feature_names"),
        (request.class_names, imported.schema.classes, "classes"),
    ):
        if given and len(given) != len(own):
            option = key.replace("feature_names", "feature-names").replace("classes", "class-names")
            raise UnsupportedEstimator(
                f"--{option} names {len(given)}, but the model has {len(own)}: "
                f"{format_value(list(own[:8]))}"
            )
        if given:
            changes[key] = tuple(given)
    return replace(imported, schema=replace(imported.schema, **changes))


def _read_sample(path: str, schema: Schema) -> NDArray[Any]:
    if os.path.getsize(path) > _MAX_SAMPLE_BYTES:  # noqa: PTH202  # a path in text
        raise InvalidInput(f"{path} has more than {_MAX_SAMPLE_BYTES} bytes; give fewer rows")
    body = Path(path).read_bytes()
    first = body.partition(b"\n")[0].decode("utf-8", "replace").strip().split(",")
    names = {name.strip().strip('"') for name in first}
    header = {"header": "present"} if names & set(schema.feature_names) else {}
    try:
        return schema.conform(text_csv.decode(body, schema, header))
    except InvalidInput as error:
        raise InvalidInput(
            f"{path}: {error}; the sample has the features alone, without the label, and if it "
            "has a header, the names of the features"
        ) from error


def _write_draft(
    request: Request, imported: ImportedModel, answers: Answers, folder: Path, library: str
) -> None:
    recorded = {"sklearn": "scikit-learn"}.get(library, library)
    model_directory.save(
        folder / "draft",
        imported.forest,
        imported.schema,
        name=request.name,
        versions=[
            f"mlserver-forest/{version('mlserver-forest')}",
            f"{recorded}/{version_of(library)}",
            f"numpy/{version('numpy')}",
        ],
        self_test=_self_test(imported, answers),
    )
    np.savez(folder / ANSWERS_FILE, x=answers.x, values=answers.values, positions=answers.positions)


def _self_test(imported: ImportedModel, answers: Answers) -> tuple[NDArray[Any], NDArray[Any]]:
    """The draft's own rows; whether the library agrees is for the parent to tell."""
    rows = answers.x[np.linspace(0, len(answers.x) - 1, _SELF_TEST_ROWS).astype(int)]
    return rows, imported.forest.predict(rows).values


def _pack_pickle(request: Request, estimator: Any, folder: Path) -> None:
    """For MLServer's own runtime, which loads a pickle."""
    if not request.trust_pickle:
        raise UnsupportedEstimator(
            f"a {type(estimator).__name__} is no tree ensemble, and MLServer's runtime serves it "
            "from a pickle, which can run any code; if that is what you want, add --trust-pickle"
        )
    path = folder / "estimator.joblib"
    write_pickle(estimator, path)
    model_directory.save_pickle(
        folder / "draft",
        path,
        _schema_of(estimator, request),
        name=request.name,
        versions=[f"scikit-learn/{version('scikit-learn')}"],
    )


def _schema_of(estimator: Any, request: Request) -> Schema:
    """What such an estimator tells of its features and classes; no features if nothing."""
    names = request.feature_names or getattr(estimator, "feature_names_in_", ())
    if not len(names) and hasattr(estimator, "n_features_in_"):
        names = [f"feature_{column}" for column in range(estimator.n_features_in_)]
    classes: tuple[Any, ...] = tuple(getattr(estimator, "classes_", np.empty(0)).tolist())
    usable = {type(label) for label in classes} in ({str}, {int}, {bool}, set())
    if not names or not usable or (classes and not hasattr(estimator, "predict_proba")):
        return Schema((), "unknown", datatype="FP64")
    kind: Any = "classification" if classes else "regression"
    return Schema(tuple(map(str, names)), kind, classes, "FP64")


def main(text: str) -> None:
    """Run a request given as JSON and write the report beside the draft."""
    given: Mapping[str, Any] = json.loads(text)
    request = Request(**given)
    try:
        report = run(request)
    except (ForestError, OSError) as error:
        report = Report(error=str(error))
    (Path(request.folder) / REPORT_FILE).write_text(json.dumps(asdict(report)))


if __name__ == "__main__":
    main(sys.stdin.read())
