"""V2's inference routes over REST, which MLServer's application knows in JSON only."""

from collections.abc import Mapping

from mlserver.handlers import DataPlane

from mlserver_forest.serving.asgi import Request, Response
from mlserver_forest.serving.routes import Methods
from mlserver_forest.serving.v2_infer import decode_infer, encode_infer
from mlserver_forest.serving.work import answer_within, encoded, is_large, run

# The binary tensor extension: how much of the body is JSON.
_HEADER_LENGTH = b"inference-header-content-length"


class V2Routes:
    """``POST /v2/models/{name}/infer``: decode, infer, encode.

    Args:
        data_plane: answers inference requests.
        timeout_seconds: how long an answer may take.
    """

    def __init__(self, data_plane: DataPlane, timeout_seconds: float) -> None:
        self._data_plane = data_plane
        self._timeout_seconds = timeout_seconds

    def table(self) -> Mapping[str, Methods]:
        return {
            "/v2/models/{name}/infer": {"POST": self._infer},
            "/v2/models/{name}/versions/{version}/infer": {"POST": self._infer},
        }

    async def _infer(self, request: Request, name: str, version: str | None = None) -> Response:
        large = is_large(request.body)
        header_length = request.header(_HEADER_LENGTH)
        media_type = request.header(b"content-type")
        async with answer_within(self._timeout_seconds):
            inference = await run(
                decode_infer, request.take_body(), header_length, media_type, in_thread=large
            )
            response = await self._data_plane.infer(inference.request, name, version)
            request.model = name  # Not before it is known that there is such a model.
            headers, blocks = await run(encode_infer, response, inference, in_thread=large)
            body = await encoded(blocks, in_thread=large)
        return Response(200, body, headers)
