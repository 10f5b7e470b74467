"""The V2 outputs of a forest: what of its predictions each one holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from mlserver.types import Parameters, ResponseOutput
from numpy.typing import NDArray

from mlserver_forest import messages
from mlserver_forest.forest.forest import Prediction
from mlserver_forest.formats import v2_tensor
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.schema import PREDICT, Schema

_NO_CLASSES = np.empty(0)


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output.

    Attributes:
        name: such as ``predict_proba``.
        datatype: a V2 name.
        parameters: for MLServer's codecs.
        columns: of a prediction's values; unused where there are classes.
        classes: where the output is the class of each row, the labels, (n_classes,).
    """

    name: str
    datatype: str
    parameters: Parameters
    columns: slice
    classes: NDArray[Any]

    def empty(self, n_rows: int) -> NDArray[Any]:
        """Room for what ``raw`` gives for so many rows."""
        if self.classes.size:
            return np.empty(n_rows, np.min_scalar_type(self.classes.size))
        return np.empty((n_rows, self.columns.stop - self.columns.start))

    def raw(self, prediction: Prediction) -> NDArray[Any]:
        """Each row's numbers, (n, width), or the position of its class, (n,)."""
        return prediction.positions if self.classes.size else prediction.values[:, self.columns]

    def finished(self, raw: NDArray[Any]) -> Column:
        """Numbers (n, width), or labels in place of positions: text (n,), others (n, 1)."""
        if not self.classes.size:
            return raw
        if self.classes.dtype.kind == "O":
            return Labels(raw, self.classes)
        return np.asarray(self.classes[raw[:, None]])

    def message(self, array: Column, data: Any) -> ResponseOutput:
        """The V2 output of an array, with its data as the server writes them."""
        shape = [len(array), 1] if isinstance(array, Labels) else list(array.shape)
        return messages.response_output(self.name, shape, self.datatype, data, self.parameters)


def output_tensors(schema: Schema) -> dict[str, OutputTensor]:
    """A model's outputs by name."""
    dtype = v2_tensor.DTYPES.get(schema.label_datatype, np.dtype(object))
    classes = np.array(schema.classes, dtype)
    codec = "str" if schema.label_datatype == v2_tensor.BYTES else "np"
    predict = OutputTensor(
        PREDICT,
        schema.label_datatype,
        messages.content_type(codec),
        slice(0, schema.n_targets),
        classes,
    )
    numbers = messages.content_type("np")
    scores = {
        name: OutputTensor(name, "FP64", numbers, columns, _NO_CLASSES)
        for name, columns in schema.score_columns.items()
    }
    return {PREDICT: predict, **scores}
