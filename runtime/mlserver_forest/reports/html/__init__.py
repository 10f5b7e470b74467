"""The styles of this project's pages: colours for light and dark themes, and type."""

from importlib.resources import files


def base_style() -> str:
    """The style sheet that every page begins with."""
    return files(__package__).joinpath("base.css").read_text("utf-8")
