"""``mlserver_forest.ForestModel``: a forest's runtime for stock MLServer."""

import asyncio
from pathlib import Path
from typing import Any

from mlserver import MLModel, ModelSettings
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse
from mlserver.utils import get_model_uri

from mlserver_forest.artifact.model_directory import FOREST_FILE
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.serving.models.runtime import LONG_SECONDS, ForestRuntime


class ForestModel(ForestRuntime, MLModel):  # type: ignore[misc]  # MLServer is not typed
    """A ``ForestRuntime`` as one of MLServer's models.

    Outputs are lists, with text as bytes, because MLServer's encoders cannot write arrays.
    """

    settings = MLModel.settings
    name = MLModel.name
    version = MLModel.version

    def __init__(self, settings: ModelSettings) -> None:
        MLModel.__init__(self, settings)
        self._prepare()

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request from stock MLServer, in a thread if it takes long.

        Raises:
            InferenceError: (status 400) naming what came and what was expected.
        """
        shape = payload.inputs[0].shape if payload.inputs else []
        names = [output.name for output in payload.outputs or ()]
        try:
            if self.seconds(shape[0] if shape else 1, names) > LONG_SECONDS:
                return await asyncio.to_thread(self.infer, payload)
            return self.infer(payload)
        except InvalidInput as error:
            raise InferenceError(str(error)) from error

    async def metadata(self) -> MetadataModelResponse:
        """As MLServer's own models answer."""
        return await MLModel.metadata(self)

    async def _forest_file(self) -> Path:
        """The forest file; stock MLServer may name it in any way."""
        path = await get_model_uri(self.settings, wellknown_filenames=[FOREST_FILE])
        return await asyncio.to_thread(Path(path).resolve)

    def _data(self, column: Column) -> Any:
        if isinstance(column, Labels):
            return [label.encode() for label in column]
        return column.ravel().tolist()
