"""The hyperparameters as tables, for ``forest hyperparameters`` and docs/hyperparameters.md."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest

from pydantic import BaseModel

from mlserver_forest.training.algorithms.hyperparameter_types import default_of, expected_of
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS

# The table of the hyperparameters that all algorithms share.
COMMON = "common"
NAMES = (COMMON, *ALGORITHMS)
# Characters of the columns after the name.
_WIDTHS = (36, 20, 44)


@dataclass(frozen=True)
class TableRow:
    """One hyperparameter, in words.

    Attributes:
        name: its key in hyperparameters.json.
        values: its type and range.
        default: the value if it is not set.
        meaning: one or two sentences.
        aliases: other names that are understood.
    """

    name: str
    values: str
    default: str
    meaning: str
    aliases: tuple[str, ...]


def table_of(algorithm: str) -> tuple[TableRow, ...]:
    """The hyperparameters of one algorithm, or for ``common`` those that all share.

    Raises:
        KeyError: if there is no algorithm of that name.
    """
    if algorithm == COMMON:
        return _rows(JobHyperparameters, JobHyperparameters.ALIASES)
    model = ALGORITHMS[algorithm].hyperparameters
    return _rows(model, model.ALIASES)


def as_json(names: Sequence[str]) -> str:
    """An object: algorithm -> list of hyperparameters."""
    return json.dumps({name: [asdict(row) for row in table_of(name)] for name in names}, indent=2)


def as_markdown(names: Sequence[str]) -> str:
    """A collapsible block for each algorithm."""
    return "\n\n".join(_details(name) for name in names)


def as_text(names: Sequence[str]) -> str:
    """Aligned columns."""
    return "\n\n".join(f"{_title(name)}\n{_aligned(table_of(name))}" for name in names)


def _title(name: str) -> str:
    if name == COMMON:
        return "Every algorithm"
    documentation = ALGORITHMS[name].hyperparameters.__doc__ or ""
    return f"algorithm={name}: {documentation.splitlines()[0]}"


def _rows(model: type[BaseModel], aliases: Mapping[str, str]) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            name,
            expected_of(model, name),
            default_of(model, name),
            field.description or "",
            tuple(alias for alias, one in aliases.items() if one == name),
        )
        for name, field in model.model_fields.items()
    )


def _details(name: str) -> str:
    cells = [
        ("Hyperparameter", "Values", "Default", "Meaning"),
        ("---", "---", "---", "---"),
        *(
            (f"`{row.name}`", _escaped(row.values), _escaped(row.default), _meaning(row, "`"))
            for row in table_of(name)
        ),
    ]
    lines = [f"| {' | '.join(line)} |" for line in cells]
    summary = f"<details><summary>{_title(name)}</summary>"
    return "\n".join([f"<!-- hyperparameters {name} -->", summary, "", *lines, "", "</details>"])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _meaning(row: TableRow, quote: str = "") -> str:
    if not row.aliases:
        return row.meaning
    return f"{row.meaning} Also {', '.join(quote + alias + quote for alias in row.aliases)}."


def _aligned(rows: Sequence[TableRow]) -> str:
    """Columns of text, each wrapped to its width."""
    indent = max(len(row.name) for row in rows)
    lines: list[tuple[str, ...]] = [("", "VALUES", "DEFAULT", "MEANING")]
    for row in rows:
        cells = zip((row.values, row.default, _meaning(row)), _WIDTHS, strict=True)
        wrapped = [textwrap.wrap(text, width, break_on_hyphens=False) for text, width in cells]
        lines += zip_longest([row.name], *wrapped, fillvalue="")
    widths = (indent, *_WIDTHS)
    padded = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join(padded)
