"""The MLServer runtimes that answer V2 requests with a packed forest."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlserver import MLModel, ModelSettings
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mlserver.utils import get_model_uri
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.artifact.forest_file import load_forest_file
from mlserver_forest.artifact.model_directory import FOREST_FILE
from mlserver_forest.engine.forest import Prediction
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.insight.insights import Insights, insights_from_arrays
from mlserver_forest.insight.traffic_window import Arrivals
from mlserver_forest.model.answers import Answers
from mlserver_forest.schema.output_names import CONTRIBUTIONS, EXPECTED_VALUE, INTERVAL, PREDICT
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.input_tensors import matrix_of
from mlserver_forest.serving.v2.output_tensors import OutputTensor, check_size, output_tensors

# Rows times trees that take about a millisecond; more work leaves the event loop,
# so that health checks are answered meanwhile.
_LARGE = 10_000
_LARGE_SECONDS = 0.001
# Rows that are predicted at a time, so that only what was asked for is kept of them all,
# and fewer where an answer takes longer.
_BLOCK_ROWS = 16_384
_BLOCK_WORK = 4_000_000
_FEWEST_BLOCK_ROWS = 64
_ON_THE_SPOT = KernelThreads()
_EXPLAINED = frozenset({CONTRIBUTIONS, EXPECTED_VALUE})


class ForestModel(MLModel):
    """Serves the forest file that model-settings.json names.

    A request holds either one tensor ``[n, n_features]`` of any name, or one
    tensor ``[n]`` or ``[n, 1]`` per feature, named as the model's metadata name
    them; ``input_tensors`` tells of which datatypes. The outputs are ``predict`` (``[n, 1]``
    class labels as BYTES, INT64 or BOOL, or ``[n, n_targets]`` numbers as FP64), for
    classifiers ``predict_proba`` (``[n, n_classes]`` FP64, columns in the order of the
    classes), and for anomaly detectors ``score_samples`` and ``decision_function``
    (``[n, 1]`` FP64).
    Without ``outputs`` in the request the answer is ``predict``, as with
    ``mlserver_sklearn.SKLearnModel``.

    Attributes:
        kernel: the threads for large requests; one, unless whoever makes the model has more.
        arrivals: counts what is asked and answered, if anybody wants to know.
        schema: of its inputs and outputs, when it is loaded.
        insights: what was learned beside the trees, when it is loaded.
        samples: rows that it is tested with, (n, n_features), when it is loaded.
    """

    schema: Schema
    insights: Insights
    samples: NDArray[Any]

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.kernel = KernelThreads()
        self.arrivals: Arrivals | None = None

    async def load(self) -> bool:
        """Map the forest file and run its self-test.

        Raises:
            InvalidArtifact: if the directory must not be served.
        """
        path = await get_model_uri(self.settings, wellknown_filenames=[FOREST_FILE])
        self.schema = schema_of(self.settings)
        file = await asyncio.to_thread(load_forest_file, Path(path))
        self._forest = file.forest
        self.samples = file.rows
        if self.schema.kind == "unknown":
            raise InvalidArtifact("model-settings.json describes no inputs and their outputs")
        self._check_schema(path)
        self.insights = insights_from_arrays(file.insights, self._forest, self.schema)
        self._outputs = output_tensors(self.schema)
        self._work_per_row = self._forest.n_trees + self._forest.n_features
        self._explained = _EXPLAINED.intersection(self._outputs)
        samples = self.insights.intervals and self.insights.intervals.samples
        self._interval_work = samples.work(self._forest) + self._forest.n_trees if samples else 0
        return True

    def _check_schema(self, path: str) -> None:
        forest, schema = self._forest, self.schema
        row = np.zeros((1, forest.n_features), forest.feature_dtype)
        found = (forest.n_features, forest.feature_dtype, forest.predict(row).values.shape[1])
        expected = (schema.n_features, schema.dtype, schema.n_value_columns)
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
        if self.is_large(payload):
            outputs = await asyncio.to_thread(self._answer, payload, self.kernel)
        else:
            outputs = self._answer(payload, _ON_THE_SPOT)
        return v2_types.inference_response(self.name, self.version, outputs)

    def is_large(self, payload: InferenceRequest) -> bool:
        """Whether a request's work would keep an event loop busy for a millisecond or more."""
        return self._work_of(payload) > _LARGE

    def seconds_for(self, payload: InferenceRequest) -> float:
        """How long a request's work may take, to the order of magnitude."""
        return self._work_of(payload) / _LARGE * _LARGE_SECONDS

    def _work_of(self, payload: InferenceRequest) -> int:
        """Rows times trees and features, and what the outputs take beside them."""
        shape = payload.inputs[0].shape if payload.inputs else []
        n_rows = int(shape[0] if shape else 1)
        if not payload.outputs:
            return n_rows * self._work_per_row
        return n_rows * self._work_for({output.name for output in payload.outputs})

    def _work_for(self, names: Collection[str]) -> int:
        """What outputs take for a row."""
        work = self._work_per_row
        if self._explained.intersection(names):
            work += self._forest.contribution_work
        return work + (self._interval_work if INTERVAL in names else 0)

    def is_quick(self, x: NDArray[Any]) -> bool:
        """Whether rows are of this model's width and dtype, and few enough for an event loop."""
        forest = self._forest
        is_fit = x.shape[1] == forest.n_features and x.dtype == forest.feature_dtype
        is_fit = is_fit and not self.schema.categories
        return is_fit and bool(len(x) * self._work_per_row <= _LARGE)

    def predict_rows(self, x: NDArray[Any]) -> Prediction:
        """The forest's own answer to rows that are as ``is_quick`` and the schema want them."""
        prediction = self._forest.predict(x)
        if self.arrivals is not None:
            self.arrivals.add(x, prediction)
        return prediction

    @property
    def n_trees(self) -> int:
        return self._forest.n_trees

    @property
    def predicts_classes(self) -> bool:
        """Whether ``predict`` is one of a few labels."""
        return bool(self.schema.classes)

    def respond(self, prediction: Prediction) -> InferenceResponse:
        """The response that holds ``predict`` alone."""
        tensor = self._outputs[PREDICT]
        raw = prediction.positions if self.schema.classes else prediction.values
        array = tensor.finished(raw)
        outputs = [tensor.message(array, self._data(array))]
        return v2_types.inference_response(self.name, self.version, outputs)

    def _answer(self, payload: InferenceRequest, kernel: KernelThreads) -> list[ResponseOutput]:
        try:
            tensors = self._requested(payload)
            x = self.schema.conform(matrix_of(payload.inputs, self.schema))
            check_size(tensors, len(x))
        except InvalidInput as error:
            raise InferenceError(str(error)) from error
        arrays = self._arrays(tensors, x, kernel)
        return [
            tensor.message(array, self._data(array))
            for tensor, array in zip(tensors, arrays, strict=True)
        ]

    def _arrays(
        self, tensors: Sequence[OutputTensor], x: NDArray[Any], kernel: KernelThreads
    ) -> list[Column]:
        """Each output's answer, worked out block by block where there are many rows."""
        n_at_once = _BLOCK_WORK // self._work_for({tensor.name for tensor in tensors})
        n_at_once = max(_FEWEST_BLOCK_ROWS, min(_BLOCK_ROWS, n_at_once))
        if len(x) <= n_at_once:
            answers = Answers(x, self._forest, self.insights, kernel)
            self._count(answers)
            return [tensor.finished(tensor.answer(answers)) for tensor in tensors]
        raw = [tensor.empty(len(x)) for tensor in tensors]
        for start in range(0, len(x), n_at_once):
            cancellation.check()
            rows = slice(start, start + n_at_once)
            answers = Answers(x[rows], self._forest, self.insights, kernel)
            for array, tensor in zip(raw, tensors, strict=True):
                array[rows] = tensor.answer(answers)
            self._count(answers)
        return [tensor.finished(array) for tensor, array in zip(tensors, raw, strict=True)]

    def _count(self, answers: Answers) -> None:
        if self.arrivals is not None:
            self.arrivals.add(answers.x, answers.prediction)

    def _requested(self, payload: InferenceRequest) -> list[OutputTensor]:
        if not payload.outputs:
            return [self._outputs[PREDICT]]
        try:
            return [self._outputs[output.name] for output in payload.outputs]
        except KeyError as error:
            raise InvalidInput(
                f"output {format_value(error.args[0])} was requested; "
                f"this model's outputs are {', '.join(self._outputs)}"
            ) from error

    def _data(self, array: Column) -> Any:
        """A flat list, text as bytes, because MLServer's encoders cannot write arrays."""
        if isinstance(array, Labels):
            return [label.encode() for label in array]
        return array.ravel().tolist()


class ArrayForestModel(ForestModel):
    """The same with its outputs as arrays, for a server that encodes them.

    Numbers have the shape that the outputs declare; text labels are ``Labels``.
    """

    def _data(self, array: Column) -> Any:
        return array


def schema_of(settings: ModelSettings) -> Schema:
    """The schema that a model's settings describe.

    Raises:
        InvalidArtifact: if their metadata is not what ``Schema`` writes.
    """
    return from_metadata(
        [tensor.model_dump(mode="json") for tensor in settings.inputs],
        [tensor.model_dump(mode="json") for tensor in settings.outputs],
    )
