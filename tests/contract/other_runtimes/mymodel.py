"""A class of a user's own: it describes the rows that it was sent, or does what it is told."""

import asyncio
import ctypes
import time

import wording  # Beside this module, as is what a method imports later.
from mlserver import MLModel
from mlserver.codecs import PandasCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse


class MyModel(MLModel):
    async def load(self):
        self.n_ticks = 0
        self.ticking = asyncio.create_task(self.tick())
        return True

    async def tick(self):
        while True:
            self.n_ticks += 1
            await asyncio.sleep(0.01)

    async def predict(self, payload):
        told = payload.parameters.model_extra if payload.parameters else {}
        await self.do(**{name: told[name] for name in told if name in self.THINGS})
        frame = self.decode_request(payload, default_codec=PandasCodec)
        import phrases

        rows = [phrases.describe(row) for row in frame.to_dict("records")]
        headers = (payload.parameters and payload.parameters.headers) or {}
        output = StringCodec.encode_output("described", [wording.NAME + row for row in rows])
        response = InferenceResponse(model_name=self.name, outputs=[output])
        if "x-echo" in headers:
            response.parameters = {"headers": {"x-echoed": headers["x-echo"]}}
            response = InferenceResponse.model_validate(response.model_dump())
        return response

    THINGS = ("sleep", "block", "end", "crash", "refuse", "value", "fail", "wait_for_ticks")

    async def do(
        self,
        sleep=0,
        block=0,
        end=None,
        crash=None,
        refuse=None,
        value=None,
        fail=None,
        wait_for_ticks=0,
    ):
        await asyncio.sleep(sleep)
        time.sleep(block)  # noqa: ASYNC251  # as some models do
        while self.n_ticks < wait_for_ticks:  # noqa: ASYNC110  # a task that load has started
            await asyncio.sleep(0.01)
        if end:
            raise SystemExit(end)
        if crash:
            ctypes.string_at(0)  # A null pointer.
        if refuse:
            raise InferenceError(refuse)
        if value:
            raise ValueError(value)
        if fail:
            raise RuntimeError(fail)


class NoModel:
    pass
