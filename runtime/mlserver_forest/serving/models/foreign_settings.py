"""The settings of other runtimes: MLServer's, without what MLServer reads from elsewhere."""

from collections.abc import Mapping
from typing import Any

from mlserver.settings import ModelParameters, ModelSettings


class _Fixed:
    """Settings that come only from the arguments.

    MLServer's own settings also read ``MLSERVER_*`` variables and a ``.env`` file in the working
    directory, some of which name code to import; environment.py reads four of the variables.
    """

    @classmethod
    def settings_customise_sources(
        cls, _: type[Any], init_settings: Any, *others: Any, **named: Any
    ) -> tuple[Any, ...]:
        return (init_settings,)


class _FixedModelSettings(_Fixed, ModelSettings):  # type: ignore[misc]  # MLServer is not typed
    pass


class _FixedModelParameters(_Fixed, ModelParameters):  # type: ignore[misc]
    pass


def mlserver_settings(
    found: Mapping[str, Any], parameters: Mapping[str, Any], name: str, source: str
) -> ModelSettings:
    """The settings as MLServer gives them to a runtime.

    Args:
        found: the members of model-settings.json.
        parameters: what stands for its ``parameters``.
        name: the name of the model on this server.
        source: the path of model-settings.json, as MLServer's ``parse_file`` notes it.

    Raises:
        pydantic.ValidationError: if a member has the wrong type.
    """
    rest = {key: value for key, value in found.items() if key not in {"name", "parameters"}}
    settings = _FixedModelSettings(
        **rest, name=name, parameters=_FixedModelParameters(**parameters)
    )
    settings._source = source  # noqa: SLF001  # as parse_file does
    return settings
