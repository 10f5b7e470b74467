"""How a script's requests are read and its answers written if it does not do so itself.

The media types, the shapes and the texts are those of AWS's scikit-learn image
(sagemaker-containers 2.8.6, ``_encoders.py``; sagemaker-inference 1.10, ``decoder.py``) and, for an
XGBoost booster, of its XGBoost image (``encoder.py``).
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import (
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    UnsupportedMediaType,
    format_value,
)
from mlserver_forest.formats.parsing import SERVING
from mlserver_forest.serving.models.raw_answer import to_json

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
NPZ = "application/x-npz"
LIBSVM = ("text/libsvm", "text/x-libsvm")
# Bodies that scripts get as text; the comparison is exact, as in AWS's images.
TEXT_TYPES = (JSON, CSV)
ANY = "*/*"


def decode(body: str | bytes, content_type: str) -> Any:
    """Read a body as AWS's scikit-learn image does for a script without ``input_fn``.

    Args:
        body: text or bytes.
        content_type: the header; parameters after the media type do not matter.

    Returns:
        Numbers from text as float32 (n_samples, n_features), one list of numbers being one row;
        the array in npy as it is; a sparse matrix from npz.

    Raises:
        UnsupportedMediaType: if it is not one of JSON, CSV, npy and npz.
        ValueError: if the body is not what its type says.
    """
    read = _DECODERS.get(_essence(content_type))
    if read is None:
        raise UnsupportedMediaType(
            f"Content-Type {format_value(content_type)} is not read by a script without input_fn; "
            f"send {', '.join(_DECODERS)}, or define input_fn"
        )
    return read(body)


def decode_for_booster(body: str | bytes, content_type: str) -> Any:
    """Read a body as AWS's XGBoost image does: as a ``DMatrix``; an empty value is missing.

    Raises:
        UnsupportedMediaType: if it is neither CSV nor libsvm.
        ValueError: if the body is not what its type says.
    """
    import xgboost

    essence = _essence(content_type)
    if essence == CSV:
        rows = [line.split(",") for line in _text(body).strip().split("\n")]
        return xgboost.DMatrix(_parsed([[value.strip() or "nan" for value in row] for row in rows]))
    if essence in LIBSVM:
        return xgboost.DMatrix(_libsvm(_text(body)))
    raise UnsupportedMediaType(
        f"Content-Type {format_value(content_type)} is not read for an XGBoost booster by a script "
        f"without input_fn; send {', '.join((CSV, *LIBSVM))}, or define input_fn"
    )


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """Write a prediction as AWS's images do for a script without ``output_fn``.

    Args:
        prediction: an array, or what ``numpy.array`` takes.
        accept: the media types that the client accepts, separated by commas.

    Returns:
        The body and its media type.

    Raises:
        NotAcceptable: if none of the media types is JSON, CSV or npy.
    """
    for accepted in accept.split(","):
        essence = _essence(accepted)
        media_type = JSON if essence == ANY else essence
        write = _ENCODERS.get(media_type)
        if write is not None:
            return write(prediction), media_type
    raise NotAcceptable(
        f"Accept {format_value(accept)} is not written by a script without output_fn; accept "
        f"{', '.join(_ENCODERS)}, or define output_fn"
    )


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8")


def _numbers(values: Any) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.ndim == 1:
        array = array.reshape(1, -1)
    return array.astype(np.float32)


def _from_csv(body: str | bytes) -> NDArray[np.float32]:
    return _parsed([line.split(",") for line in _text(body).splitlines() if line.strip()])


def _parsed(rows: list[list[str]]) -> NDArray[np.float32]:
    """Numbers in text, all rows of the same length.

    Raises:
        InvalidInput: naming the first row that is too long or short, or the first value.
    """
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise InvalidInput(f"row {number} has {len(row)} values; row 1 has {len(rows[0])}")
    try:
        return np.array(rows).astype(np.float32)
    except ValueError:
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                if not _is_number(value):
                    raise InvalidInput(
                        f"row {number}, column {column}: {format_value(value)} is not a number"
                    ) from None
        raise


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_npy(body: str | bytes) -> NDArray[Any]:
    content = body.encode() if isinstance(body, str) else body
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))


def _from_npz(body: str | bytes) -> Any:
    import scipy.sparse

    content = body.encode() if isinstance(body, str) else body
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inflated = sum(member.file_size for member in archive.infolist())
    most = SERVING.most_expanded(len(content))
    if inflated > most:
        raise PayloadTooLarge(
            f"the archive of {len(content)} bytes inflates to {inflated}; at most {most} are "
            "allowed; send fewer rows at a time"
        )
    return scipy.sparse.load_npz(io.BytesIO(content))


def _libsvm(text: str) -> NDArray[np.float64]:
    """Rows of ``index:value``; indices begin at 1 unless one of them is 0."""
    rows = [
        {int(index): float(value) for index, _, value in _pairs(line)}
        for line in text.strip().split("\n")
    ]
    indices = [index for row in rows for index in row]
    if not indices:
        return np.empty((0, 0))
    first = 1 if min(indices) >= 1 else 0
    x = np.zeros((len(rows), max(indices) - first + 1))
    for i, row in enumerate(rows):
        for index, value in row.items():
            x[i, index - first] = value
    return x


def _pairs(line: str) -> list[tuple[str, str, str]]:
    return [token.partition(":") for token in line.split() if ":" in token]


def _to_csv(prediction: Any) -> bytes:
    array = np.asarray(prediction)
    rows = array.reshape(-1, 1) if array.ndim <= 1 else array
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(str, row) for row in rows)
    return text.getvalue().encode()


def _to_npy(prediction: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(prediction), allow_pickle=False)
    return buffer.getvalue()


_DECODERS: Mapping[str, Callable[[str | bytes], Any]] = {
    JSON: lambda body: _numbers(json.loads(body)),
    CSV: _from_csv,
    NPY: _from_npy,
    NPZ: _from_npz,
}
_ENCODERS: Mapping[str, Callable[[Any], bytes]] = {JSON: to_json, CSV: _to_csv, NPY: _to_npy}
