"""Transformers of numbers, column by column: each does what scikit-learn's ``transform`` does.

The operations and their order are those of preprocessing/_data.py, _discretization.py and
_function_transformer.py of scikit-learn 0.20 to 1.9, so that the results are the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.kernels.column_step_kernel import (
    ADD,
    AT_LEAST,
    AT_MOST,
    DIVIDE,
    MULTIPLY,
    SUBTRACT,
)
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.scikit_learn.function_names import name_of_function
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    PreparedTable,
    Values,
    numeric,
)
from mlserver_forest.importers.scikit_learn.release import release_of

# The functions of NumPy that rise or fall between their edges, and those edges.
FUNCTIONS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("exp", "expm1", "exp2", "cbrt", "arcsinh", "sinh", "tanh", "arctan"), ()),
    **dict.fromkeys(("positive", "negative", "rint", "floor", "ceil", "trunc", "sign"), ()),
    **dict.fromkeys(("deg2rad", "rad2deg", "radians", "degrees"), ()),
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), (float(np.nextafter(0, -1)),)),
    "log1p": (float(np.nextafter(-1, -2)),),
    **dict.fromkeys(("square", "abs", "absolute", "fabs"), (0.0,)),
    "reciprocal": (float(np.nextafter(0, -1)), 0.0),
    "arctanh": (float(np.nextafter(-1, -2)), 1.0),
    **dict.fromkeys(("arcsin", "arccos"), (float(np.nextafter(-1, -2)), 1.0)),
    "isnan": (),
}
# Those of them that may stand before a transformer that mixes columns, by steps or as a table. The
# last bits of logarithms, exponentials and the like differ between machines.
_STEPS = {"positive": (), "negative": (ColumnStep(MULTIPLY, -1.0),)}
_OUTCOMES = {"sign": np.array([-1.0, 0.0, 1.0]), "isnan": np.array([0.0, 1.0])}
_BOUNDS_THRESHOLD = 1e-7
_FLOATS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def read_standard_scaler(scaler: Record, table: PreparedTable) -> PreparedTable:
    """The mean is subtracted, and the result divided by the standard deviation."""
    mean = _numbers(scaler, "mean_", table) if scaler.get("with_mean", True) else None
    scale = _numbers(scaler, "scale_", table) if scaler.get("with_std", True) else None
    return _moved(table, mean, scale)


def read_robust_scaler(scaler: Record, table: PreparedTable) -> PreparedTable:
    """The median is subtracted, and the result divided by a range of quantiles."""
    center = _numbers(scaler, "center_", table) if scaler.get("with_centering", True) else None
    scale = _numbers(scaler, "scale_", table) if scaler.get("with_scaling", True) else None
    return _moved(table, center, scale)


def read_max_abs_scaler(scaler: Record, table: PreparedTable) -> PreparedTable:
    """Numbers are divided by the largest one."""
    moved = _moved(table, None, _numbers(scaler, "scale_", table))
    return _clipped(moved, -1.0, 1.0) if scaler.get("clip") else moved


def read_min_max_scaler(scaler: Record, table: PreparedTable) -> PreparedTable:
    """Numbers are multiplied, and a number is added."""
    scale = _require(_numbers(scaler, "scale_", table))
    least = _require(_numbers(scaler, "min_", table))

    def scaled(factor: Any, offset: Any) -> ColumnFunction:
        def change(x: NDArray[Any]) -> Values:
            x *= factor
            x += offset
            return x

        steps = (ColumnStep(MULTIPLY, float(factor)), ColumnStep(ADD, float(offset)))
        return numeric(change, steps=steps, says="scaled")

    moved = table.map([scaled(*pair) for pair in zip(scale, least, strict=True)])
    if not scaler.get("clip"):
        return moved
    low, high = scaler.require("feature_range")
    return _clipped(moved, low, high)


def read_binarizer(binarizer: Record, table: PreparedTable) -> PreparedTable:
    """1 for numbers above a threshold, else 0."""
    threshold = float(binarizer.require("threshold"))
    function = numeric(
        lambda x: (x > threshold).astype(x.dtype),
        refuses_missing=True,
        outcomes=np.array([0.0, 1.0]),
        says=f"1 above {threshold}",
    )
    return table.map_all(function)


def read_power_transformer(transformer: Record, table: PreparedTable) -> PreparedTable:
    """A power of each number, standardized."""
    from scipy import special, stats

    is_box_cox = transformer.require("method") == "box-cox"

    def power(exponent: float) -> ColumnFunction:
        if is_box_cox:
            function = numeric(lambda x: special.boxcox(x, exponent), says="Box-Cox")
            return _positive_only(function)
        # The formulas for negative and other numbers meet at 0.
        edges = np.array([np.nextafter(0, -1)])
        return numeric(
            lambda x: np.asarray(stats.yeojohnson(x, exponent)), edges=edges, says="Yeo-Johnson"
        )

    found = table.map([power(one) for one in _per_column(transformer, "lambdas_", table)])
    if not transformer.require("standardize"):
        return found
    return read_standard_scaler(record_of(transformer.require("_scaler")), found)


def read_quantile_transformer(transformer: Record, table: PreparedTable) -> PreparedTable:
    """The share of the training rows below a number, or the normal quantile of that share."""
    from scipy import stats

    quantiles = transformer.array("quantiles_", 2)
    references = transformer.array("references_", 1)
    table.require_width(transformer.name, quantiles.shape[1])
    is_normal = transformer.require("output_distribution") == "normal"
    table.require_dense(transformer.name)
    space = np.spacing(1)
    low, high = (
        stats.norm.ppf(edge)
        for edge in (_BOUNDS_THRESHOLD - space, 1 - (_BOUNDS_THRESHOLD - space))
    )

    def ranked(known: NDArray[Any]) -> ColumnFunction:
        def change(x: NDArray[Any]) -> Values:
            if is_normal:
                at_low = x - _BOUNDS_THRESHOLD < known[0]
                at_high = x + _BOUNDS_THRESHOLD > known[-1]
            else:
                at_low, at_high = x == known[0], x == known[-1]
            there = ~np.isnan(x)
            ascending = np.interp(x[there], known, references)
            descending = np.interp(-x[there], -known[::-1], -references[::-1])
            x[there] = 0.5 * (ascending - descending)
            x[at_high] = 1
            x[at_low] = 0
            return np.clip(stats.norm.ppf(x), low, high) if is_normal else x

        return numeric(change, says="quantile")

    return table.map([ranked(column) for column in quantiles.T])


def read_k_bins(transformer: Record, table: PreparedTable) -> PreparedTable:
    """The number of the bin, or a column for each bin."""
    release = release_of(transformer)
    encode = transformer.require("encode")
    dtype = _FLOATS[_dtype_name(transformer.get("dtype"))]
    columns = []
    for column, found in zip(
        table.columns, _per_column(transformer, "bin_edges_", table), strict=True
    ):
        edges = np.asarray(found, np.float64)
        binned = column.then(_bins(edges, dtype, adds_tolerance=release.number < (1, 1)))
        if encode == "ordinal":
            columns.append(binned)
            continue
        columns += [binned.then(_is_bin(place)) for place in range(len(edges) - 1)]
    return PreparedTable(tuple(columns), encode == "onehot", table.guards)


def read_function_transformer(transformer: Record, table: PreparedTable) -> PreparedTable:
    """A function of NumPy, or nothing at all."""
    function = transformer.get("func")
    if function is None:
        return table
    name = name_of_function(function)
    if name not in FUNCTIONS or transformer.get("kw_args"):
        raise UnsupportedEstimator(
            f"a FunctionTransformer applies the function {name}, which cannot be packed; use one "
            f"of NumPy's {', '.join(FUNCTIONS)}, or prepare this column before the pipeline"
        )
    table.require_dense(transformer.name)
    apply: Callable[[NDArray[Any]], Values] = getattr(np, name)
    found = numeric(
        apply,
        refuses_missing=bool(transformer.get("validate")),
        refuses_infinite=bool(transformer.get("validate")),
        edges=np.array(FUNCTIONS[name]),
        steps=_STEPS.get(name),
        outcomes=_OUTCOMES.get(name),
        says=name,
    )
    return table.map_all(found)


def weighted(table: PreparedTable, weight: float) -> PreparedTable:
    """All columns multiplied by a number, as ``transformer_weights`` wants it."""
    steps = (ColumnStep(MULTIPLY, float(weight)),)
    return table.map_all(numeric(lambda x: x * weight, refuses_infinite=False, steps=steps))


def _moved(
    table: PreparedTable, before: NDArray[Any] | None, divisor: NDArray[Any] | None
) -> PreparedTable:
    def moved(place: int) -> ColumnFunction:
        def change(x: NDArray[Any]) -> Values:
            if before is not None:
                x -= before[place].astype(x.dtype)
            if divisor is None:
                return x
            if table.is_sparse:  # A sparse matrix is multiplied by the inverse.
                x *= (1 / divisor)[place]
            else:
                x /= divisor[place].astype(x.dtype)
            return x

        steps = [] if before is None else [ColumnStep(SUBTRACT, float(before[place]))]
        if divisor is not None and table.is_sparse:
            steps.append(ColumnStep(MULTIPLY, float((1 / divisor)[place])))
        elif divisor is not None:
            steps.append(ColumnStep(DIVIDE, float(divisor[place])))
        return numeric(change, steps=tuple(steps), says="scaled")

    return table.map([moved(place) for place in range(len(table.columns))])


def _clipped(table: PreparedTable, low: float, high: float) -> PreparedTable:
    function = numeric(
        lambda x: np.clip(x, x.dtype.type(low), x.dtype.type(high)),
        steps=(ColumnStep(AT_LEAST, float(low)), ColumnStep(AT_MOST, float(high))),
    )
    return table.map_all(function)


def _positive_only(function: ColumnFunction) -> ColumnFunction:
    """The same, which refuses numbers that are not positive."""
    before = function.refuses

    def refuses(values: Values) -> NDArray[np.bool_]:
        assert before is not None, "a function of numbers refuses what is none"  # noqa: S101
        refused = before(values)
        refused[~refused] |= values[~refused].astype(np.float64) <= 0
        return refused

    return ColumnFunction(function.apply, refuses=refuses, edges=np.zeros(1), says=function.says)


def _bins(edges: NDArray[np.float64], dtype: type, *, adds_tolerance: bool) -> ColumnFunction:
    inner = edges[1:-1]

    def change(x: NDArray[Any]) -> Values:
        x = x.astype(dtype)
        if not adds_tolerance:
            return np.searchsorted(inner, x, side="right").astype(dtype)
        # Until 1.0, a number just below an edge belonged to the bin above it.
        tolerance = 1.0e-8 + 1.0e-5 * np.abs(x)
        return np.clip(np.digitize(x + tolerance, edges[1:]), 0, len(edges) - 2).astype(dtype)

    numbers = np.arange(len(edges) - 1, dtype=np.float64)
    says = f"in {len(edges) - 1} bins"
    return numeric(change, refuses_missing=True, outcomes=numbers, says=says)


def _is_bin(place: int) -> ColumnFunction:
    return numeric(
        lambda x: (x == place).astype(x.dtype),
        edges=np.array([place - 0.5, place + 0.5]),
        outcomes=np.array([0.0, 1.0]),
    )


def _dtype_name(dtype: Any) -> str:
    if dtype is None:
        return "float64"
    return dtype.name if isinstance(dtype, GlobalName) else np.dtype(dtype).name


def _numbers(record: Record, name: str, table: PreparedTable) -> NDArray[np.float64] | None:
    """(n_columns,) an attribute of a scaler; None if it has none."""
    if record.get(name) is None:
        return None
    return np.asarray(_per_column(record, name, table), np.float64)


def _require(found: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if found is None:
        raise UnsupportedEstimator("a MinMaxScaler in this pipeline is not fitted; fit it first")
    return found


def _per_column(record: Record, name: str, table: PreparedTable) -> Sequence[Any]:
    found: Sequence[Any] = record.require(name)
    table.require_width(record.name, len(found))
    return found
