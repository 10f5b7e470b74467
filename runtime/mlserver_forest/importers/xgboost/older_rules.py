"""What models in JSON meant to the version that wrote them, if newer ones read them otherwise."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator

Version = tuple[int, int]
# From here on, files say all that this module is about.
FIRST_WITH_ALL: Version = (1, 6)
_UNKNOWN_SIZE = (
    "it stopped early, and files of its version do not say how many trees a round has: if it was "
    "trained with num_parallel_tree, the best round is cut at the wrong tree; load it with the "
    "XGBoost that wrote it, pickle the booster, and pack the pickle"
)
# What the feature of a deleted node is.
_DELETED = (1 << 31) - 1
_RAW_LOGISTIC = "binary:logitraw"


def modernize(
    learner: Mapping[str, Any],
    number: Version,
    configuration: Mapping[str, Any],
    state: Mapping[str, Any],
) -> tuple[str, ...]:
    """Write down what newer versions do not know of a learner.

    Args:
        learner: in JSON, which is changed.
        number: (major, minor) of the version that wrote it; (0, 0) before 1.0.
        configuration: of the pickled learner; empty if there is none.
        state: the attributes of the pickled booster; empty if there is none.

    Returns:
        What the user should know.

    Raises:
        UnsupportedEstimator: if the learner cannot mean anything.
    """
    if (1, 0) <= number < (1, 3) and learner["objective"]["name"] == _RAW_LOGISTIC:
        _mend_base_score(learner["learner_model_param"])
    if number >= FIRST_WITH_ALL:
        return ()
    booster = learner["gradient_booster"]
    model = booster["gbtree"]["model"] if "gbtree" in booster else booster.get("model", {})
    for tree in model.get("trees", ()):
        _count_deleted(tree)
    size = _forest_size(learner, configuration, state)
    model.get("gbtree_model_param", {})["num_parallel_tree"] = str(size or 1)
    if size is None and "best_iteration" in (learner.get("attributes") or {}):
        return (_UNKNOWN_SIZE,)
    return ()


def _mend_base_score(parameters: dict[str, Any]) -> None:
    """Until 1.2, base_score of a model with raw scores was a probability (logistic.h)."""
    base_score = float(parameters["base_score"])
    if not 0 < base_score < 1:
        raise UnsupportedEstimator(
            f"base_score of this XGBoost model is {base_score:g}, which is not a probability; "
            "the file is damaged"
        )
    parameters["base_score"] = repr(float(-np.float32(math.log(1 / base_score - 1))))


def _count_deleted(tree: Mapping[str, Any]) -> None:
    """Write the number of deleted nodes, which JSON of 1.0 leaves at 0 (RegTree::LoadModel)."""
    marked = zip(tree["split_indices"], tree["default_left"], strict=True)
    n_deleted = sum(index == _DELETED and bool(is_left) for index, is_left in marked)
    tree["tree_param"]["num_deleted"] = str(n_deleted)


def _forest_size(
    learner: Mapping[str, Any], configuration: Mapping[str, Any], state: Mapping[str, Any]
) -> int | None:
    """The number of trees that a round grows for each output, which files have since 1.6."""
    trained = configuration.get("learner", {}).get("gradient_booster", {})
    trained = trained.get("gbtree", trained).get("gbtree_train_param", {})
    if "num_parallel_tree" in trained:
        return int(trained["num_parallel_tree"])
    for said in (learner.get("attributes") or {}, state):
        # Since 1.4 the booster says so itself; before, its Python object does.
        limit, best = said.get("best_ntree_limit"), said.get("best_iteration")
        if limit is not None and best is not None and int(limit) % (int(best) + 1) == 0:
            return int(limit) // (int(best) + 1)
    return None
