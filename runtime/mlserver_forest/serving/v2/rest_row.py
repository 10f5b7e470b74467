"""The short path for V2 requests in JSON that hold one plain row, as most of them do.

They have one tensor of numbers in the model's datatype, and no parameters or outputs. They need
none of MLServer's types, and a classifier's response is the same for each row of a class, but for
its id. All others take the ordinary path, whose responses have the same bytes
(tests/contract/test_both_ways.py).
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.formats.v2 import v2_json
from mlserver_forest.serving.http.response import JSON_HEADERS
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.plain_row import plain_row
from mlserver_forest.serving.models.runtime import ForestRuntime
from mlserver_forest.serving.pipeline import Headers, Inference
from mlserver_forest.serving.v2.rest_codec import encode_infer, new_id

_OF_REQUEST = frozenset({"id", "inputs"})
_OF_TENSOR = frozenset({"name", "shape", "datatype", "data"})
_NUMBERS = frozenset({int, float})


class RESTRows:
    """Reads one-row requests, and writes their responses."""

    def __init__(self) -> None:
        # What stands before and behind the id, by the position of the class.
        self._responses: WeakKeyDictionary[ForestRuntime, dict[int, tuple[bytes, bytes]]] = (
            WeakKeyDictionary()
        )

    def inference(self, document: Any, model: LoadedModel, version: str | None) -> Inference | None:
        """The inference for a request; None if it is not one plain row.

        Args:
            document: the parsed JSON.
            model: the model that answers.
            version: the version, if the request names one.
        """
        runtime = model.runtime
        if not isinstance(runtime, ForestRuntime):
            return None
        x = _row(document, runtime)
        if x is None:
            return None
        id_ = document.get("id") or new_id()
        infer, write = partial(runtime.predict_rows, x), partial(self._write, runtime, id_)
        return Inference(model, version, 1, runtime.seconds(1, ()), infer, write, id=id_)

    def _write(
        self, runtime: ForestRuntime, id_: str, prediction: Prediction
    ) -> tuple[Headers, Iterable[bytes]]:
        if not runtime.model.schema.classes:
            return encode_infer(runtime.respond(prediction), id_)
        known = self._responses.setdefault(runtime, {})
        position = int(prediction.positions[0])
        if position not in known:
            mark = new_id()
            text = b"".join(encode_infer(runtime.respond(prediction), mark)[1])
            before, _, behind = text.partition(v2_json.dumps(mark))
            known[position] = before, behind
        before, behind = known[position]
        return JSON_HEADERS, (before, v2_json.dumps(id_), behind)


def _row(document: Any, runtime: ForestRuntime) -> NDArray[Any] | None:
    schema = runtime.model.schema
    if not schema.takes_numbers_as_they_are or type(document) is not dict:
        return None
    inputs, id_ = document.get("inputs"), document.get("id", "")
    if document.keys() - _OF_REQUEST or type(inputs) is not list or len(inputs) != 1:
        return None
    tensor, width = inputs[0], schema.n_features
    if type(id_) is not str or type(tensor) is not dict or tensor.keys() != _OF_TENSOR:
        return None
    return plain_row(tensor["data"], schema) if _is_plain(tensor, schema.datatype, width) else None


def _is_plain(tensor: Mapping[str, Any], datatype: str, width: int) -> bool:
    """Whether a tensor is one row of numbers, and has any name."""
    shape, data = tensor["shape"], tensor["data"]
    return (
        tensor["datatype"] == datatype
        and shape == [1, width]
        and type(shape[0]) is type(shape[1]) is int
        and type(tensor["name"]) is str
        and type(data) is list
        and width > 1
        and _NUMBERS.issuperset(map(type, data))
    )
