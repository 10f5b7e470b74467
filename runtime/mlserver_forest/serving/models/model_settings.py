"""MLServer's settings, of the server and of a model, from what was checked and nothing else."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlserver import ModelSettings
from mlserver.settings import ModelParameters, Settings
from pydantic import ValidationError

from mlserver_forest.artifact.model_directory import FOREST_RUNTIME, SETTINGS_FILE, read_settings
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.model.card import read_card

NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
# Answers that this server encodes are arrays; stock MLServer encodes lists.
_IN_PROCESS = {FOREST_RUNTIME: "mlserver_forest.serving.models.runtime.ArrayForestModel"}
_PASSED_ON = ("platform", "versions", "inputs", "outputs")


class _Fixed:
    """Settings that come from what is passed and from nowhere else.

    MLServer's also read ``MLSERVER_*`` variables and a ``.env`` file in the working
    directory, where some name code to import; environment.py reads four of them.
    """

    @classmethod
    def settings_customise_sources(
        cls, _: type[Any], init_settings: Any, *others: Any, **named: Any
    ) -> tuple[Any, ...]:
        return (init_settings,)


class FixedSettings(_Fixed, Settings):
    """MLServer's settings of the server."""


class _FixedModelSettings(_Fixed, ModelSettings):
    pass


class _FixedModelParameters(_Fixed, ModelParameters):
    pass


def find_model(places: Sequence[Path]) -> Path:
    """The model directory: the first place that holds a model, itself or in a folder of its own.

    What packs or copies a model may keep the folder that it lay in.

    Returns:
        The directory; the first place if there is no model in any.

    Raises:
        InvalidArtifact: if several folders of a place hold one each.
    """
    for place in places:
        if (place / SETTINGS_FILE).exists() or any(place.glob("*.safetensors")):
            return place
        found = sorted(path.parent for path in place.glob(f"*/{SETTINGS_FILE}"))
        if len(found) > 1:
            raise InvalidArtifact(
                f"{place} has several models, in {', '.join(path.name for path in found)}; "
                "name the folder of one in MLSERVER_MODEL_URI"
            )
        if found:
            return found[0]
    return places[0]


def settings_of(directory: Path, trust_pickle: bool, name: str | None = None) -> ModelSettings:
    """The settings of the model in a directory.

    Args:
        directory: the model directory.
        trust_pickle: whether runtimes that unpickle are allowed.
        name: what the model is called here; by default its own name.

    Raises:
        InvalidArtifact: if there is no model, or it must not be served.
    """
    found = read_settings(directory, trust_pickle=trust_pickle)
    parameters = found["parameters"]
    version = parameters.get("version")
    if name is None:
        name = str(found.get("name") or directory.name)
        if not NAME.fullmatch(name):
            raise InvalidArtifact(
                f"the model's name {name!r} is not made of letters, digits, . _ -"
            )
    try:
        return _FixedModelSettings(
            name=name,
            implementation=_IN_PROCESS.get(found["implementation"], found["implementation"]),
            **{key: found[key] for key in _PASSED_ON if key in found},
            parameters=_FixedModelParameters(
                uri=parameters["uri"],
                version=None if version is None else str(version),
                extra={CARD_KEY: asdict(read_card(_extra(parameters).get(CARD_KEY)))},
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidArtifact(f"model-settings.json, {place}: {first['msg']}") from error


def _extra(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    found = parameters.get("extra")
    return found if isinstance(found, dict) else {}
