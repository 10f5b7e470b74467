"""A toy media type: numbers separated by pipes, a row per line. It is one module and one row.

Run as a program, it registers the row and then runs a command of the package.
"""

import os
import sys
from pathlib import Path

import numpy as np

from mlserver_forest.formats import registry
from mlserver_forest.formats.parsing import FoundColumns, ParsedRows
from mlserver_forest.formats.registry import Format

MEDIA_TYPE = "application/x-toy"


def parse(source, plan_columns, policy, parameters):
    import pyarrow as pa

    rows = [line.split("|") for line in bytes(source.buffer()).decode().splitlines()]
    locations = source.locations("line")
    plan = plan_columns(FoundColumns(None, len(rows[0]), locations.at(0)))
    for number, row in enumerate(rows):
        if len(row) != plan.width:
            raise policy.invalid(f"{locations.at(number)} has {len(row)} values; {plan.expected}")
    x = np.full((len(rows), len(plan.features)), np.nan, plan.dtype)
    for place, column in enumerate(plan.features):
        if column not in plan.texts:
            x[:, place] = [float(row[column]) for row in rows]
    texts = {column: pa.array([row[column] for row in rows]) for column in plan.texts}
    yield ParsedRows(locations, x, texts)


def write(predictions):
    for block in predictions.blocks():
        for row in zip(*(column.tolist() for column in block.columns.values()), strict=True):
            yield "|".join(map(str, row)).encode() + b"\n"


ROW = Format(
    "toy",
    (MEDIA_TYPE,),
    (".toy",),
    parse=f"{__name__}:parse",
    write=f"{__name__}:write",
    has_one_value=True,
    has_lines=True,
)


def command(name):
    """The arguments that run a command of the package with the toy registered."""
    return [sys.executable, __file__, name]


def main():
    registry.FORMATS += (ROW,)
    if sys.argv[1] == "serve":
        from mlserver_forest.serving.cli import serve

        serve.main([])
    from mlserver_forest.training.cli import train_in

    sys.exit(train_in(Path(os.environ["SAGEMAKER_BASE_DIR"])))


if __name__ == "__main__":
    main()
