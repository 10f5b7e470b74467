"""Memory of other runtimes' models: what one took is known when it is loaded again."""

import asyncio
import json

import pytest

from mlserver_forest.errors import OutOfMemory
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.foreign_loader import ForeignLoader
from mlserver_forest.serving.models.loaded_model_snapshot import LoadedModelSnapshot
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.model_loading import ModelLoader
from mlserver_forest.serving.models.runtime_loop import RuntimeLoop
from mlserver_forest.serving.scripts.code_layout import CodeSettings

GREEDY = """
from mlserver import MLModel


class Greedy(MLModel):
    async def load(self):
        self.held = bytearray(b"x") * (96 << 20)
        return True

    async def unload(self):
        del self.held
        return True
"""


@pytest.fixture
def greedy(tmp_path):
    (tmp_path / "greedy_model.py").write_text(GREEDY)
    settings = {"implementation": "greedy_model.Greedy", "name": "greedy"}
    (tmp_path / "model-settings.json").write_text(json.dumps(settings))
    return tmp_path.resolve()


def models_with(available_memory):
    loader = ModelLoader(
        None,
        lambda: ForeignLoader(RuntimeLoop(), CallsInFlight(1), 1),
        trust_code=True,
        code=CodeSettings(),
        available_memory=available_memory,
    )
    return LoadedModels(
        loader,
        Metrics(SharedCounters(1), list),
        available_memory=available_memory,
        snapshot=LoadedModelSnapshot(),
        timeout_seconds=60,
    )


def test_a_model_that_leaves_too_little_memory_is_unloaded_again(greedy):
    left = iter([1 << 30, 10 << 20, 100 << 20])
    models = models_with(lambda: next(left))

    async def twice():
        with pytest.raises(OutOfMemory, match=r"took (8\d|9\d|1\d\d)\d{6} bytes .* left 10485760"):
            await models.load(greedy)
        assert len(models) == 0
        with pytest.raises(OutOfMemory, match="needs"):  # Without loading it.
            await models.load(greedy)

    asyncio.run(twice())


def test_a_model_that_fits_is_served(greedy):
    models = models_with(lambda: 1 << 40)

    async def load():
        model = await models.load(greedy)
        assert len(model.mlmodel.held) == 96 << 20
        await models.unload("greedy")

    asyncio.run(load())
    assert len(models) == 0
