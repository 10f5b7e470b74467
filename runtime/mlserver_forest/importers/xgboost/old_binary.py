"""XGBoost's binary form, which versions until 3.0 wrote -> the JSON that every version reads.

It is the memory of C++ structures, one after the other: ``LearnerModelParamLegacy`` and
``LearnerIO::LoadModel`` in src/learner.cc, ``GBTreeModel::Load`` in src/gbm/gbtree_model.cc, and
``RegTree::Load`` in src/tree/tree_model.cc, of XGBoost 0.90 to 3.0. Numbers are little-endian. What
follows the attributes are parameters of training, which are not read.
"""

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value

Document = dict[str, Any]
_MAGIC, _BASE64 = b"binf", b"bs64"
# base_score, num_feature, num_class, has_attributes, has_metrics, major, minor, num_target.
_LEARNER = struct.Struct("<fIiiiIII")
_LEARNER_BYTES = 136
# num_trees, num_parallel_tree (num_roots before 1.6), ..., size_leaf_vector.
_GBTREE = struct.Struct("<ii32xi")
_GBTREE_BYTES = 160
# num_roots, num_nodes, num_deleted, max_depth, num_feature, size_leaf_vector.
_TREE = struct.Struct("<6i")
_TREE_BYTES = 148
_LENGTH = struct.Struct("<Q")
_NODE = np.dtype(
    [("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("value", "<f4")]
)
_STATISTICS = np.dtype(
    [("loss_change", "<f4"), ("hessian", "<f4"), ("base_weight", "<f4"), ("n_leaf_children", "<i4")]
)
# In ``split``, where missing values go; the rest is the feature.
_DEFAULT_LEFT = np.uint32(1 << 31)
_NAME = re.compile(rb"[a-z][a-z:_0-9]{1,63}")
_BOOSTERS = (b"gbtree", b"dart", b"gblinear")
_LONGEST_NAME = 64
_NO_PARENT = (1 << 31) - 1
# Whose layout the document has.
_LAYOUT = [2, 0, 0]
# Objectives under names that are gone.
_RENAMED = {"reg:linear": "reg:squarederror"}
_ON_GPU = "gpu:"
# Objectives by how they make a raw score of base_score.
_LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
_LOGARITHMIC = frozenset({"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"})


def is_old_binary(head: bytes) -> bool:
    """Whether ``head`` begins a model in the binary form, with or without its magic bytes."""
    if head.startswith((_MAGIC, _BASE64)):
        return True
    objective, rest = _name_at(head, _LEARNER_BYTES)
    return bool(_NAME.fullmatch(objective)) and _name_at(head, rest)[0] in _BOOSTERS


def read_old_binary(content: bytes) -> tuple[Document, tuple[int, int]]:
    """Turn the binary form into JSON.

    Args:
        content: of the file, with or without its magic bytes, or in base64.

    Returns:
        The document that XGBoost 2.0 would have written with ``save_model('model.json')``, and the
        version that wrote the file; (0, 0) before 1.0.

    Raises:
        UnsupportedEstimator: if it is damaged, or holds a linear model.
    """
    if content.startswith(_BASE64):
        content = _decoded(content)
    return _Reader(content.removeprefix(_MAGIC)).document()


def _name_at(head: bytes, start: int) -> tuple[bytes, int]:
    """The string whose length stands at a place, or an empty one, and where it ends."""
    if len(head) < start + _LENGTH.size:
        return b"", start
    (length,) = _LENGTH.unpack_from(head, start)
    end = start + _LENGTH.size + min(length, _LONGEST_NAME)
    return head[start + _LENGTH.size : end], end


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(content.removeprefix(_BASE64).split()), validate=True)
    except binascii.Error as error:
        raise UnsupportedEstimator(
            f"the XGBoost model in base64 cannot be decoded: {error}; the file is damaged"
        ) from error


class _Reader:
    """Reads structures one after the other, none beyond the end of the file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def document(self) -> tuple[Document, tuple[int, int]]:
        base_score, n_features, n_classes, has_attributes, _, major, minor, n_targets = (
            self._structure(_LEARNER, _LEARNER_BYTES)
        )
        version = (major, minor)
        objective = self._text(_LONGEST_NAME).removeprefix(_ON_GPU)
        objective = _RENAMED.get(objective, objective)
        booster = self._text(_LONGEST_NAME)
        gradient_booster = self._gradient_booster(booster, n_features, version)
        attributes = self._attributes() if has_attributes else {}
        learner = {
            "attributes": attributes,
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": gradient_booster,
            "learner_model_param": {
                "base_score": repr(_base_score(base_score, objective, version)),
                "boost_from_average": "1",
                "num_class": str(n_classes),
                "num_feature": str(n_features),
                # Before 1.6 these bytes are reserved.
                "num_target": str(max(n_targets, 1)),
            },
            "objective": _objective(attributes.pop("objective", ""), objective, n_classes),
        }
        return {"learner": learner, "version": _LAYOUT}, version

    def _gradient_booster(self, name: str, n_features: int, version: tuple[int, int]) -> Document:
        if name == "gblinear":
            raise UnsupportedEstimator(
                "an XGBoost model with booster=gblinear has no trees and cannot be packed; "
                "train it with booster=gbtree"
            )
        n_trees, n_parallel, vector_size = self._structure(_GBTREE, _GBTREE_BYTES)
        self._require(n_trees >= 0 and n_trees * (_TREE_BYTES + _NODE.itemsize) <= self._left)
        trees = [self._tree(number, n_features) for number in range(n_trees)]
        model = {
            "gbtree_model_param": {
                # Before 1.6 this is the number of roots.
                "num_parallel_tree": str(n_parallel if version >= (1, 6) else 1),
                "num_trees": str(n_trees),
                "size_leaf_vector": str(vector_size),
            },
            "tree_info": self._array(np.dtype("<i4"), n_trees).tolist(),
            "trees": trees,
        }
        if name != "dart":
            return {"model": model, "name": name}
        n_weights = self._length() if n_trees else 0
        weights = self._array(np.dtype("<f4"), n_weights)
        self._require(n_weights == n_trees)
        inner = {"model": model, "name": "gbtree"}
        return {"gbtree": inner, "name": name, "weight_drop": weights.tolist()}

    def _tree(self, number: int, n_features: int) -> Document:
        _, n_nodes, _, _, _, vector_size = self._structure(_TREE, _TREE_BYTES)
        self._require(n_nodes > 0)
        nodes, statistics = self._array(_NODE, n_nodes), self._array(_STATISTICS, n_nodes)
        if vector_size > 1:
            raise UnsupportedEstimator(
                "this XGBoost model has leaves with several values, which no version wrote in its "
                "binary form; the file is damaged"
            )
        return _tree_document(number, nodes, statistics, n_features)

    def _attributes(self) -> dict[str, str]:
        n_pairs = self._length()
        self._require(n_pairs * 2 * _LENGTH.size <= self._left)
        return {self._text(): self._text() for _ in range(n_pairs)}

    @property
    def _left(self) -> int:
        return len(self._content) - self._at

    def _structure(self, layout: struct.Struct, n_bytes: int) -> tuple[Any, ...]:
        return layout.unpack_from(self._bytes(n_bytes))

    def _array(self, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
        self._require(0 <= size * dtype.itemsize <= self._left)
        return np.frombuffer(self._bytes(size * dtype.itemsize), dtype)

    def _text(self, longest: int | None = None) -> str:
        length = self._length()
        self._require(longest is None or length <= longest)
        return self._bytes(length).decode("utf-8", "replace")

    def _length(self) -> int:
        return int(_LENGTH.unpack(self._bytes(_LENGTH.size))[0])

    def _bytes(self, n_bytes: int) -> bytes:
        self._require(n_bytes <= self._left)
        start, self._at = self._at, self._at + n_bytes
        return self._content[start : self._at]

    def _require(self, holds: bool) -> None:
        if not holds:
            raise UnsupportedEstimator(
                f"the XGBoost model in binary form is damaged at byte {self._at}: it ends there, "
                "or has sizes that do not fit each other; copy it again"
            )


def _tree_document(
    number: int, nodes: NDArray[Any], statistics: NDArray[Any], n_features: int
) -> Document:
    """A tree in JSON, without the nodes that pruning deleted."""
    kept = _reachable(nodes)
    position = np.full(len(nodes) + 1, -1)
    position[kept] = np.arange(len(kept))
    found, of_nodes = nodes[kept], statistics[kept]
    is_inner = found["left"] != -1
    left, right = (position[np.where(is_inner, found[side], -1)] for side in ("left", "right"))
    parents = np.full(len(kept), _NO_PARENT)
    inner = np.flatnonzero(is_inner)
    parents[left[inner]] = parents[right[inner]] = inner
    features = found["split"] & ~_DEFAULT_LEFT
    if (features[inner] >= n_features).any():
        raise UnsupportedEstimator(
            f"tree {number + 1} of this XGBoost model splits by feature {features[inner].max()}, "
            f"and the model has {n_features} features; the file is damaged"
        )
    values = np.array([found["value"], *(of_nodes[name] for name in _STATISTICS.names or ())])
    if not np.isfinite(values[:-1]).all():
        raise UnsupportedEstimator(
            f"tree {number + 1} of this XGBoost model has infinite numbers; the file is damaged"
        )
    none: list[int] = []
    return {
        "base_weights": of_nodes["base_weight"].tolist(),
        "categories": none,
        "categories_nodes": none,
        "categories_segments": none,
        "categories_sizes": none,
        "default_left": ((found["split"] & _DEFAULT_LEFT) != 0).astype(int).tolist(),
        "id": number,
        "left_children": left.tolist(),
        "loss_changes": of_nodes["loss_change"].tolist(),
        "parents": parents.tolist(),
        "right_children": right.tolist(),
        "split_conditions": found["value"].tolist(),
        "split_indices": np.where(left != -1, features, 0).tolist(),
        "split_type": [0] * len(kept),
        "sum_hessian": of_nodes["hessian"].tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(n_features),
            "num_nodes": str(len(kept)),
            "size_leaf_vector": "1",
        },
    }


def _reachable(nodes: NDArray[Any]) -> NDArray[np.intp]:
    """The nodes below the root, level by level.

    Raises:
        UnsupportedEstimator: if they do not form a tree.
    """
    levels = [np.zeros(1, np.intp)]
    count = 1
    while True:
        inner = levels[-1][nodes["left"][levels[-1]] != -1]
        if not inner.size:
            kept = np.concatenate(levels)
            if len(np.unique(kept)) == len(kept):
                return kept
            break
        below = np.stack([nodes["left"][inner], nodes["right"][inner]], axis=1).ravel()
        levels.append(below.astype(np.intp))
        count += below.size
        if count > len(nodes) or (below <= 0).any() or (below >= len(nodes)).any():
            break
    raise UnsupportedEstimator(
        "the nodes of one of the trees do not form a tree; the model is damaged"
    )


def _base_score(base_score: float, objective: str, version: tuple[int, int]) -> float:
    """base_score as it is kept since 1.0: before, it was kept as a raw score."""
    if not math.isfinite(base_score):
        raise UnsupportedEstimator(
            f"base_score of this XGBoost model is {base_score}; the file is damaged"
        )
    if version >= (1, 0):
        return base_score
    if objective in _LOGISTIC:
        return float(1 / (1 + np.exp(-np.float64(base_score))))
    return float(np.exp(np.float64(base_score))) if objective in _LOGARITHMIC else base_score


def _objective(text: str, name: str, n_classes: int) -> Mapping[str, Any]:
    """The parameters of the objective, which a version from 1.0 on keeps among the attributes."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise UnsupportedEstimator(
            f"the objective of this XGBoost model is {format_value(text[:80])}; the file is damaged"
        ) from error
    own = found if isinstance(found, dict) else {}
    return {**_defaults(name, n_classes), **own, "name": name}


def _defaults(name: str, n_classes: int) -> Mapping[str, Any]:
    """Parameters that matter for training alone, but have to be there."""
    if name.startswith("multi:"):
        return {"softmax_multiclass_param": {"num_class": str(n_classes)}}
    if name.startswith("rank:"):
        return {"lambdarank_param": {}}
    return {
        "count:poisson": {"poisson_regression_param": {"max_delta_step": "0.7"}},
        "reg:tweedie": {"tweedie_regression_param": {"tweedie_variance_power": "1.5"}},
        "reg:pseudohubererror": {"pseudo_huber_param": {"huber_slope": "1"}},
    }.get(name, {"reg_loss_param": {"scale_pos_weight": "1"}})
