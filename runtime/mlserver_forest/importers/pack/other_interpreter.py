"""Answers of the library that wrote a model, in an interpreter that the user names.

It may be a Python of another environment, or ``docker run -i IMAGE python``. It needs NumPy, joblib
and the library that wrote the model, and gets the model and the rows on its standard input.
"""

import io
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.schema.schema import Schema

Answers = tuple[NDArray[Any], NDArray[np.intp]]
_SECONDS = 600
_NO_CLASSES = np.empty(0, np.intp)
# Python 2.7 and 3, with the NumPy and joblib of their time.
_SCRIPT = """
import io, sys, warnings
import numpy
warnings.simplefilter("ignore")
try:
    import joblib
except ImportError:
    from sklearn.externals import joblib
given = numpy.load(io.BytesIO(getattr(sys.stdin, "buffer", sys.stdin).read()))
model = joblib.load(io.BytesIO(given["model"].tobytes()))
if hasattr(model, "n_jobs"):
    model.n_jobs = 1
found = {}
for name in ("predict", "predict_proba", "score_samples", "decision_function"):
    if not hasattr(model, name) or name[:7] != "predict" and not hasattr(model, "offset_"):
        continue
    found[name] = getattr(model, name)(given["x"])
    if found[name].dtype == object:
        found[name] = found[name].astype(str)
found["version"] = numpy.array(str(__import__(type(model).__module__.split(".")[0]).__version__))
out = io.BytesIO()
numpy.savez(out, **found)
getattr(sys.stdout, "buffer", sys.stdout).write(out.getvalue())
"""


def ask_interpreter(
    command: str, path: Path, x: NDArray[Any], schema: Schema
) -> tuple[Answers, str]:
    """Let another interpreter load the model and answer.

    Args:
        command: the interpreter, with its options.
        path: the model's file, whose code that interpreter runs.
        x: (n_samples, n_features) rows.
        schema: of the imported model.

    Returns:
        The answers as ``fitted_estimator.estimator_answers`` has them, and the library's version.

    Raises:
        UnsupportedEstimator: if it does not start, fails, or answers something else.
    """
    given = io.BytesIO()
    np.savez(given, x=x, model=np.frombuffer(path.read_bytes(), np.uint8))
    try:
        done = subprocess.run(  # noqa: S603  # the user's own command
            [*shlex.split(command), "-c", _SCRIPT],
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


def _answers(found: dict[str, NDArray[Any]], schema: Schema) -> Answers:
    labels = found["predict"]
    if schema.kind == "anomaly_detection":
        values = np.column_stack([found["score_samples"], found["decision_function"]])
        return values, (labels == 1).astype(np.intp)
    if schema.kind != "classification":
        return labels.reshape(len(labels), -1), _NO_CLASSES
    if labels.dtype.kind == "S":  # Python 2's strings.
        labels = np.char.decode(labels, "utf-8")
    known = {label: position for position, label in enumerate(schema.classes)}
    strange = sorted({str(label) for label in labels.tolist() if label not in known})
    if strange:
        raise ValueError(f"there are labels {format_value(strange[:3])} that the model lacks")
    positions = np.array([known[label] for label in labels.tolist()], np.intp)
    return found["predict_proba"], positions
