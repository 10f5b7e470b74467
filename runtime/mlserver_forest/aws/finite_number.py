"""Numbers on a command line."""

import math
from typing import Any

import click


class FiniteNumber(click.FloatRange):
    """A number of a range that is neither infinite nor NaN, which every range of click takes."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            click.BadParameter: if it is none, or lies outside of the range.
        """
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found
