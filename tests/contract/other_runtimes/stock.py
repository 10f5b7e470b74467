"""MLServer's own servers, in this process: its REST application, its converters for gRPC."""

import asyncio

import httpx
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.converters import ModelInferRequestConverter, ModelInferResponseConverter
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.registry import MultiModelRegistry
from mlserver.repository import SchemalessModelRepository
from mlserver.repository.load import load_model_settings
from mlserver.rest.app import create_app
from mlserver.settings import Settings
from prometheus_client import REGISTRY


class Stock:
    """Serves model directories as ``mlserver start`` does."""

    def __init__(self, directories):
        for collector in list(REGISTRY._collector_to_names):
            REGISTRY.unregister(collector)
        settings = Settings(parallel_workers=0, metrics_endpoint=None)
        self._runner = asyncio.Runner()
        registry = MultiModelRegistry()
        for directory in directories:
            loaded = load_model_settings(str(directory / "model-settings.json"))
            self._runner.run(registry.load(loaded))
        self._plane = DataPlane(settings, registry)
        handlers = ModelRepositoryHandlers(SchemalessModelRepository("."), registry)
        self._app = create_app(settings, self._plane, handlers)

    def rest(self, name, message, headers=None):
        async def post():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://stock") as client:
                path = f"/v2/models/{name}/infer"
                return await client.post(path, json=message, headers=headers)

        return self._runner.run(post())

    def metadata(self, name):
        return self._runner.run(self._plane.model_metadata(name)).model_dump(mode="json")

    def grpc(self, request):
        async def infer():
            payload = ModelInferRequestConverter.to_types(request)
            found = await self._plane.infer(payload, request.model_name)
            return ModelInferResponseConverter.from_types(
                found, use_raw=bool(request.raw_input_contents)
            )

        return pb.ModelInferResponse.FromString(self._runner.run(infer()).SerializeToString())

    def close(self):
        self._runner.close()
