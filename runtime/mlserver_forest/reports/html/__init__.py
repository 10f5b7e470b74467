"""How this project's pages look: their colours, in light and in dark, and their type."""

from importlib.resources import files


def base_style() -> str:
    """The style sheet that every page begins with."""
    return files(__package__).joinpath("base.css").read_text("utf-8")
