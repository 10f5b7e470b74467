"""The arrays of an artifact -> Forest."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.errors import InvalidArtifact

_NO_CUTS = np.empty(0, np.uint32)
# Not np.dtype(text), which parses what it is given.
_FEATURE_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def forest_from_arrays(
    arrays: Mapping[str, NDArray[Any]],
    *,
    n_features: int,
    feature_dtype: str,
    divisor: float,
    postprocessor: Postprocessor,
) -> Forest:
    """Rebuild a forest from what ``Forest.arrays`` gave; empty arrays may be missing.

    Raises:
        InvalidArtifact: if an index could lead the kernel out of its arrays or
            into an endless walk.
    """
    try:
        return Forest(
            nodes=arrays["nodes"],
            roots=arrays["roots"],
            outputs=_exactly(arrays["outputs"], np.uint32),
            leaf_values=arrays["leaf_values"],
            initial=arrays["initial"],
            cuts=arrays.get("cuts", np.empty(0, f"f{arrays['nodes'].itemsize}")),
            cut_starts=_exactly(arrays.get("cut_starts", _NO_CUTS), np.uint32),
            category_bits=_exactly(arrays.get("category_bits", _NO_CUTS), np.uint32),
            covers=arrays.get("covers", np.empty(0, np.float32)),
            n_features=n_features,
            feature_dtype=_FEATURE_DTYPES[feature_dtype],
            divisor=divisor,
            postprocessor=postprocessor,
        )
    except (KeyError, TypeError) as error:
        raise InvalidArtifact(f"the forest file lacks what a forest needs: {error}") from error


def _exactly(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    return array.astype(dtype, casting="no", copy=False)
