"""ForestModel: the MLServer runtime that answers V2 requests with a packed forest."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from mlserver import MLModel, ModelSettings
from mlserver.errors import InferenceError
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    ResponseOutput,
    TensorData,
)
from mlserver.utils import get_model_uri
from numpy.typing import NDArray

from mlserver_forest.artifact import FOREST_FILE
from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.forest.forest import Prediction
from mlserver_forest.forest_file import load_forest
from mlserver_forest.formats import v2_tensor
from mlserver_forest.schema import PREDICT, Schema, from_metadata

# Rows times trees that take about a millisecond; more work leaves the event loop,
# so that health checks are answered meanwhile.
_LARGE = 10_000


class ForestModel(MLModel):
    """Serves the forest file that model-settings.json names.

    A request holds either one tensor ``[n, n_features]`` of any name, or one
    tensor ``[n]`` or ``[n, 1]`` per feature, named as the model's metadata name
    them, of any numeric datatype. The outputs are ``predict`` (``[n, 1]`` class labels
    as BYTES, INT64 or BOOL, or ``[n, n_targets]`` numbers as FP64), for classifiers
    ``predict_proba`` (``[n, n_classes]`` FP64, columns in the order of the classes), and
    for anomaly detectors ``score_samples`` and ``decision_function`` (``[n, 1]`` FP64).
    Without ``outputs`` in the request the answer is ``predict``, as with
    ``mlserver_sklearn.SKLearnModel``.
    """

    async def load(self) -> bool:
        """Map the forest file and run its self-test.

        Raises:
            InvalidArtifact: if the directory must not be served.
        """
        path = await get_model_uri(self.settings, wellknown_filenames=[FOREST_FILE])
        self._schema = schema_of(self.settings)
        self._forest = await asyncio.to_thread(load_forest, Path(path))
        if self._schema.kind == "unknown":
            raise InvalidArtifact("model-settings.json describes no inputs and their outputs")
        self._check_schema(path)
        self._labels = [
            label.encode() if isinstance(label, str) else label for label in self._schema.classes
        ]
        return True

    def _check_schema(self, path: str) -> None:
        forest, schema = self._forest, self._schema
        row = np.zeros((1, forest.n_features), forest.feature_dtype)
        found = (forest.n_features, forest.feature_dtype, forest.predict(row).values.shape[1])
        expected = (schema.n_features, schema.dtype, schema.n_columns)
        if found != expected:
            raise InvalidArtifact(
                f"{path} and its model-settings.json do not belong together: {found[0]} "
                f"{found[1]} features and {found[2]} outputs against {expected[0]} {expected[1]} "
                f"and {expected[2]}"
            )

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request.

        Raises:
            InferenceError: (status 400) naming what came and what was expected.
        """
        try:
            names = self._requested_outputs(payload)
            x = self._schema.conform(_matrix(payload.inputs, self._schema))
        except InvalidInput as error:
            raise InferenceError(str(error)) from error
        if len(x) * self._forest.n_trees > _LARGE:
            outputs = await asyncio.to_thread(self._outputs, names, x)
        else:
            outputs = self._outputs(names, x)
        return InferenceResponse.model_construct(
            model_name=self.name, model_version=self.version, outputs=outputs
        )

    def _requested_outputs(self, payload: InferenceRequest) -> list[str]:
        names = [output.name for output in payload.outputs or []] or [PREDICT]
        unknown = [name for name in names if name not in self._schema.output_names]
        if unknown:
            raise InvalidInput(
                f"output {unknown[0]!r} was requested; "
                f"this model's outputs are {', '.join(self._schema.output_names)}"
            )
        return names

    def _outputs(self, names: list[str], x: NDArray[Any]) -> list[ResponseOutput]:
        prediction = self._forest.predict(x)
        return [self._output(name, prediction) for name in names]

    def _output(self, name: str, prediction: Prediction) -> ResponseOutput:
        """A V2 output; as lists, because MLServer's encoders cannot write arrays."""
        schema = self._schema
        if name == PREDICT and self._labels:
            data: list[Any] = [self._labels[i] for i in prediction.positions.tolist()]
            columns = 1
        else:
            values = prediction.values[:, schema.score_columns.get(name, slice(None))]
            data = values.ravel().tolist()
            columns = values.shape[1]
        datatype = schema.label_datatype if name == PREDICT else "FP64"
        return ResponseOutput.model_construct(
            name=name,
            shape=[len(prediction.values), columns],
            datatype=datatype,
            parameters=Parameters.model_construct(
                content_type="str" if datatype == "BYTES" else "np"
            ),
            data=TensorData.model_construct(root=data),
        )


def schema_of(settings: ModelSettings) -> Schema:
    """The schema that a model's settings describe.

    Raises:
        InvalidArtifact: if their metadata is not what ``Schema`` writes.
    """
    return from_metadata(
        [tensor.model_dump(mode="json") for tensor in settings.inputs],
        [tensor.model_dump(mode="json") for tensor in settings.outputs],
    )


def _matrix(inputs: list[RequestInput], schema: Schema) -> NDArray[Any]:
    """The one matrix, or the features' columns side by side in the schema's order."""
    if not inputs:
        raise InvalidInput(f"the request has no inputs; the model expects {schema.describe()}")
    if len(inputs) == 1:
        (only,) = inputs
        array = _array(only)
        # A matrix may have any name, a feature's too; a column must have its feature's.
        if array.shape[1:] == (schema.n_features,) or only.name not in schema.feature_names:
            return array
    positions = schema.positions([tensor.name for tensor in inputs], "the request")
    columns = [_column(inputs[position]) for position in positions]
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise InvalidInput(f"the features have different numbers of rows: {sorted(lengths)}")
    return np.column_stack(columns)


def _column(tensor: RequestInput) -> NDArray[Any]:
    array = _array(tensor)
    if array.ndim == 0 or array.size != len(array):
        raise InvalidInput(
            f"input {tensor.name!r} has shape {list(array.shape)}; "
            "the tensor of one feature has [n] or [n, 1]"
        )
    return array.ravel()


def _array(tensor: RequestInput) -> NDArray[Any]:
    data = tensor.data.root if isinstance(tensor.data, TensorData) else tensor.data
    datatype = getattr(tensor.datatype, "value", tensor.datatype)
    return v2_tensor.to_array(tensor.name, datatype, tensor.shape, data)
