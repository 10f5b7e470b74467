"""The top-level folder ``settings/``, which the wheel carries."""

from importlib import resources


def read_packaged(name: str) -> str:
    """The text of one of its files."""
    return resources.files("mlserver_forest").joinpath("settings", name).read_text("utf-8")
