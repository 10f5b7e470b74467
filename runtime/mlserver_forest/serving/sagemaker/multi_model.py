"""SageMaker's multi-model API: /models, through which models are loaded and unloaded.

The paths, fields and statuses are those of the developer guide ("Build your own container for
multi-model endpoints") and of multi-model-server.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.text_encoding import without_mark
from mlserver_forest.serving.http.request import TARGET_MODEL, Request
from mlserver_forest.serving.http.response import Response, json_response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.sagemaker.invocations import Invocations

_PAGE = 100
_LONGEST_NAME = 1024
# Folders that never hold models; Triton refuses them too.
_NO_MODELS = ("/dev", "/proc", "/sys")


class MultiModelRoutes:
    """The routes of a multi-model endpoint.

    Args:
        models: the loaded models.
        invocations: answers the invocations.
    """

    def __init__(self, models: LoadedModels, invocations: Invocations) -> None:
        self._models = models
        self._invocations = invocations

    def table(self) -> Mapping[str, Methods]:
        """The routes, for ``Application``."""
        return {
            "/invocations": {"POST": self._invoke_target},
            "/models": {"GET": self._list, "POST": self._load},
            "/models/{name}": {"GET": self._describe, "DELETE": self._unload},
            "/models/{name}/invoke": {"POST": self._invoke},
        }

    async def _load(self, request: Request) -> Response:
        name, directory = _load_request(request.take_body())
        await self._models.load(directory, name)
        return _status("Workers scaled")

    async def _list(self, request: Request) -> Response:
        parameters = request.parameters()
        limit = _limit(parameters.get("limit", str(_PAGE)))
        models, token = self._models.page(parameters.get("next_page_token", ""), limit)
        page: dict[str, Any] = {"models": [_describe(*model) for model in models.items()]}
        if token is not None:
            page["nextPageToken"] = token
        return json_response(orjson.dumps(page))

    async def _describe(self, request: Request, name: str) -> Response:
        await self._models.wait_for(name)
        model = self._models.get(name)
        return json_response(orjson.dumps(_describe(name, model.directory)))

    async def _unload(self, request: Request, name: str) -> Response:
        await self._models.unload(name)
        return _status(f'Model "{name}" unregistered')

    async def _invoke(self, request: Request, name: str) -> Response:
        await self._models.wait_for(name)
        return await self._invocations.invoke(request, self._models.choose(name))

    async def _invoke_target(self, request: Request) -> Response:
        """SageMaker does not call this route, but the SDK's local mode does."""
        name = request.header(TARGET_MODEL)
        if not name:
            raise InvalidInput(
                "this server has several models (SAGEMAKER_MULTI_MODEL); POST to "
                "/models/{name}/invoke, or name one in X-Amzn-SageMaker-Target-Model"
            )
        return await self._invoke(request, name)


def _status(text: str) -> Response:
    """What was done, in the words of multi-model-server, which AWS's tests compare."""
    return json_response(orjson.dumps({"status": text}))


def _load_request(body: bytes | bytearray) -> tuple[str, Path]:
    """The name and directory of ``{"model_name": ..., "url": ...}``."""
    expected = '{"model_name": "NAME", "url": "/opt/ml/models/NAME/model"}'
    try:
        document = orjson.loads(without_mark(body))
        name, url = document["model_name"], document["url"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidInput(f"the body is not {expected}") from error
    if not _is_name(name):
        raise InvalidInput(
            f"model_name is {format_value(name)}; expected 1 to {_LONGEST_NAME} printable "
            "characters, none of them a slash or backslash"
        )
    if not isinstance(url, str) or not url.startswith("/") or "\0" in url:
        raise InvalidInput(f"url is {format_value(url)}; expected the absolute path of a directory")
    return name, _directory(url)


def _is_name(name: Any) -> bool:
    """Whether a name can be one part of a path and stand on one line of the log."""
    is_text = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
    # Clients resolve . and .. in paths.
    return is_text and not {"/", "\\"} & set(name) and name not in {".", ".."}


def _directory(url: str) -> Path:
    """The real path of the directory, which is all that is opened from now on."""
    try:
        given = Path(os.path.normpath(url))
        directory = given.resolve()
        # /proc/self/root leads everywhere, so where the path begins counts, and where it ends.
        is_model = directory.is_dir() and not any(
            place.is_relative_to(folder) for place in (given, directory) for folder in _NO_MODELS
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: the links form a loop.
        raise InvalidInput(f"url is {format_value(url)}, which cannot be read: {error}") from error
    if not is_model:
        raise InvalidInput(f"url is {format_value(url)}, which is not the directory of a model")
    return directory


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise InvalidInput(
            f"limit is {format_value(text)}; expected a whole number from 1 to {_PAGE}"
        )
    return min(int(text[:9]), _PAGE)


def _describe(name: str, directory: Path) -> dict[str, str]:
    return {"modelName": name, "modelUrl": str(directory)}
