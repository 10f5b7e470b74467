"""Requests to MLServer's runtimes, mutated: bytes, JSON values, media types."""

import io
import json
import random

import numpy as np
import pandas as pd

ROWS = [[5.9, 3.0, 5.1, 1.8], [4.9, 3.1, 1.5, 0.1]]
FRAME = pd.DataFrame({"age": [31.0, 55.0], "town": ["Wien", "Linz"]})
VALUES = (
    *(None, True, False, 0, -1, 1e308, -1e-320, 2**63, 10**30, "", "x", "1", "NaN", "\u0000"),
    *([], {}, [[]], [None], ["a", 1], {"a": 1}, [[1, 2], [3]], "base64", "datetime", "pd_json"),
    *("FP16", "BOOL", "INT8", "BYTES", "UINT64", "np", "pd", "str", "hg_json", "nothing"),
)
TOKENS = (
    b",",
    b"\n",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"null",
    b"1e999",
    b"NaN",
    b"\xff",
    b"\x00",
)
MEDIA_TYPES = (
    "text/csv",
    "text/csv; header=present",
    "application/json",
    "application/jsonlines",
    "application/x-npy",
    "application/x-npz",
    "application/x-parquet",
    "application/vnd.apache.arrow.stream",
    "application/x-recordio-protobuf",
    "text/libsvm",
)


def tensor(name, datatype, shape, data, **parameters):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **parameters}


def seeds():
    """Requests that are good for some runtime: path below the model, media type, body."""
    numbers = [value for row in ROWS for value in row]
    messages = (
        {"inputs": [tensor("x", "FP64", [2, 4], numbers)], "outputs": [{"name": "predict"}]},
        {
            "inputs": [tensor("x", "FP32", [2, 4], numbers, parameters={"content_type": "np"})],
            "parameters": {"content_type": "np"},
            "id": "1",
        },
        {
            "inputs": [
                tensor("age", "FP64", [2, 1], [31, 55]),
                tensor(
                    "town", "BYTES", [2, 1], ["Wien", "Linz"], parameters={"content_type": "str"}
                ),
            ],
            "parameters": {"content_type": "pd"},
        },
    )
    npy, parquet = io.BytesIO(), io.BytesIO()
    np.save(npy, np.array(ROWS))
    FRAME.to_parquet(parquet)
    found = [("infer", "application/json", json.dumps(each).encode()) for each in messages]
    found += [("invoke", media_type, body) for _, media_type, body in found]
    csv = "\n".join(",".join(map(str, row)) for row in ROWS).encode()
    found += [
        ("invoke", "text/csv", csv),
        ("invoke", "text/csv; header=present", FRAME.to_csv(index=False).encode()),
        ("invoke", "application/json", json.dumps({"instances": ROWS}).encode()),
        ("invoke", "application/json", FRAME.to_json(orient="records").encode()),
        ("invoke", "application/json", FRAME.to_json(orient="split", index=False).encode()),
        ("invoke", "application/jsonlines", "\n".join(map(json.dumps, ROWS)).encode()),
        ("invoke", "application/x-npy", npy.getvalue()),
        ("invoke", "application/x-parquet", parquet.getvalue()),
    ]
    return found


def mutated(chance):
    """One request, mutated one to four times."""
    route, media_type, body = chance.choice(SEEDS)
    for _ in range(chance.randint(1, 4)):
        body = chance.choice(MUTATIONS)(body, chance)
    if chance.random() < 0.1:
        media_type = chance.choice(MEDIA_TYPES)
    return route, media_type, body


def changed_value(body, chance):
    """A JSON document with another value somewhere; other bodies lose a byte."""
    try:
        document = json.loads(body)
    except ValueError:
        return without_bytes(body, chance)
    holder = document
    while isinstance(holder, dict | list) and holder:
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or chance.random() < 0.2:
            if isinstance(holder, dict) and chance.random() < 0.2:
                del holder[key]
            else:
                holder[key] = chance.choice(VALUES)
            break
        holder = holder[key]
    return json.dumps(document).encode()


def without_bytes(body, chance):
    start = chance.randint(0, len(body))
    return body[:start] + body[start + chance.randint(1, 8) :]


def with_token(body, chance):
    place = chance.randint(0, len(body))
    return body[:place] + chance.choice(TOKENS) + body[place:]


def with_other_byte(body, chance):
    if not body:
        return b"x"
    place = chance.randrange(len(body))
    return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]


def twice(body, chance):
    return body + chance.choice((b"", b"\n")) + body


SEEDS = seeds()
MUTATIONS = (changed_value, changed_value, without_bytes, with_token, with_other_byte, twice)


def requests(n, seed):
    """Some requests, by the seed."""
    chance = random.Random(seed)  # noqa: S311  # reproducible
    return (mutated(chance) for _ in range(n))
