"""What a pipeline itself answers to raw rows: to generated ones, and to a user's sample."""

from collections.abc import Iterator
from typing import Any

from mlserver_forest.errors import InvalidArtifact, InvalidInput, UnsupportedEstimator, format_value
from mlserver_forest.importers.fitted_estimator import Answers
from mlserver_forest.importers.registry import PipelineSupport
from mlserver_forest.model.model import Model
from mlserver_forest.model.row_matrix import column_names, listed
from mlserver_forest.schema.schema import Schema

# What libraries raise about rows that they do not take.
_REFUSALS = (ValueError, TypeError)
# Dtypes whose values are the same in float64.
_PLAIN = {"", "float64", "bool", "boolean"}


def ask_pipeline(support: PipelineSupport, estimator: Any, rows: Any, schema: Schema) -> Answers:
    """Ask a pipeline about generated rows, all of which it should take.

    Raises:
        UnsupportedEstimator: if it refuses some.
    """
    try:
        return support.ask(estimator, rows, schema)
    except _REFUSALS as error:
        raise UnsupportedEstimator(
            "this pipeline refuses rows that each of its steps seems to take, so what it takes "
            f"cannot be said of a raw row ({_first_line(error)}); pack the steps after the one "
            "that refuses, and send what comes to them"
        ) from error


def ask_sample(support: PipelineSupport, estimator: Any, sample: Any, schema: Schema) -> Answers:
    """Ask a pipeline about a user's rows as they are.

    Raises:
        InvalidInput: if it refuses some.
    """
    try:
        return support.ask(estimator, sample, schema)
    except _REFUSALS as error:
        raise InvalidInput(
            f"the pipeline itself refuses the sample: {_first_line(error)}; give rows that it takes"
        ) from error


def require_plain_columns(model: Model, sample: Any, n_different: int) -> None:
    """Name the columns of a sample that are something else to a pipeline than a raw row's values.

    Args:
        model: the packed model.
        sample: a user's rows.
        n_different: how many of them the pipeline and the model answer differently.

    Raises:
        InvalidArtifact: if there are such rows and such columns.
    """
    columns = list(_other_columns(model.schema, sample)) if n_different else []
    if columns:
        raise InvalidArtifact(
            f"the pipeline answers {n_different} rows of the sample differently from raw rows, "
            f"whose numbers are float64: convert {', '.join(columns)} in the table, then fit and "
            "pack again; nothing was written"
        )


def _other_columns(schema: Schema, sample: Any) -> Iterator[str]:
    """What has to be converted, for each such column."""
    for name in column_names(sample) or ():
        if name not in schema.feature_names:
            continue
        dtype = str(getattr(sample[name], "dtype", ""))
        if name not in schema.categories and dtype not in _PLAIN:
            yield f"{format_value(name)} from {dtype} to float64"
        elif name in schema.categories and any(value is None for value in listed(sample[name])):
            yield f"None in {format_value(name)} to NaN"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".:")
