"""Requests of many formats and sizes, a few of them wrong, with scikit-learn's answers."""

import io
import json

import numpy as np

from .load import post
from .load.questions import ErrorWith, Json, JsonLines, Npy, Outputs

_ROUNDS = 100
_PER_ROUND = 20
_MANY_ROWS, _LARGE_ROWS = 500, 20_000


def mixed(scene, large_every=1_000):
    """2,000 requests: one of 20 is wrong, one of 20 has 500 rows, one of ``large_every``
    20,000; the others are small, in five formats.
    """
    makers = [_csv, _csv, _json, _lines, _npy, _v2]
    questions = []
    for number in range(_ROUNDS * _PER_ROUND):
        flower = number * 7 % len(scene.rows)
        if number % large_every == 0:
            questions.append(_csv(scene, 0, _LARGE_ROWS))
        elif number % _PER_ROUND == 1:
            questions.append(_wrong(scene, flower, number // _PER_ROUND))
        elif number % _PER_ROUND == 2:
            questions.append(_csv(scene, flower, _MANY_ROWS))
        else:
            questions.append(makers[number % len(makers)](scene, flower))
    order = np.random.default_rng(0).permutation(len(questions))
    return tuple(questions[number] for number in order)


def _flowers(scene, first, count):
    return [(first + i) % len(scene.rows) for i in range(count)]


def _csv(scene, first, count=1):
    flowers = _flowers(scene, first, count)
    body = "".join(scene.rows[i] + "\n" for i in flowers).encode()
    right = "".join(scene.labels[i] + "\n" for i in flowers).encode()
    return post("/invocations", body, "text/csv", right=right)


def _values(scene, first, count):
    return [[float(v) for v in scene.rows[i].split(",")] for i in _flowers(scene, first, count)]


def _predictions(scene, first, count):
    return [
        {
            "predicted_label": scene.labels[i],
            "probabilities": scene.probabilities[i].tolist(),
        }
        for i in _flowers(scene, first, count)
    ]


def _json(scene, first, count=3):
    body = json.dumps({"instances": _values(scene, first, count)}).encode()
    check = Json({"predictions": _predictions(scene, first, count)})
    return post("/invocations", body, "application/json", check=check)


def _lines(scene, first, count=3):
    lines = [json.dumps({"features": row}) for row in _values(scene, first, count)]
    check = JsonLines(_predictions(scene, first, count))
    return post("/invocations", "\n".join(lines).encode(), "application/jsonlines", check=check)


def _npy(scene, first, count=3):
    file = io.BytesIO()
    np.save(file, np.array(_values(scene, first, count), np.float32))
    check = Npy([scene.labels[i] for i in _flowers(scene, first, count)])
    return post("/invocations", file.getvalue(), "application/x-npy", check=check)


def _v2(scene, first, count=3):
    rows = _values(scene, first, count)
    tensor = {"name": "X", "shape": [count, len(rows[0])], "datatype": "FP32", "data": rows}
    outputs = [{"name": "predict"}, {"name": "predict_proba"}]
    body = json.dumps({"id": "load", "inputs": [tensor], "outputs": outputs}).encode()
    flowers = _flowers(scene, first, count)
    labels = [scene.labels[i] for i in flowers]
    check = Outputs(
        {"predict": labels, "predict_proba": scene.probabilities[flowers].ravel().tolist()}
    )
    return post("/v2/models/forest/infer", body, "application/json", check=check)


def _wrong(scene, flower, number):
    row = scene.rows[flower]
    wrongs = [
        (row.rpartition(",")[0], "text/csv", 400, "row 1 has 3 values"),
        (row + "x", "text/csv", 400, "is not a number"),
        ('{"instances": [', "application/json", 400, ""),
        (row, "image/png", 415, ""),
    ]
    body, media_type, status, words = wrongs[number % len(wrongs)]
    check = ErrorWith(words)
    return post("/invocations", body.encode(), media_type, status=status, check=check)
