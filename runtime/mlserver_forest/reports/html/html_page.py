"""A page: its head and style, a header, sections in a row, and nothing from outside."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from mlserver_forest.reports.html import base_style
from mlserver_forest.reports.html.markup import Html, element, join, outside

# An empty icon, for which browsers would else ask the server.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
"""


def frame(title: str, header: Html, sections: Sequence[Any], version: str | None) -> str:
    """The whole page.

    Args:
        title: for the browser.
        header: what stands above the sections.
        sections: of each its anchor, its title, and what stands under it.
        version: of mlserver-forest, for the last line.
    """
    style = base_style() + files(__package__).joinpath("frame.css").read_text("utf-8")
    main = [
        element("section", element("h2", heading, id=anchor), *body)
        for anchor, heading, *body in sections
    ]
    made = join(["Made by mlserver-forest", Html(" "), outside(version) if version else ""])
    return (
        f"{_HEAD}{element('title', title)}\n<style>\n{style}</style>\n"
        "</head>\n<body>\n"
        f"{header}\n{element('main', join(main))}\n"
        f"{element('footer', element('p', made))}\n</body>\n</html>\n"
    )
