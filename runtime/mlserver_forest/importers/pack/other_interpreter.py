"""Answers of the library that wrote a model, in an interpreter that the user names.

It may be a Python of another environment, or ``docker run -i IMAGE python``. It needs NumPy, the
library that wrote the model, and joblib if that wrote the file. The model and the rows come on its
standard input.
"""

import io
import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.fitted_estimator import NO_CLASSES, Answers, booster_answers
from mlserver_forest.schema.schema import Schema

_SECONDS = 600
# Python 2.7 and 3, with the NumPy and joblib of their time.
_SCRIPT = """
import importlib, io, json, os, pickle, sys, tempfile, warnings
import numpy
warnings.simplefilter("ignore")
given = numpy.load(io.BytesIO(getattr(sys.stdin, "buffer", sys.stdin).read()))
x, n_rounds = given["x"], int(given["n_rounds"])
if x.dtype.kind == "U":  # Raw rows, column by column.
    raw = json.loads(str(x))
    x = numpy.array(raw["columns"], object).T
    if raw["names"] is not None:
        import pandas
        x = pandas.DataFrame(dict(zip(raw["names"], raw["columns"])), columns=raw["names"])
handle, path = tempfile.mkstemp()
with os.fdopen(handle, "wb") as file:
    file.write(given["model"].tobytes())

def unpickled():
    for name in ("joblib", "sklearn.externals.joblib"):
        try:
            return importlib.import_module(name).load(path)
        except ImportError:
            continue
    with open(path, "rb") as file:  # Enough for a booster.
        return pickle.load(file)

SCRIPT

def ask(model):
    if type(model).__name__ == "Booster":
        return ask_booster(model, x, n_rounds)
    if hasattr(model, "n_jobs"):
        model.n_jobs = 1
    found = {}
    for name in ("predict", "predict_proba", "score_samples", "decision_function"):
        if not hasattr(model, name) or name[:7] != "predict" and not hasattr(model, "offset_"):
            continue
        found[name] = getattr(model, name)(x)
        if found[name].dtype == object:
            found[name] = found[name].astype(str)
    return found

try:
    model = unpickled() if given["is_pickle"] else load_booster(path)
    found = ask(model)
finally:
    os.remove(path)
version = __import__(type(model).__module__.split(".")[0]).__version__
out = io.BytesIO()
numpy.savez(out, version=numpy.array(str(version)), **found)
getattr(sys.stdout, "buffer", sys.stdout).write(out.getvalue())
"""
_PLACE = "SCRIPT"


@dataclass(frozen=True)
class Question:
    """A model that another interpreter is asked about.

    Attributes:
        path: its file, whose code that interpreter runs if it is a pickle.
        is_pickle: whether it is one.
        script: ``Importer.script`` of the model's library.
        n_rounds: how many rounds of a booster are asked; 0 for all.
    """

    path: Path
    is_pickle: bool
    script: str
    n_rounds: int = 0


def ask_interpreter(
    command: str, question: Question, rows: Any, schema: Schema
) -> tuple[Answers, str]:
    """Let another interpreter load the model and answer.

    Args:
        command: the interpreter, with its options.
        question: the model.
        rows: (n_samples, n_features) numbers, or raw rows: a data frame, or an array of objects.
        schema: of the imported model.

    Returns:
        The answers as ``fitted_estimator.estimator_answers`` has them, and the library's version.

    Raises:
        UnsupportedEstimator: if it does not start, fails, or answers something else.
    """
    if not question.is_pickle and not question.script:
        raise UnsupportedEstimator(
            "--prove-with loads pickles and joblib files, and the files of XGBoost and LightGBM; "
            "save the estimator with joblib, or give answers of your own with --expect"
        )
    given = io.BytesIO()
    np.savez(
        given,
        x=_sent(rows),
        model=np.frombuffer(question.path.read_bytes(), np.uint8),
        is_pickle=np.array(question.is_pickle),
        n_rounds=np.array(question.n_rounds),
    )
    try:
        done = subprocess.run(  # noqa: S603  # the user's own command
            [*shlex.split(command), "-c", _SCRIPT.replace(_PLACE, question.script)],
            input=given.getvalue(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsupportedEstimator(f"--prove-with {command}: {error}") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise UnsupportedEstimator(
            f"--prove-with {command}: the interpreter ended with exit code {done.returncode} "
            f"({last[0]}); it needs numpy, joblib and the library that wrote the model"
        )
    try:
        found = dict(np.load(io.BytesIO(done.stdout), allow_pickle=False))
        version = found["version"].item()
        return _answers(found, schema), version.decode() if isinstance(version, bytes) else version
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise UnsupportedEstimator(
            f"--prove-with {command}: its answers are not arrays ({error}); it must not print "
            "anything else to standard output"
        ) from error


def _sent(rows: Any) -> NDArray[Any]:
    """Numbers as they are, and raw rows in JSON, which has numbers to the last bit."""
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        return rows
    names = list(getattr(rows, "columns", ())) or None
    columns = [rows[name] for name in names] if names else list(rows.T)
    listed = [column.tolist() for column in columns]
    return np.array(json.dumps({"names": names, "columns": listed}))


def _answers(found: dict[str, NDArray[Any]], schema: Schema) -> Answers:
    if "values" in found:
        return booster_answers(found["values"], schema, found.get("margins"))
    labels = found["predict"]
    if schema.kind == "anomaly_detection":
        values = np.column_stack([found["score_samples"], found["decision_function"]])
        return values, (labels == 1).astype(np.intp)
    if schema.kind != "classification":
        return labels.reshape(len(labels), -1), NO_CLASSES
    if labels.dtype.kind == "S":  # Python 2's strings.
        labels = np.char.decode(labels, "utf-8")
    known = {label: position for position, label in enumerate(schema.classes)}
    strange = sorted({str(label) for label in labels.tolist() if label not in known})
    if strange:
        raise ValueError(f"there are labels {format_value(strange[:3])} that the model lacks")
    positions = np.array([known[label] for label in labels.tolist()], np.intp)
    return found["predict_proba"], positions
