"""CatBoost's JSON files: ``save_model(path, format="json")``.

catboost/libs/model/model_export/json_model_helpers.cpp of CatBoost 1.2 writes and reads them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlserver_forest.importers.catboost.cbm_file import (
    CTR_KINDS,
    class_parameters,
    json_object,
    release,
)
from mlserver_forest.importers.catboost.description import (
    AsymmetricTree,
    CategoricalFeature,
    CtrBase,
    CtrFeature,
    CtrTable,
    FloatFeature,
    ModelDescription,
    OneHotFeature,
    Projection,
    SymmetricTree,
)
from mlserver_forest.importers.catboost.flat_buffers import damaged

_MALFORMED = (AttributeError, LookupError, OverflowError, TypeError, ValueError)
_UNUSED = "18446744073709551615"
_MOST_DEPTH = 30


def read_json(content: bytes) -> ModelDescription:
    """Read the bytes of a file.

    Raises:
        UnsupportedEstimator: if they are damaged.
    """
    try:
        return _description(orjson.loads(content))
    except _MALFORMED as error:
        raise damaged(f"its JSON is not a model: {str(error)[:80]}") from error


def _description(document: Mapping[str, Any]) -> ModelDescription:
    features, known = document["features_info"], document["model_info"]
    scale, bias = document["scale_and_bias"]
    bias = np.asarray(bias, np.float64)
    categorical = features.get("categorical_features") or []
    symmetric = document.get("oblivious_trees")
    trees: list[SymmetricTree | AsymmetricTree]
    if symmetric is None:
        trees = [_asymmetric_tree(tree) for tree in document.get("trees") or []]
    else:
        trees = [_symmetric_tree(tree) for tree in symmetric]
    widths = {tree.values.shape[1] for tree in trees}
    # CatBoost 0.20 writes one bias for several outputs, which is 0.
    bias = np.broadcast_to(bias, (max(widths | {bias.size}),))
    if len(widths) > 1:
        raise damaged("its trees have different numbers of outputs")
    parameters = known.get("params") or {}
    return ModelDescription(
        float_features=[_float_feature(one) for one in features.get("float_features") or []],
        categorical_features=[
            CategoricalFeature(
                int(one["feature_index"]), int(one["flat_feature_index"]), _name(one)
            )
            for one in categorical
        ],
        one_hot_features=[
            OneHotFeature(
                int(one["feature_index"]),
                np.array(one["values"], np.int32),
                tuple(map(str, one.get("string_values") or ())),
            )
            for one in categorical
            if "values" in one
        ],
        ctr_features=[_ctr_feature(one) for one in features.get("ctrs") or []],
        tables=dict(map(_table, (document.get("ctr_data") or {}).items())),
        trees=trees,
        scale=float(scale),
        bias=bias,
        parameters=parameters if isinstance(parameters, dict) else json_object(parameters),
        class_parameters=class_parameters(known),
        threshold=float(known.get("binclass_probability_threshold", 0.5)),
        version=release(str(known.get("catboost_version_info", ""))),
        unread=tuple(name for name in ("text", "embedding") if features.get(f"{name}_features")),
    )


def _name(feature: Mapping[str, Any]) -> str:
    return str(feature.get("feature_name") or feature.get("feature_id") or "")


def _float_feature(one: Mapping[str, Any]) -> FloatFeature:
    return FloatFeature(
        index=int(one["feature_index"]),
        column=int(one["flat_feature_index"]),
        name=_name(one),
        borders=_float32(one.get("borders") or ()),
        missing_right=bool(one.get("has_nans")) and one.get("nan_value_treatment") == "AsTrue",
    )


def _float32(numbers: Sequence[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float64).astype(np.float32)


def _symmetric_tree(tree: Mapping[str, Any]) -> SymmetricTree:
    splits = np.array([split["split_index"] for split in tree.get("splits") or ()], np.int64)
    values = np.array(tree["leaf_values"], np.float64)
    if len(splits) > _MOST_DEPTH or not values.size or values.size % (1 << len(splits)):
        raise damaged("a tree does not have the leaves of its splits")
    values = values.reshape(1 << len(splits), -1)
    weights = tree.get("leaf_weights")
    known = None if weights is None else np.array(weights, np.float64)
    if known is not None and known.shape != (len(values),):
        raise damaged("a tree does not have a weight for each of its leaves")
    return SymmetricTree(splits, values, known)


def _asymmetric_tree(root: Mapping[str, Any]) -> AsymmetricTree:
    nodes, children = [root], []
    for node in nodes:  # Grows while it is read.
        if "split" not in node:
            children.append((-1, -1))
            continue
        children.append((len(nodes), len(nodes) + 1))
        nodes += [node["left"], node["right"]]
    left, right = np.array(children, np.int64).T
    is_leaf = [child < 0 for child, _ in children]
    leaves = [np.ravel(node["value"]) for node in nodes if "split" not in node]
    empty = np.zeros(len(leaves[0]))
    values = [
        np.ravel(node["value"]) if leaf else empty
        for node, leaf in zip(nodes, is_leaf, strict=True)
    ]
    weights = [
        float(node.get("weight", np.nan)) if leaf else 0.0
        for node, leaf in zip(nodes, is_leaf, strict=True)
    ]
    return AsymmetricTree(
        left=left,
        right=right,
        splits=np.array(
            [
                -1 if leaf else node["split"]["split_index"]
                for node, leaf in zip(nodes, is_leaf, strict=True)
            ],
            np.int64,
        ),
        values=np.array(values, np.float64).reshape(len(nodes), len(empty)),
        weights=None if np.isnan(weights).any() else np.array(weights),
    )


def _projection(elements: Sequence[Mapping[str, Any]]) -> Projection:
    categorical, above, equal = [], [], []
    for element in elements:
        match element["combination_element"]:
            case "cat_feature_value":
                categorical.append(int(element["cat_feature_index"]))
            case "float_feature":
                border = float(_float32([element["border"]])[0])
                above.append((int(element["float_feature_index"]), border))
            case _:
                equal.append((int(element["cat_feature_index"]), int(element["value"])))
    return Projection(tuple(categorical), tuple(above), tuple(equal))


def _kind(name: str) -> str:
    if name not in CTR_KINDS:
        raise damaged(f"it has a CTR feature of the unknown kind {name[:40]!r}")
    return name


def _ctr_feature(one: Mapping[str, Any]) -> CtrFeature:
    return CtrFeature(
        base=CtrBase(_projection(one["elements"]), _kind(one["ctr_type"])),
        target_border=int(one["target_border_idx"]),
        prior_numerator=np.float32(one["prior_numerator"]),
        prior_denominator=np.float32(one["prior_denomerator"]),  # Spelled so.
        shift=np.float32(one["shift"]),
        scale=np.float32(one["scale"]),
        borders=_float32(one["borders"]),
    )


def _table(item: tuple[str, Mapping[str, Any]]) -> tuple[CtrBase, CtrTable]:
    """A table: the hash of each combination, and its statistics behind it."""
    described, table = item
    name = json.loads(described)
    base = CtrBase(_projection(name["identifier"]), _kind(name["type"]))
    flat, stride = table["hash_map"], int(table["hash_stride"])
    if stride < 2 or len(flat) % stride:
        raise damaged("a table of a CTR feature does not have whole rows")
    rows = [flat[start : start + stride] for start in range(0, len(flat), stride)]
    rows = [row for row in rows if row[0] != _UNUSED]
    return base, CtrTable(
        keys=np.array([int(row[0]) for row in rows], np.uint64),
        statistics=np.array([row[1:] for row in rows], np.float64).reshape(-1, stride - 1),
        denominator=int(table["counter_denominator"]),
    )
