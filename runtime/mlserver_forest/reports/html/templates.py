"""Jinja2 templates of the pages: they escape text, and load nothing from elsewhere."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mlserver_forest.reports.html import base_style
from mlserver_forest.reports.html.number_format import MISSING, fixed, number, percent, printable


def render(template: str, **values: Any) -> str:
    """Render a whole page.

    Args:
        template: its path below ``reports/``, such as "training/report.html".
        values: the values that the template uses. Text is escaped, and ``number`` formats numbers.
    """
    style = base_style() + files(__package__).joinpath("sections.css").read_text("utf-8")
    # The style sheets are the package's own.
    return _environment().get_template(template).render(style=Markup(style), **values)  # noqa: S704


def outside(value: object) -> Markup:
    """A name or a category that came with the data, in its own reading direction."""
    return Markup("<bdi>{}</bdi>").format(printable(value))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mlserver_forest", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "outside": outside,
        "number": number,
        "percent": percent,
        "fixed": fixed,
    }
    environment.globals["MISSING"] = MISSING
    return environment


def _written(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number else value
