"""What MLflow is told of a model's rows: the signature and an example, both from the schema."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, TensorSpec
from mlflow.types import Schema as MlflowSchema

from mlserver_forest.model.model import Model
from mlserver_forest.model.row_values import feature_values
from mlserver_forest.schema.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

# The parameter of ``predict`` that chooses outputs by name, as ``outputs=`` does for the server.
OUTPUTS = "outputs"
_MOST_EXAMPLES = 3
_LABELS: Mapping[str, DataType] = {
    "BYTES": DataType.string,
    "INT64": DataType.long,
    "BOOL": DataType.boolean,
    "FP64": DataType.double,
}
_BOOLEANS = {"true": True, "false": False}


def signature_of(schema: Schema) -> ModelSignature:
    """The signature of a model.

    A feature is optional where its value may be missing. All numbers are doubles, because MLflow
    refuses to narrow them and a table that is trained on does not keep its integers apart.

    Args:
        schema: the features and the labels.
    """
    inputs = [
        ColSpec(_type_of(name, schema), name=name, required=not schema.may_be_missing(name))
        for name in schema.feature_names
    ]
    output: Any = ColSpec(_LABELS[schema.label_datatype])
    if schema.n_targets > 1:
        output = TensorSpec(np.dtype(np.float64), (-1, schema.n_targets))
    return ModelSignature(
        inputs=MlflowSchema(inputs),
        outputs=MlflowSchema([output]),
        params=ParamSchema([ParamSpec(OUTPUTS, DataType.string, "")]),
    )


def example_of(model: Model) -> "pd.DataFrame | None":
    """Some rows of the model's self-test as MLflow's input example; None if there are none.

    Args:
        model: the model.

    Returns:
        A data frame with a column for each feature, of the types of ``signature_of``.
    """
    import pandas as pd

    schema, rows = model.schema, model.samples[:_MOST_EXAMPLES]
    columns = {name: _column(rows, schema, name) for name in schema.feature_names}
    return pd.DataFrame(columns) if len(rows) else None


def _column(rows: Any, schema: Schema, name: str) -> "pd.Series[Any]":
    import pandas as pd

    values = feature_values(rows, schema, name)
    kind = _type_of(name, schema)
    if kind is DataType.boolean:
        return pd.Series([_BOOLEANS.get(str(value)) for value in values], dtype=object)
    if kind is DataType.string:
        return pd.Series([None if v is None else str(v) for v in values], dtype=object)
    return pd.Series([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def _type_of(name: str, schema: Schema) -> DataType:
    """The type of a feature.

    Categories that are whole numbers come as numbers, and text that is a date or has a sign of
    percent comes as it is.
    """
    categories = schema.categories.get(name)
    if categories is None:
        return DataType.string if name in schema.spellings else DataType.double
    if categories.is_boolean:
        return DataType.boolean
    is_number = not categories.is_hashed and categories.has_numbers
    if is_number and all(map(_is_whole, categories.names)):
        return DataType.double
    return DataType.string


def _is_whole(text: str) -> bool:
    """Whether a category is a whole number in its usual form, and not a code such as 007."""
    digits = text.removeprefix("-")
    return digits.isdecimal() and str(int(text)) == text
