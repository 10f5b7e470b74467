"""CatBoost's ``.cbm`` files, which are also what its pickles hold.

A file is the letters ``CBM1``, the size of the core and the core, a FlatBuffer
(catboost/libs/model/flatbuffers/model.fbs), and then the parts that the core names. The part
``static_provider_v1`` holds the tables of CTR features: their number, then the size of each and a
FlatBuffer (catboost/libs/model/ctr_data.cpp, ctr_value_table.cpp). All of CatBoost 1.2.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.importers.catboost.description import (
    REVISION,
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
from mlserver_forest.importers.catboost.flat_buffers import FlatBuffer, FlatTable, damaged

MAGIC = b"CBM1"

CTR_KINDS = (
    "Borders",
    "Buckets",
    "BinarizedTargetMeanValue",
    "FloatTargetMeanValue",
    "Counter",
    "FeatureFreq",
)
MEANS = frozenset({"BinarizedTargetMeanValue", "FloatTargetMeanValue"})
COUNTERS = frozenset({"Counter", "FeatureFreq"})

_FORMAT = "FlabuffersModel_v1"  # Spelled so in catboost/libs/model/model.cpp.
_TABLES = "static_provider_v1"
_LONG_SIZE = 0xFFFF_FFFF
_MOST_DEPTH = 30
# The hash of an unused bucket (catboost/libs/helpers/dense_hash_view.h).
_UNUSED = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_BUCKET = np.dtype([("key", "<u8"), ("row", "<u4")])
_MEAN = np.dtype([("sum", "<f4"), ("count", "<i4")])
_STEP = np.dtype([("left", "<u2"), ("right", "<u2")])
_ABOVE = np.dtype([("index", "<i4"), ("border", "<f4")])
_EQUAL = np.dtype([("index", "<i4"), ("hash", "<i4")])
_AS_TRUE = 2
_RELEASE = re.compile(r"(?:tags/v|release )(\d+(?:\.\d+)+)")
_LAST_REVISION = re.compile(r"Last Changed Rev: (\d{1,18})\b")


def read_cbm(content: bytes) -> ModelDescription:
    """Read the bytes of a file.

    Raises:
        UnsupportedEstimator: if they are damaged, or of another format.
    """
    view = memoryview(content)
    core_bytes, rest = _sized(view[len(MAGIC) :])
    core = FlatBuffer(core_bytes).root()
    if core.text(0) != _FORMAT:
        raise damaged(f"its format is {core.text(0)[:40]!r}, not {_FORMAT!r}")
    trees = core.required_table(1)
    known = {table.text(0): table.text(1) for table in core.tables(2)}
    parts = core.texts(3)
    if parts and parts[0] != _TABLES and trees.tables(7):
        raise damaged("it does not have the tables of its CTR features")
    return ModelDescription(
        float_features=[_float_feature(table) for table in trees.tables(5)],
        categorical_features=[
            CategoricalFeature(table.integer(0, -1), table.integer(1, -1), table.text(2))
            for table in trees.tables(4)
        ],
        one_hot_features=[
            OneHotFeature(table.integer(0, -1), table.array(1, "<i4"), tuple(table.texts(2)))
            for table in trees.tables(6)
        ],
        ctr_features=[_ctr_feature(table) for table in trees.tables(7)],
        tables=dict(_tables(rest)) if _TABLES in parts else {},
        trees=_trees(trees),
        scale=trees.float64(14, 1.0),
        bias=_bias(trees),
        parameters=json_object(known.get("params", "{}")),
        class_parameters=class_parameters(known),
        threshold=float(known.get("binclass_probability_threshold", 0.5)),
        version=release(known.get("catboost_version_info", "")),
        unread=_unread(trees),
    )


def json_object(text: str) -> Mapping[str, Any]:
    """The object in a text of JSON, which models keep for their parameters."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged("its parameters are not JSON") from error
    if not isinstance(found, dict):
        raise damaged("its parameters are not an object of JSON")
    return found


def class_parameters(known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a model says about its labels, under the names of all versions; empty if nothing."""
    for name in ("class_params", "multiclass_params"):
        found = known.get(name)
        if found:
            return found if isinstance(found, dict) else json_object(found)
    return {}


def release(text: str) -> str:
    """The version or the revision in CatBoost's account of its build, or an empty string."""
    if found := _RELEASE.search(text):
        return found[1]
    found = _LAST_REVISION.search(text)
    return REVISION + found[1] if found else ""


def _sized(view: memoryview) -> tuple[memoryview, memoryview]:
    """The bytes that a size is written before, and those after them (``SaveSize``)."""
    form, start = "<I", 4
    try:
        (size,) = struct.unpack_from(form, view)
        if size == _LONG_SIZE:
            (size,), start = struct.unpack_from("<Q", view, 4), 12
    except struct.error as error:
        raise damaged("it ends early") from error
    if size > len(view) - start:
        raise damaged("it ends early")
    return view[start : start + size], view[start + size :]


def _float_feature(table: FlatTable) -> FloatFeature:
    return FloatFeature(
        index=table.integer(1, -1),
        column=table.integer(2, -1),
        name=table.text(4),
        borders=table.array(3, "<f4"),
        missing_right=bool(table.byte(0)) and table.byte(5) == _AS_TRUE,
    )


def _unread(trees: FlatTable) -> tuple[str, ...]:
    kinds = {12: "text", 18: "embedding", 13: "estimated"}
    return tuple(name for field, name in kinds.items() if trees.tables(field))


def _bias(trees: FlatTable) -> NDArray[np.float64]:
    n_outputs = trees.integer(0)
    bias = trees.array(16, "<f8")
    if not bias.size and 0 < n_outputs <= max(1, trees.array(8, "<f8").size):
        return np.full(n_outputs, trees.float64(15, 0.0))
    if bias.size != n_outputs or not n_outputs:
        raise damaged("its bias does not fit the number of its outputs")
    return bias


def _trees(trees: FlatTable) -> list[SymmetricTree | AsymmetricTree]:
    n_outputs, values = len(_bias(trees)), trees.array(8, "<f8")
    if values.size % n_outputs:
        raise damaged("its leaf values do not fit the number of its outputs")
    values = values.reshape(-1, n_outputs)
    listed = trees.array(9, "<f8")
    weights = listed if listed.size == len(values) else None
    splits, sizes = trees.array(1, "<i4").astype(np.int64), trees.array(2, "<i4").astype(np.int64)
    if (sizes < 0).any() or sizes.sum() != splits.size:
        raise damaged("its trees do not fit its splits")
    bounds = list(pairwise(np.concatenate([[0], np.cumsum(sizes)]).tolist()))
    steps = trees.array(10, _STEP)
    if not steps.size:
        return list(_symmetric_trees(splits, bounds, values, weights))
    leaves = trees.array(11, "<u4").astype(np.int64)
    if len(steps) != splits.size or len(leaves) != splits.size:
        raise damaged("its nodes do not fit its splits")
    return [
        _asymmetric_tree(
            splits[start:end], steps[start:end], leaves[start:end] // n_outputs, values, weights
        )
        for start, end in bounds
    ]


def _symmetric_trees(
    splits: NDArray[np.int64],
    bounds: list[tuple[int, int]],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> Iterator[SymmetricTree]:
    first = 0
    for start, end in bounds:
        last = first + (1 << (end - start)) if end - start <= _MOST_DEPTH else len(values) + 1
        if last > len(values):
            raise damaged("its trees have more leaves than it has values")
        known = None if weights is None else weights[first:last]
        yield SymmetricTree(splits[start:end], values[first:last], known)
        first = last


def _asymmetric_tree(
    splits: NDArray[np.int64],
    steps: NDArray[Any],
    leaves: NDArray[np.int64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> AsymmetricTree:
    """The tree; a node that has a child on one side only holds the leaf of the other side itself.

    https://github.com/catboost/catboost: ``BuildTreeJson`` in
    catboost/libs/model/model_export/json_model_helpers.cpp.
    """
    n_nodes = len(splits)
    position = np.arange(n_nodes)
    to_left, to_right = steps["left"].astype(np.int64), steps["right"].astype(np.int64)
    has_left, has_right = to_left > 0, to_right > 0
    is_split = has_left | has_right
    halves = np.flatnonzero(has_left != has_right)
    own = n_nodes + np.arange(len(halves))
    left = np.where(has_left, position + to_left, -1)
    right = np.where(has_right, position + to_right, -1)
    left[halves[~has_left[halves]]] = own[~has_left[halves]]
    right[halves[~has_right[halves]]] = own[~has_right[halves]]
    nowhere = np.full(len(halves), -1)
    is_leaf = np.concatenate([~is_split, np.ones(len(halves), bool)])
    rows = np.where(is_leaf, np.concatenate([leaves, leaves[halves]]), 0)
    if (rows >= len(values)).any():
        raise damaged("its trees have more leaves than it has values")
    return AsymmetricTree(
        left=np.concatenate([left, nowhere]),
        right=np.concatenate([right, nowhere]),
        splits=np.concatenate([splits, nowhere]),
        values=values[rows],
        weights=None if weights is None else np.where(is_leaf, weights[rows], 0.0),
    )


def _ctr_feature(table: FlatTable) -> CtrFeature:
    ctr = table.required_table(0)
    return CtrFeature(
        base=_ctr_base(ctr.required_table(0)),
        target_border=ctr.integer(1),
        prior_numerator=ctr.float32(2, 0.0),
        prior_denominator=ctr.float32(3, 1.0),
        shift=ctr.float32(4, 0.0),
        scale=ctr.float32(5, 1.0),
        borders=table.array(1, "<f4"),
    )


def _ctr_base(table: FlatTable) -> CtrBase:
    combination = table.required_table(0)
    above, equal = combination.array(1, _ABOVE), combination.array(2, _EQUAL)
    kind = table.byte(1)
    if not 0 <= kind < len(CTR_KINDS):
        raise damaged(f"it has a CTR feature of the unknown kind {kind}")
    return CtrBase(
        Projection(
            tuple(combination.array(0, "<i4").tolist()),
            tuple(zip(above["index"].tolist(), above["border"].tolist(), strict=True)),
            tuple(zip(equal["index"].tolist(), equal["hash"].tolist(), strict=True)),
        ),
        CTR_KINDS[kind],
    )


def _tables(rest: memoryview) -> Iterator[tuple[CtrBase, CtrTable]]:
    if len(rest) < 4:
        raise damaged("it ends early")
    (n_tables,) = struct.unpack_from("<I", rest)
    rest = rest[4:]
    for _ in range(n_tables):
        content, rest = _sized(rest)
        table = FlatBuffer(content).root()
        base = _ctr_base(table.required_table(0))
        yield base, _table(table, base.kind)


def _table(table: FlatTable, kind: str) -> CtrTable:
    buckets = _whole(table.array(1, np.uint8), _BUCKET)
    buckets = buckets[buckets["key"] != _UNUSED]
    content = table.array(2, np.uint8)
    if kind in MEANS:
        means = _whole(content, _MEAN)
        statistics = np.column_stack([means["sum"].astype(np.float64), means["count"]])
    else:
        width = 1 if kind in COUNTERS else table.integer(4)
        counts = _whole(content, np.dtype("<i4"))
        if width < 1 or counts.size % width:
            raise damaged("the statistics of a CTR feature do not fit the classes of its target")
        statistics = counts.reshape(-1, width)
    if (buckets["row"] >= len(statistics)).any():
        raise damaged("a category refers to statistics that the model does not have")
    return CtrTable(buckets["key"], statistics[buckets["row"]], table.integer(3))


def _whole(content: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The bytes as structures."""
    if content.size % dtype.itemsize:
        raise damaged("a table of it ends early")
    return content.view(dtype)
