"""The calls that the page shows, for a terminal: ``calls.js`` writes the same texts.

``tests/browser/test_playground_page.py`` compares the two.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mlserver_forest.formats.registry import default

Value = float | int | bool | str | None
_SPECIAL = frozenset('",\r\n')


def whole_row(document: Mapping[str, Any]) -> Sequence[Value]:
    """The last sample without missing values, or else the last one.

    Args:
        document: of a model, as ``document.describe`` makes it.
    """
    samples: Sequence[Sequence[Value]] = document["samples"]
    if not samples:
        return [0] * document["n_features"]
    return next((row for row in reversed(samples) if None not in row), samples[-1])


def curl_csv(document: Mapping[str, Any], row: Sequence[Value], origin: str) -> str:
    """SageMaker's route, with the row as a line of CSV.

    Args:
        document: of the model.
        row: a value for each feature.
        origin: the server's address, without a slash at the end.
    """
    return _curl(origin + document["routes"]["invocations"], default().media_type, csv_line(row))


def curl_v2(document: Mapping[str, Any], row: Sequence[Value], origin: str) -> str:
    """V2 over REST; arguments as for ``curl_csv``."""
    body = _json(v2_body(document, row))
    return _curl(origin + document["routes"]["infer"], "application/json", body)


def python_grpc(document: Mapping[str, Any], row: Sequence[Value], target: str) -> str:
    """Python code for V2 over gRPC; arguments as for ``curl_csv``, but ``target`` is host:port."""
    (tensor,) = v2_body(document, row)["inputs"]
    dtype = {"FP32": "np.float32", "FP64": "np.float64", "BYTES": "object"}[tensor["datatype"]]
    values = ", ".join("np.nan" if value is None else repr(value) for value in tensor["data"])
    return "\n".join(
        [
            "import numpy as np",
            "import tritonclient.grpc as v2",
            f'x = v2.InferInput("X", {tensor["shape"]}, "{tensor["datatype"]}")',
            f"x.set_data_from_numpy(np.array([[{values}]], {dtype}))",
            f"client = v2.InferenceServerClient({json.dumps(target)})",
            f'print(client.infer({json.dumps(document["name"])}, [x]).as_numpy("predict"))',
            "",
        ]
    )


def v2_body(document: Mapping[str, Any], row: Sequence[Value]) -> dict[str, Any]:
    """The V2 request: one matrix, which holds text if a feature has categories."""
    values = [_shortest(value) for value in row]
    datatype = document["datatype"]
    if any("categories" in feature for feature in document["features"] or ()):
        datatype, values = "BYTES", ["" if value is None else _text(value) for value in values]
    kinds = {
        "classification": ["predict", "predict_proba"],
        "anomaly_detection": ["predict", "score_samples"],
    }
    outputs = list(kinds.get(document["kind"], ["predict"]))
    outputs += [name for name in document["insights"] if name == "contributions"]
    matrix = {"name": "X", "shape": [1, len(values)], "datatype": datatype, "data": values}
    return {"inputs": [matrix], "outputs": [{"name": name} for name in outputs]}


def csv_line(row: Sequence[Value]) -> str:
    """The row as a line of CSV, without its end."""
    return ",".join(map(_csv_field, row))


def _csv_field(value: Value) -> str:
    text = "" if value is None else _text(value)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.intersection(text) else text


def _curl(url: str, content_type: str, body: str) -> str:
    header = f"-H 'Content-Type: {content_type}'"
    return f"curl -s {_quoted(url)} \\\n  {header} \\\n  -d {_quoted(body)}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _text(value: Value) -> str:
    return value if isinstance(value, str) else _json(_shortest(value))


def _shortest(value: Value) -> Value:
    """A whole number without a point, as JavaScript writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_shell(python: str, code: str) -> str:
    """Python code as a command for a shell.

    Args:
        python: the interpreter.
        code: ends with a line end.
    """
    return f"{shlex.quote(python)} - <<'PY'\n{code}PY\n"
