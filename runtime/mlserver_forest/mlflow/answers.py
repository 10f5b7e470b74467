"""What a model answers as MLflow's ``python_function``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlserver_forest.formats.json.json_objects import object_texts
from mlserver_forest.local.local_model import LocalModel
from mlserver_forest.mlflow.tracking.model_signature import OUTPUTS
from mlserver_forest.model import named_outputs

if TYPE_CHECKING:
    import pandas as pd


class ForestAnswers:
    """A model behind MLflow's ``predict``.

    Args:
        model: the model.
    """

    def __init__(self, model: LocalModel) -> None:
        self._model = model

    def get_raw_model(self) -> LocalModel:
        """The model itself, for ``PyFuncModel.unwrap_python_model`` and the like."""
        return self._model

    def predict(
        self, model_input: Any, params: Mapping[str, Any] | None = None
    ) -> "NDArray[Any] | pd.DataFrame":
        """Answer rows as the server does.

        Args:
            model_input: (n_samples, n_features), as ``Model.predict`` takes them. A column of a
                data frame that is optional may be absent, as MLflow's signatures mean it.
            params: ``outputs`` names outputs, separated by commas, as in the header
                ``X-Amzn-SageMaker-Custom-Attributes: outputs=...``.

        Returns:
            (n_samples,) labels or numbers, (n_samples, n_targets) for several targets; a data
            frame with a column for each output that was named.

        Raises:
            InvalidInput: naming the row, the column, what came and what was expected.
        """
        schema = self._model.schema
        named = str((params or {}).get(OUTPUTS) or "")
        names = tuple(name.strip().lower() for name in named.split(",") if name.strip())
        named_outputs.check_names(names, schema)
        x = self._model.matrix(self._whole(model_input))
        wanted = names or named_outputs.default_names(schema, only_first=True)
        arrays = self._model.answer(x, named_outputs.v2_names(wanted, schema))
        found = named_outputs.predictions(wanted, arrays, schema, selected=bool(names))
        if names:
            return _frame(found)
        (column,) = found.columns.values()
        return np.asarray(column[:])

    def _whole(self, rows: Any) -> Any:
        """The rows with the optional columns that they lack, all of whose values are missing."""
        if not hasattr(rows, "reindex"):
            return rows
        schema, there = self._model.schema, set(rows.columns)
        absent = [
            name
            for name in schema.feature_names
            if name not in there and schema.may_be_missing(name)
        ]
        return rows.assign(**dict.fromkeys(absent)) if absent else rows


def _frame(found: Any) -> "pd.DataFrame":
    """The outputs as the server writes them in JSON, a row for each row."""
    import pandas as pd

    texts = (text for block in found.blocks() for text in object_texts(block))
    return pd.DataFrame([orjson.loads(text) for text in texts], columns=list(found.columns))
