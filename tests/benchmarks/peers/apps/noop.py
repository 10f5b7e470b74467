"""A runtime that does nothing: what MLServer alone costs."""

from mlserver import MLModel
from mlserver.types import InferenceResponse, ResponseOutput


class Noop(MLModel):
    async def load(self):
        output = ResponseOutput(name="predict", shape=[1, 1], datatype="BYTES", data=["virginica"])
        self._answer = InferenceResponse(model_name=self.name, outputs=[output])
        return True

    async def predict(self, payload):
        return self._answer
