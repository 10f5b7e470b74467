"""V2's inference routes over REST, which MLServer's application knows in JSON only."""

from collections.abc import Mapping

from mlserver.handlers import DataPlane

from mlserver_forest.serving.http.asgi import Request, Response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.process.offload import Work, encoded, is_large, run, seconds_for
from mlserver_forest.serving.v2.rest_codec import decode_infer, encode_infer, new_id

# The binary tensor extension: how much of the body is JSON.
_HEADER_LENGTH = b"inference-header-content-length"


class V2Routes:
    """``POST /v2/models/{name}/infer``: decode, infer, encode.

    Args:
        data_plane: answers inference requests.
        work: admits large requests.
    """

    def __init__(self, data_plane: DataPlane, work: Work) -> None:
        self._data_plane = data_plane
        self._work = work

    def table(self) -> Mapping[str, Methods]:
        return {
            "/v2/models/{name}/infer": {"POST": self._infer},
            "/v2/models/{name}/versions/{version}/infer": {"POST": self._infer},
        }

    async def _infer(self, request: Request, name: str, version: str | None = None) -> Response:
        if is_large(len(request.body)):
            async with self._work.large(seconds_for(len(request.body))):
                return await self._infer_in_threads(request, name, version)
        inference = decode_infer(request.take_body(), *_described(request))
        inference.request.id = inference.request.id or new_id()
        response = await self._data_plane.infer(inference.request, name, version)
        request.model = name  # Not before it is known that there is such a model.
        headers, blocks = encode_infer(response, inference)
        return Response(200, b"".join(blocks), headers)

    async def _infer_in_threads(self, request: Request, name: str, version: str | None) -> Response:
        inference = await run(decode_infer, request.take_body(), *_described(request))
        inference.request.id = inference.request.id or new_id()
        response = await self._data_plane.infer(inference.request, name, version)
        request.model = name
        headers, blocks = await run(encode_infer, response, inference)
        return Response(200, await encoded(blocks), headers)


def _described(request: Request) -> tuple[str | None, str | None]:
    """The length of the JSON and the media type, as the headers say."""
    return request.header(_HEADER_LENGTH), request.header(b"content-type")
