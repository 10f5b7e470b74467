"""The forest file: packed trees and their self-test, used in memory as they are.

It is a safetensors file: eight bytes with the length of a JSON header, the header, and the
arrays. Nothing in it is code. It is read once into memory that no other program can reach and that
forked processes share, and is checked there, so that a file that is changed, truncated or replaced
later changes nothing. The header's ``__metadata__`` holds the format version and the SHA-256 of
the whole file, computed with the digest's own 64 characters set to ``0``. Self-test rows lie beside
the trees with the sums that the training library gave; a file that gives other sums is refused.

A file of format 2 holds one forest, a file of format 3 several and how they answer as one: the
description of ``composition/encoding.py`` and the facts of each forest stand in the metadata, and
the arrays of the forest N are named ``forest.N.nodes`` and so on. A file of format 4 is one of
either, whose trees read derived columns of other kinds than look-up tables
(``engine/derived/registry.py``).
"""

import hashlib
import json
import math
import mmap
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact.regular_file import open_regular
from mlserver_forest.composition import encoding
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_error, printable

_FORMAT = "mlserver-forest"
_ONE_FOREST, _COMPOSITION, _DERIVED = 2, 3, 4  # The versions of the format.
_UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError)
_NO_DIGEST = "0" * 64
# Tolerance for exp, which libraries round differently.
_ROUNDING = 1e-6
_MAX_HEADER_BYTES = 1 << 26
# The names that the safetensors format gives to dtypes, little-endian.
_DTYPES = {"U32": "<u4", "U64": "<u8", "F32": "<f4", "F64": "<f8"}
_DTYPE_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_SELF_TEST = ("self_test_rows", "self_test_sums")
_FAILED = (
    "the forest failed its self-test: its answers differ from those in training; "
    "train or pack the model again with this version"
)

Prepare = Callable[[Predictor, Mapping[str, NDArray[Any]]], None]


@dataclass(frozen=True, eq=False)
class ForestFile:
    """The content of a forest file.

    Attributes:
        predictor: the forest, or a composition of several.
        rows: (n, n_features) the rows of the self-test, in the predictor's ``feature_dtype``.
        insights: the other arrays by name: the model's baseline and calibration.
        description: the description that ``encode_forest`` was given.
        sha256: the file's checksum, in hexadecimal digits.
    """

    predictor: Predictor
    rows: NDArray[Any]
    insights: Mapping[str, NDArray[Any]]
    description: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True, eq=False)
class EncodedForest:
    """A forest file that is not written yet.

    Attributes:
        parts: the bytes of the file, in order.
        sha256: the file's checksum, in hexadecimal digits.
    """

    parts: list[bytes]
    sha256: str

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return sum(map(len, self.parts))


def encode_forest(
    predictor: Predictor,
    rows: NDArray[Any],
    answers: NDArray[np.float64],
    insights: Mapping[str, NDArray[Any]],
    description: Mapping[str, Any],
) -> EncodedForest:
    """Encode a forest file.

    Args:
        predictor: the forest, or a composition of several.
        rows: (n, n_features) the rows of the self-test, in the predictor's ``feature_dtype``.
        answers: float64 (n, n_columns), what the training library predicts for them.
        insights: arrays of uint32, uint64, float32 or float64 that are kept beside the trees.
        description: the content of model-settings.json, in case that file is lost.

    Raises:
        InvalidArtifact: if it predicts anything else: to the last bit if predictions are the sums
            of one forest, up to the rounding of ``exp`` if they are not.
    """
    is_exact = isinstance(predictor, Forest) and predictor.is_sum
    tolerance = 0.0 if is_exact else _ROUNDING
    values = predictor.predict(rows).values
    same = values.shape == answers.shape
    if not same or not np.allclose(values, answers, rtol=tolerance, atol=tolerance):
        raise InvalidArtifact(_FAILED)
    sums = predictor.sums(rows)
    _check_sums(predictor, rows, sums)
    own_arrays, facts = _parts_of(predictor)
    arrays = {**own_arrays, **dict(zip(_SELF_TEST, (rows, sums), strict=True)), **insights}
    arrays = {name: array for name, array in arrays.items() if array.size}
    metadata = {"format": _FORMAT, "sha256": _NO_DIGEST, **facts, "model": json.dumps(description)}
    header: dict[str, Any] = {"__metadata__": metadata}
    data = []
    offset = 0
    # Wide dtypes come first, so that each array is aligned.
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].itemsize):
        end = offset + array.nbytes
        header[name] = {
            "dtype": _DTYPE_NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        data.append(np.ascontiguousarray(array).tobytes())
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    parts = [len(text).to_bytes(8, "little"), text, *data]
    digest = _digest(parts)
    parts[1] = text.replace(_NO_DIGEST.encode(), digest.encode(), 1)
    return EncodedForest(parts, digest)


def load_forest(path: Path) -> Predictor:
    """Load only the trees of a file, by any path to it; errors as in ``load_forest_file``."""
    return load_forest_file(path.resolve()).predictor


def load_forest_file(path: Path, prepare: Prepare | None = None) -> ForestFile:
    """Read a forest file, and prove that it answers as it did in training.

    Args:
        path: the file, by its real path; no link is followed.
        prepare: called with the predictor and the insights before the predictor is first used,
            to compile what they need.

    Raises:
        InvalidArtifact: if the file is missing, damaged, or of a later format, or if it fails
            its self-test.
    """
    try:
        content = _read_shared(path)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped.
        raise InvalidArtifact(f"the forest file {path} cannot be read: {error}") from error
    try:
        metadata, arrays = _decode(content)
        predictor = _predictor(metadata, arrays)
        rows, expected = (arrays[name] for name in _SELF_TEST)
        description = dict(json.loads(metadata["model"]))
    except _UNREADABLE as error:
        raise _damaged(path, f"its header cannot be understood ({format_error(error)})") from error
    except InvalidArtifact as error:
        raise InvalidArtifact(f"{path}: {error}") from error
    known = {*_parts_of(predictor)[0], *_SELF_TEST}
    insights = {name: array for name, array in arrays.items() if name not in known}
    if prepare is not None:
        prepare(predictor, insights)
    _check_sums(predictor, rows, expected)
    return ForestFile(predictor, rows, insights, description, metadata["sha256"])


def read_description(path: Path) -> dict[str, Any]:
    """The description in a forest file, by its real path, without loading the file.

    Raises:
        InvalidArtifact: if the file is not a forest file, or has no description.
    """
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _MAX_HEADER_BYTES)))
        description = json.loads(header["__metadata__"]["model"])
        return dict(description)
    except (OSError, *_UNREADABLE) as error:
        raise InvalidArtifact(
            f"{path} does not describe its model, and there is no model-settings.json beside it; "
            "copy that too, or train or pack the model again"
        ) from error


def _read_shared(path: Path) -> memoryview:
    """The bytes of a file, read-only, in memory that forked processes share."""
    with open_regular(path) as file:
        memory = mmap.mmap(-1, os.fstat(file.fileno()).st_size)
        view = memoryview(memory)
        n_read = 0
        while n_read < len(view) and (n_more := file.readinto(view[n_read:])):
            n_read += n_more
    return view[:n_read].toreadonly()


def _check_sums(predictor: Predictor, rows: NDArray[Any], expected: NDArray[Any]) -> None:
    """Compare the sums of trees with those of training, for all rows together and one by one.

    Sums are compared, rather than predictions, because additions give the same bits everywhere.
    """
    if rows.ndim != 2 or rows.shape[1] != predictor.n_features:
        raise InvalidArtifact(
            f"the forest's self-test has shape {list(rows.shape)}; "
            f"the forest reads [n, {predictor.n_features}]"
        )
    predictor.warm_up()
    try:
        together = predictor.sums(rows)
        alone = [predictor.sums(rows[i : i + 1]) for i in range(len(rows))]
    except (InvalidInput, ValueError) as error:
        raise InvalidArtifact(f"the forest's self-test cannot be run: {error}") from error
    same = len(rows) > 0 and np.array_equal(together, expected)
    if not same or not np.array_equal(np.concatenate(alone), expected):
        raise InvalidArtifact(_FAILED)


def _parts_of(predictor: Predictor) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays of a predictor and what else the file says of it; ``_predictor`` reads both."""
    if isinstance(predictor, Forest):
        version = _version_of([predictor], _ONE_FOREST)
        return predictor.arrays, {"format_version": version, **_facts_of(predictor)}
    encoded = encoding.encode(predictor)
    arrays = {
        f"{_name_of(number)}.{name}": array
        for number, forest in enumerate(encoded.forests)
        for name, array in forest.arrays.items()
    }
    return arrays | encoded.arrays, {
        "format_version": _version_of(encoded.forests, _COMPOSITION),
        "composition": json.dumps(encoded.description),
        "forests": json.dumps(list(map(_facts_of, encoded.forests))),
    }


def _predictor(metadata: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> Predictor:
    version = int(metadata["format_version"])
    if version == _ONE_FOREST or (version == _DERIVED and "composition" not in metadata):
        return _forest(metadata, arrays)
    own: dict[str, dict[str, NDArray[Any]]] = defaultdict(dict)
    for name, array in arrays.items():
        forest, _, inner = name.rpartition(".")
        own[forest][inner] = array
    forests = [
        _forest(facts, own[_name_of(number)])
        for number, facts in enumerate(json.loads(metadata["forests"]))
    ]
    return encoding.decode(json.loads(metadata["composition"]), forests, arrays)


def _version_of(forests: Sequence[Forest], least: int) -> str:
    has_kinds = any(forest.derived and forest.derived.has_kinds for forest in forests)
    return str(_DERIVED if has_kinds else least)


def _name_of(forest: int) -> str:
    return f"forest.{forest}"


def _facts_of(forest: Forest) -> dict[str, str]:
    """What is known of a forest beside its arrays; ``_forest`` reads it back."""
    return {
        "n_features": str(forest.n_features),
        "feature_dtype": str(forest.feature_dtype),
        "divisor": repr(forest.divisor),
        "postprocessor": forest.postprocessor.name,
        "postprocessor_scale": repr(forest.postprocessor.scale),
        "postprocessor_offset": repr(forest.postprocessor.offset),
    }


def _forest(facts: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> Forest:
    return Forest.from_arrays(
        arrays,
        n_features=int(facts["n_features"]),
        feature_dtype=facts["feature_dtype"],
        divisor=float(facts["divisor"]),
        postprocessor=Postprocessor(
            facts["postprocessor"],
            float(facts["postprocessor_scale"]),
            float(facts["postprocessor_offset"]),
        ),
    )


def _decode(content: memoryview) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The metadata, and the arrays as read-only views of the content."""
    length = int.from_bytes(content[:8], "little")
    if length > min(_MAX_HEADER_BYTES, len(content) - 8):
        raise InvalidArtifact("not a forest file, or a truncated one; copy it again")
    text = bytes(content[8 : 8 + length])
    header = json.loads(text)
    metadata = header.pop("__metadata__")
    if metadata["format"] != _FORMAT:
        raise InvalidArtifact("a safetensors file, but not one that holds a forest")
    if int(metadata["format_version"]) not in {_ONE_FOREST, _COMPOSITION, _DERIVED}:
        raise InvalidArtifact(
            f"format version {printable(metadata['format_version'], 20)}; this version of "
            f"mlserver-forest reads formats {_ONE_FOREST} to {_DERIVED}; upgrade it or train the "
            "model again"
        )
    blank = text.replace(metadata["sha256"].encode(), _NO_DIGEST.encode(), 1)
    if _digest([content[:8], blank, content[8 + length :]]) != metadata["sha256"]:
        raise InvalidArtifact("the checksum does not match, so the file is damaged; copy it again")
    start = 8 + length
    return metadata, {name: _array(content, start, entry) for name, entry in header.items()}


def _array(view: memoryview, start: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(entry["shape"])
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != end - begin or begin < 0:
        raise ValueError(f"shape {shape} does not fit {end - begin} bytes")
    count = math.prod(shape)
    return np.frombuffer(view, dtype, count, start + begin).reshape(shape)


def _digest(parts: Sequence[bytes | memoryview]) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update(part)
    return sha256.hexdigest()


def _damaged(path: Path, reason: str) -> InvalidArtifact:
    return InvalidArtifact(f"the forest file {path} is damaged: {reason}; copy or train it again")
