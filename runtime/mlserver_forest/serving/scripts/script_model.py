"""AWS's script mode as a runtime: ``code/inference.py`` beside the files that it loads."""

from typing import Any

import numpy as np
from mlserver.codecs import NumpyRequestCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse

from mlserver_forest.errors import InvalidInput, UnsupportedOperation
from mlserver_forest.serving.models.raw_answer import RawAnswer
from mlserver_forest.serving.scripts import default_codecs
from mlserver_forest.serving.scripts.code_model import CodeModel
from mlserver_forest.serving.scripts.inference_script import InferenceScript
from mlserver_forest.serving.scripts.request_context import RequestContext
from mlserver_forest.serving.scripts.tensor_answer import to_response


class ScriptModel(CodeModel):
    """Runs a script with ``model_fn``, ``predict_fn`` and so on; see ``inference_script.py``."""

    def _start(self, context: RequestContext) -> None:
        default = self._code_settings.default_accept or default_codecs.JSON
        self._script = InferenceScript(self._import(), default)
        self._loaded: Any = self._script.load(str(self._directory), context)

    def _respond(
        self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext
    ) -> RawAnswer:
        return self._script.answer(self._loaded, body, content_type, accept, context)

    def _infer(self, request: InferenceRequest, context: RequestContext) -> InferenceResponse:
        if self._script.defines_transform:
            raise UnsupportedOperation(
                f"model {self.name!r} is a script whose transform_fn reads bodies itself, so "
                "tensors cannot be handed to it; POST the body to /invocations, or let the script "
                "define predict_fn"
            )
        codec = NumpyRequestCodec if len(request.inputs) == 1 else PandasCodec
        try:
            data = self.decode_request(request, default_codec=codec)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InvalidInput(f"the tensors cannot be decoded: {error}") from error
        if isinstance(data, np.ndarray):
            data = self._script.from_matrix(self._loaded, data)
        prediction = self._script.predict(self._loaded, data, context)
        return to_response(prediction, request, self.name, self.version)
