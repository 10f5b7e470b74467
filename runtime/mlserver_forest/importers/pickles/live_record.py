"""An object in memory as the record that its pickle would hold, without a copy of its arrays."""

from typing import Any

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import GlobalName, Record

_PLAIN = (str, bytes, int, float, list, tuple, dict, set, np.ndarray, np.generic, GlobalName)


def record_of(value: Any) -> Record:
    """The record of an object; what it holds stays as it is, and becomes a record when asked for.

    Args:
        value: a record, which is returned, or an object of this process, which is trusted: its
            ``__reduce_ex__`` is called.

    Raises:
        UnsupportedEstimator: if it is a plain value.
    """
    if isinstance(value, Record):
        return value
    if value is None or isinstance(value, _PLAIN):
        raise UnsupportedEstimator(
            f"there is a {type(value).__name__} in the place of a part of a fitted estimator; "
            "the file is damaged, or the estimator was changed"
        )
    kind = GlobalName(type(value).__module__, type(value).__qualname__)
    # Protocol 2 is the first one that separates an object's state from the way to make it.
    reduced = value.__reduce_ex__(2)
    arguments, state = reduced[1], reduced[2] if len(reduced) > 2 else None
    if reduced[0].__name__ == "__newobj__":
        arguments = arguments[1:]
    own = getattr(value, "__dict__", {})
    if isinstance(state, dict):
        # scikit-learn would put in the version that is installed, but this one read a file.
        written = {name: own[name] for name in ("_sklearn_version",) if name in own}
        state = {**state, **written}
    return Record(kind, tuple(arguments), state)
