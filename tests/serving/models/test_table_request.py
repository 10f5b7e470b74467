"""Tables become the V2 requests that other runtimes read."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.body_table import BodyTable
from mlserver_forest.serving.models.table_request import TableRequests

PIPELINE = TableRequests((), "pd", None, columns=("age", "plan"))


def row(*values):
    columns = [np.array([value], object if isinstance(value, str) else float) for value in values]
    return BodyTable(None, False, columns, None)


def test_rows_without_names_have_those_that_the_settings_note():
    request = PIPELINE.request(row(44.0, "pro"), {})
    assert request.parameters.content_type == "pd"
    assert [(tensor.name, tensor.datatype) for tensor in request.inputs] == [
        ("age", "FP64"),
        ("plan", "BYTES"),
    ]
    with pytest.raises(InvalidInput, match=r"a row has 1 value; the model reads 2 \(age, plan\)"):
        PIPELINE.request(row(44.0), {})
