"""A V2 request and its answer, as the runtime of another library got and gave them."""

from math import prod
from typing import Any

from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, ResponseOutput

# Of the objects of a request, and of each value, about: text is longer, numbers are shorter.
_OVERHEAD_BYTES = 2_000
_VALUE_BYTES = 16

Tensor = RequestInput | ResponseOutput


class ObservedMessage:
    """What was asked and answered.

    Attributes:
        n_rows: the rows of the first input.
        n_bytes: the memory that both take, about.
        inputs: the tensors of the request that have a value, or several, for each row.
        outputs: those of the answer.
    """

    __slots__ = ("inputs", "n_bytes", "n_rows", "outputs")

    def __init__(self) -> None:
        self.n_rows = 0
        self.n_bytes = _OVERHEAD_BYTES
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(self, request: InferenceRequest, response: InferenceResponse) -> None:
        """Keep a request and its answer, which are not to be changed afterwards."""
        shape = request.inputs[0].shape if request.inputs else []
        self.n_rows = shape[0] if shape else 1
        self.inputs = self._of_rows(request.inputs)
        self.outputs = self._of_rows(response.outputs)
        tensors = (*self.inputs, *self.outputs)
        self.n_bytes += sum(prod(tensor.shape) for tensor in tensors) * _VALUE_BYTES

    def _of_rows(self, tensors: Any) -> list[Any]:
        return [one for one in tensors if list(one.shape[:1]) == [self.n_rows]]
