"""The MLServer runtimes: a V2 request -> the matrix -> a ``Model`` -> a V2 response."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlserver import MLModel, ModelSettings
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mlserver.utils import get_model_uri
from numpy.typing import NDArray

from mlserver_forest.artifact.model_directory import FOREST_FILE, load_model
from mlserver_forest.engine.forest import Prediction
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.insight.traffic_window import TrafficWindow
from mlserver_forest.model.model import Model
from mlserver_forest.schema.output_names import PREDICT
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.input_tensors import matrix_of
from mlserver_forest.serving.v2.output_tensors import output_tensor

# Walks down a tree that take about a millisecond. More work leaves the event loop, so that
# health checks are answered meanwhile.
_LARGE = 10_000
_LARGE_SECONDS = 0.001


class ForestModel(MLModel):
    """Serves the forest file that model-settings.json names.

    A request holds either one tensor ``[n, n_features]`` of any name, or one tensor ``[n]`` or
    ``[n, 1]`` for each feature, named as in the model's metadata; ``input_tensors.py`` says which
    datatypes it may have. The outputs are ``predict`` (``[n, 1]`` class labels as BYTES, INT64 or
    BOOL, or ``[n, n_targets]`` numbers as FP64), for classifiers ``predict_proba``
    (``[n, n_classes]`` FP64, columns in the order of the classes), for anomaly detectors
    ``score_samples`` and ``decision_function`` (``[n, 1]`` FP64), and the model's insights. A
    request without ``outputs`` gets ``predict``, as from ``mlserver_sklearn.SKLearnModel``.

    Attributes:
        threads: the threads for large requests; one, unless the owner of the model has more.
        traffic: counts rows and predictions for drift, if it is set.
        model: what answers, once it is loaded.
    """

    model: Model

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.threads = KernelThreads()
        self.traffic: TrafficWindow | None = None

    async def load(self) -> bool:
        """Map the forest file and run its self-test.

        Raises:
            InvalidArtifact: if the directory must not be served.
        """
        path = await get_model_uri(self.settings, wellknown_filenames=[FOREST_FILE])
        self.model = await asyncio.to_thread(load_model, Path(path), schema_of(self.settings))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request.

        Raises:
            InferenceError: (status 400) naming what came and what was expected.
        """
        if self.is_large(payload):
            outputs = await asyncio.to_thread(self._answer, payload, self.threads)
        else:
            outputs = self._answer(payload, None)
        return v2_types.inference_response(self.name, self.version, outputs)

    def is_large(self, payload: InferenceRequest) -> bool:
        """Whether a request would keep an event loop busy for a millisecond or more."""
        return self._work_of(payload) > _LARGE

    def seconds_for(self, payload: InferenceRequest) -> float:
        """How long a request may take, to the order of magnitude."""
        return self._work_of(payload) / _LARGE * _LARGE_SECONDS

    def is_quick(self, x: NDArray[Any]) -> bool:
        """Whether rows need no conversion, and are few enough for an event loop."""
        forest = self.model.forest
        is_fit = x.shape[1] == forest.n_features and x.dtype == forest.feature_dtype
        is_fit = is_fit and not self.model.schema.categories
        return is_fit and bool(len(x) * self.model.work_per_row <= _LARGE)

    def predict_rows(self, x: NDArray[Any]) -> Prediction:
        """The forest's prediction for rows that ``is_quick`` accepts and the schema allows."""
        prediction = self.model.forest.predict(x)
        if self.traffic is not None:
            self.traffic.add(x, prediction)
        return prediction

    def respond(self, prediction: Prediction) -> InferenceResponse:
        """The response that holds ``predict`` alone."""
        output = self.model.outputs[PREDICT]
        is_class = output.classes.size > 0
        column = output.finish(prediction.positions if is_class else prediction.values)
        outputs = [output_tensor(output, column, self._data(column))]
        return v2_types.inference_response(self.name, self.version, outputs)

    def _work_of(self, payload: InferenceRequest) -> int:
        """The work of a request, in walks down a tree."""
        shape = payload.inputs[0].shape if payload.inputs else []
        n_rows = int(shape[0] if shape else 1)
        if not payload.outputs:
            return n_rows * self.model.work_per_row
        return n_rows * self.model.work_for({output.name for output in payload.outputs})

    def _answer(
        self, payload: InferenceRequest, threads: KernelThreads | None
    ) -> list[ResponseOutput]:
        model = self.model
        try:
            names = _requested(payload, model)
            x = model.schema.conform(matrix_of(payload.inputs, model.schema))
            observe = self.traffic.add if self.traffic is not None else None
            columns = model.answer(x, names, threads, observe)
        except InvalidInput as error:
            raise InferenceError(str(error)) from error
        outputs = model.outputs
        return [
            output_tensor(outputs[name], column := columns[name], self._data(column))
            for name in names
        ]

    def _data(self, column: Column) -> Any:
        """A flat list, text as bytes, because MLServer's encoders cannot write arrays."""
        if isinstance(column, Labels):
            return [label.encode() for label in column]
        return column.ravel().tolist()


class ArrayForestModel(ForestModel):
    """As ``ForestModel``, with outputs as arrays, for a server that encodes them itself.

    Numbers have the shape that the outputs declare; text labels are ``Labels``.
    """

    def _data(self, column: Column) -> Any:
        return column


def schema_of(settings: ModelSettings) -> Schema:
    """The schema that a model's settings describe.

    Raises:
        InvalidArtifact: if ``v2_metadata`` cannot have written their metadata.
    """
    return from_metadata(
        [tensor.model_dump(mode="json") for tensor in settings.inputs],
        [tensor.model_dump(mode="json") for tensor in settings.outputs],
    )


def _requested(payload: InferenceRequest, model: Model) -> Sequence[str]:
    if not payload.outputs:
        return (PREDICT,)
    names = [output.name for output in payload.outputs]
    model.check_names(names)
    return names
