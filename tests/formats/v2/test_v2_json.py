"""The data of V2 tensors as JSON."""

import json

import numpy as np
import pytest

from mlserver_forest.formats.v2 import v2_json
from mlserver_forest.formats.v2.v2_tensor import BLOCK

TABLE = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    "data",
    [TABLE, TABLE[:, 1:2], TABLE[:, ::2], TABLE.T, TABLE[::-1], np.arange(3 * BLOCK)[::2]],
    ids=["whole", "a column", "every second column", "transposed", "reversed", "several blocks"],
)
def test_an_array_is_one_flat_list_in_row_order_however_it_lies_in_memory(data):
    assert json.loads(b"".join(v2_json.from_data(data))) == data.reshape(-1).tolist()
