"""The model directory: model-settings.json beside one forest file.

The forest file is a safetensors file: eight bytes that give the length of a JSON
header, the header, and the arrays as they lie in memory. Nothing in it is code, and
it is mapped, not read, so that all processes that serve it share one copy. The
header's ``__metadata__`` holds the format version and the SHA-256 of the whole
file, taken with the digest's own 64 characters set to ``0``. Self-test rows lie
beside the trees with the answers that the training library gave; a file whose
answers differ is refused.
"""

import hashlib
import json
import math
import mmap
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact, UntrustedRuntime
from mlserver_forest.forest.forest import Forest, forest_from_arrays
from mlserver_forest.schema import Schema

FOREST_FILE = "forest.safetensors"
SETTINGS_FILE = "model-settings.json"
FOREST_RUNTIME = "mlserver_forest.ForestModel"
# Runtimes that unpickle what they load, hence run whatever the file says.
PICKLE_RUNTIMES = ("mlserver_sklearn.SKLearnModel",)

_FORMAT = "mlserver-forest"
_FORMAT_VERSION = 1
_NO_DIGEST = "0" * 64
_MAX_HEADER_BYTES = 1 << 20
_MAX_SETTINGS_BYTES = 1 << 25
# The names that the safetensors format gives to dtypes, little-endian.
_DTYPES = {"U32": "<u4", "U64": "<u8", "F32": "<f4", "F64": "<f8"}
_DTYPE_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


def save(
    directory: Path,
    forest: Forest,
    schema: Schema,
    *,
    name: str,
    versions: Sequence[str],
    self_test: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    """Write a model directory.

    Both files are complete on disk before either takes its name, and
    model-settings.json, without which nothing is served, comes last: a process
    killed at any moment leaves a whole model or none.

    Args:
        directory: where; made if missing. An earlier model in it is replaced.
        forest: the trees.
        schema: the features and classes.
        name: the model's name on the V2 protocol.
        versions: the libraries that trained it, such as ``scikit-learn/1.9.1``.
        self_test: rows, float32 (n, n_features), and what the training library
            answers to them, float64 (n, n_outputs).

    Raises:
        InvalidArtifact: if the forest does not reproduce the self-test.
    """
    rows, expected = self_test
    check_answers(forest, rows, expected)
    settings = {
        "name": name,
        "platform": _FORMAT,
        "implementation": FOREST_RUNTIME,
        "versions": list(versions),
        "inputs": schema.inputs(),
        "outputs": schema.outputs(),
        "parameters": {"uri": f"./{FOREST_FILE}"},
    }
    arrays = {**forest.arrays, "self_test_rows": rows, "self_test_answers": expected}
    directory.mkdir(parents=True, exist_ok=True)
    forest_draft = _write_draft(directory, _encode(forest, arrays))
    settings_draft = _write_draft(directory, [json.dumps(settings, indent=2).encode() + b"\n"])
    (directory / SETTINGS_FILE).unlink(missing_ok=True)
    os.replace(forest_draft, directory / FOREST_FILE)
    os.replace(settings_draft, directory / SETTINGS_FILE)


def load_forest(path: Path) -> Forest:
    """Map a forest file into memory and prove that it answers as it did in training.

    Raises:
        InvalidArtifact: if the file is missing, damaged, of a later format, or
            fails its self-test.
    """
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped.
        raise InvalidArtifact(f"the forest file {path} cannot be read: {error}") from error
    try:
        metadata, arrays = _decode(content)
        forest = forest_from_arrays(arrays, int(metadata["shift"]), int(metadata["n_features"]))
        rows, expected = arrays["self_test_rows"], arrays["self_test_answers"]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be understood ({error!r})") from error
    except InvalidArtifact as error:
        raise InvalidArtifact(f"{path}: {error}") from error
    check_answers(forest, rows, expected)
    return forest


def check_answers(
    forest: Forest, rows: NDArray[np.float32], expected: NDArray[np.float64]
) -> None:
    """Compare the forest's answers with the training library's, all together and one by one.

    Raises:
        InvalidArtifact: if any bit differs.
    """
    forest.warm_up()
    try:
        together = forest.predict_values(rows)
        alone = [forest.predict_values(rows[i : i + 1]) for i in range(len(rows))]
    except ValueError as error:
        raise InvalidArtifact(f"the forest's self-test cannot be run: {error}") from error
    same = len(rows) > 0 and np.array_equal(together, expected)
    if not same or not np.array_equal(np.concatenate(alone), expected):
        raise InvalidArtifact(
            "the forest failed its self-test: it does not answer as it did in training; "
            "train or pack the model again with this version"
        )


def read_settings(directory: Path, *, trust_pickle: bool) -> dict[str, Any]:
    """Read model-settings.json and refuse whatever could choose code.

    Args:
        directory: the model directory.
        trust_pickle: whether runtimes that unpickle are allowed.

    Returns:
        The settings as they stand, with ``parameters.uri`` made absolute.

    Raises:
        InvalidArtifact: if there is no model, or its settings cannot be used.
        UntrustedRuntime: if the runtime is unknown, or unpickles and is not allowed.
    """
    path = directory / SETTINGS_FILE
    try:
        with path.open("rb") as file:
            settings = json.loads(file.read(_MAX_SETTINGS_BYTES))
        uri = settings["parameters"]["uri"]
        runtime = settings["implementation"]
        target = (directory / uri).resolve()
    except FileNotFoundError as error:
        raise InvalidArtifact(
            f"no model: {directory} has no {SETTINGS_FILE}; "
            "run `train` first, or mount the folder of a trained model there"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArtifact(
            f"{path} cannot be used ({error!r}); it needs `implementation` and `parameters.uri`"
        ) from error
    _check_runtime(runtime, path, trust_pickle)
    if not target.is_relative_to(directory.resolve()):
        raise InvalidArtifact(f"{path}: parameters.uri {uri!r} leads out of the model's folder")
    settings["parameters"]["uri"] = str(target)
    return dict(settings)


def _check_runtime(runtime: Any, path: Path, trust_pickle: bool) -> None:
    if runtime == FOREST_RUNTIME:
        return
    if runtime not in PICKLE_RUNTIMES:
        known = ", ".join([FOREST_RUNTIME, *PICKLE_RUNTIMES])
        raise UntrustedRuntime(f"{path}: unknown implementation {runtime!r}; expected {known}")
    if not trust_pickle:
        raise UntrustedRuntime(
            f"{path}: {runtime} loads a pickle, and a pickle can run any code; "
            "if you trust this file, set FOREST_TRUST_PICKLE=true"
        )


def _write_draft(directory: Path, parts: Sequence[bytes | memoryview]) -> Path:
    """A complete, synced file under a temporary name that starts with a dot."""
    descriptor, name = tempfile.mkstemp(prefix=".draft-", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # Readable by the user who serves, whoever trained.
            file.writelines(parts)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _encode(forest: Forest, arrays: Mapping[str, NDArray[Any]]) -> list[bytes | memoryview]:
    """The parts of a forest file; wide dtypes come first so that each array is aligned."""
    metadata = {
        "format": _FORMAT,
        "format_version": str(_FORMAT_VERSION),
        "sha256": _NO_DIGEST,
        "shift": str(forest.shift),
        "n_features": str(forest.n_features),
    }
    header: dict[str, Any] = {"__metadata__": metadata}
    data: list[bytes | memoryview] = []
    offset = 0
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
    return parts


def _decode(content: mmap.mmap) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The metadata and the arrays, as read-only views of the mapped file."""
    length = int.from_bytes(content[:8], "little")
    if length > min(_MAX_HEADER_BYTES, len(content) - 8):
        raise InvalidArtifact("not a forest file, or a truncated one; copy it again")
    text = content[8 : 8 + length]
    header = json.loads(text)
    metadata = header.pop("__metadata__")
    if metadata["format"] != _FORMAT:
        raise InvalidArtifact("a safetensors file, but not one that holds a forest")
    if int(metadata["format_version"]) != _FORMAT_VERSION:
        raise InvalidArtifact(
            f"format version {metadata['format_version']}; this version of mlserver-forest reads "
            f"format {_FORMAT_VERSION}; upgrade it or train the model again"
        )
    blank = text.replace(metadata["sha256"].encode(), _NO_DIGEST.encode(), 1)
    view = memoryview(content)
    if _digest([view[:8], blank, view[8 + length :]]) != metadata["sha256"]:
        raise InvalidArtifact("the checksum does not match, so the file is damaged; copy it again")
    start = 8 + length
    return metadata, {name: _array(view, start, entry) for name, entry in header.items()}


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
