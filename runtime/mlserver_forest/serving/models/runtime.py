"""A forest's runtime: a V2 request -> the matrix -> a ``Model`` -> a V2 response."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse, Parameters
from numpy.typing import NDArray

from mlserver_forest.artifact.known_runtimes import find_known
from mlserver_forest.artifact.model_directory import DIGEST_KEY, load_model
from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.formats.predictions import Column
from mlserver_forest.insight.traffic_window import TrafficWindow
from mlserver_forest.model.compile_ahead import preparing
from mlserver_forest.model.model import Model, Observer
from mlserver_forest.schema.output_names import PREDICT
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.served_settings import ServedSettings
from mlserver_forest.serving.observed_rows import ObservedRows
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.input_tensors import matrix_of
from mlserver_forest.serving.v2.output_tensors import output_tensor
from mlserver_forest.serving.v2.understood_parameters import check_parameters

logger = logging.getLogger(__name__)

# Of a runtime that does not describe its rows.
NO_SCHEMA = Schema((), "unknown", datatype="FP64")
# The shape of a feature in metadata.
_COLUMN = [-1, 1]

_SECONDS_PER_WALK = 1e-7  # down a tree
# An answer that takes longer is computed outside the event loop, in several threads.
LONG_SECONDS = 0.001


class ForestRuntime:
    """Serves the forest file that model-settings.json names.

    A request holds either one tensor ``[n, n_features]`` of any name, or one tensor ``[n]`` or
    ``[n, 1]`` for each feature, named as in the model's metadata; ``input_tensors.py`` says which
    datatypes it may have. The outputs are ``predict`` (``[n, 1]`` class labels as BYTES, INT64 or
    BOOL, or ``[n, n_targets]`` numbers as FP64), for classifiers ``predict_proba``
    (``[n, n_classes]`` FP64, columns in the order of the classes), for anomaly detectors
    ``score_samples`` and ``decision_function`` (``[n, 1]`` FP64), and the model's insights. A
    request without ``outputs`` gets ``predict``, as from ``mlserver_sklearn.SKLearnModel``. Numbers
    are arrays of the shapes that the outputs declare; text labels are ``Labels``.

    Args:
        settings: the settings of the model, as MLServer reads them.

    Attributes:
        settings: as given.
        ready: whether the model is loaded.
        threads: the threads for large requests; one by default.
        traffic: counts rows and predictions for drift, if it is set.
        model: the model, once it is loaded.
        body_kind: see ``runtime_interface.Runtime``.
        is_immediate: see there.
        is_awaited: see there.
        takes_headers: see there.
    """

    model: Model
    body_kind = BodyKind.ROWS
    is_immediate = True
    is_awaited = False
    takes_headers = False
    new_observed = ObservedRows

    settings: ServedSettings

    def __init__(self, settings: ServedSettings) -> None:
        self.settings = settings
        self._prepare()

    def _prepare(self) -> None:
        self.ready = False
        self.threads = KernelThreads()
        self.traffic: TrafficWindow | None = None

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.settings.name

    @property
    def version(self) -> str | None:
        """The version of the model, if its settings name one."""
        return self.settings.version

    async def metadata(self) -> MetadataModelResponse:
        """The inputs and outputs of the model, as MLServer's models describe theirs."""
        settings = self.settings
        return MetadataModelResponse(
            name=self.name,
            platform=settings.platform,
            versions=settings.versions,
            inputs=settings.inputs,
            outputs=settings.outputs,
            parameters=Parameters(content_type=settings.parameters.content_type),
        )

    async def unload(self) -> bool:
        """There is nothing to end."""
        return True

    async def load(self) -> bool:
        """Read the forest file, compile what requests can reach, and run the self-test.

        Raises:
            InvalidArtifact: if the directory must not be served.
        """
        path = await self._forest_file()
        parameters = self.settings.parameters
        digest = ((parameters and parameters.extra) or {}).get(DIGEST_KEY)
        schema = schema_of(self.settings)
        self.model = await asyncio.to_thread(
            load_model, path, schema, digest, preparing(logger.info)
        )
        return True

    def infer(
        self, payload: InferenceRequest, observe: Observer | None = None
    ) -> InferenceResponse:
        """Answer a V2 request in the calling thread.

        Args:
            payload: the request.
            observe: called with each block of rows and its prediction.

        Raises:
            InvalidInput: naming what came and what was expected.
        """
        model = self.model
        names = [output.name for output in payload.outputs or ()] or [PREDICT]
        model.check_names(names)
        check_parameters(payload, model.schema)
        x = matrix_of(payload.inputs, model.schema)
        columns = self.answer(x, names, observe)
        outputs = [
            output_tensor(model.outputs[name], columns[name], self._data(columns[name]))
            for name in names
        ]
        return v2_types.inference_response(self.name, self.version, outputs)

    def answer(
        self, x: NDArray[Any], names: Sequence[str], observe: Observer | None = None
    ) -> Mapping[str, Column]:
        """Outputs for rows, as ``Model.answer`` returns them; counts the rows for drift.

        Args:
            x: (n_samples, n_features), as ``Schema.conform`` returns it.
            names: the names of outputs that the model has.
            observe: called with each block of rows and its prediction.

        Raises:
            InvalidInput: if the answer would be too large.
        """
        threads = self.threads if self.seconds(len(x), names) > LONG_SECONDS else None
        if self.traffic is not None:
            observe = self.traffic.add if observe is None else _both(self.traffic.add, observe)
        return self.model.answer(x, names, threads, observe)

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long an answer may take, to the order of magnitude."""
        return n_rows * self.model.work_for(names) * _SECONDS_PER_WALK

    def reads(self, x: NDArray[Any]) -> bool:
        """Whether the forest reads these rows without a conversion."""
        forest = self.model.forest
        is_fit = x.shape[1] == forest.n_features and x.dtype == forest.feature_dtype
        return is_fit and self.model.schema.takes_numbers_as_they_are

    def predict_rows(self, x: NDArray[Any], observe: Observer | None = None) -> Prediction:
        """The forest's prediction for rows that it ``reads`` and the schema allows."""
        prediction = self.model.forest.predict(x)
        if observe is not None:
            observe(x, prediction)
        if self.traffic is not None:
            self.traffic.add(x, prediction)
        return prediction

    def respond(self, prediction: Prediction) -> InferenceResponse:
        """The response that holds only ``predict``."""
        output = self.model.outputs[PREDICT]
        is_class = output.classes.size > 0
        column = output.finish(prediction.positions if is_class else prediction.values)
        outputs = [output_tensor(output, column, self._data(column))]
        return v2_types.inference_response(self.name, self.version, outputs)

    async def _forest_file(self) -> Path:
        """The path; ``read_settings`` has checked it, and what is a link by now is not opened."""
        return Path(self.settings.parameters.uri)

    def _data(self, column: Column) -> Any:
        return column


def _both(first: Observer, second: Observer) -> Observer:
    def observe(x: NDArray[Any], prediction: Prediction) -> None:
        first(x, prediction)
        second(x, prediction)

    return observe


def schema_of(settings: ServedSettings) -> Schema:
    """Read the schema that a model's settings describe.

    Raises:
        InvalidArtifact: if ``v2_metadata`` cannot have written their metadata.
    """
    return from_metadata(
        [tensor.model_dump(mode="json") for tensor in settings.inputs],
        [tensor.model_dump(mode="json") for tensor in settings.outputs],
    )


def row_schema(settings: ServedSettings) -> Schema | None:
    """The schema of another runtime's rows, if its settings describe them as ``forest pack`` does.

    That is so for estimators that were packed as a pickle: a column for each feature, and the
    classes. Any other runtime reads tables as they come.
    """
    parameters, known = settings.parameters, find_known(settings.implementation_)
    if known is None or not known.unpickles or (parameters and parameters.content_type):
        return None
    if not settings.inputs or any(list(each.shape) != _COLUMN for each in settings.inputs):
        return None
    try:
        return schema_of(settings)
    except InvalidArtifact:
        return None
