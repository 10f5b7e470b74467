"""SimpleImputer and MissingIndicator, as impute/_base.py of scikit-learn 0.20 to 1.9 has them."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep
from mlserver_forest.engine.kernels.column_step_kernel import FILL, MISSING_IF
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    PreparedTable,
    Values,
    as_numbers,
    is_nan,
    is_number,
    missing_in,
    not_numbers,
    side_by_side,
)

_OF_ANY_TYPE = ("most_frequent", "constant")


def read_simple_imputer(imputer: Record, table: PreparedTable) -> PreparedTable:
    """Missing values are replaced; columns that say where they were may come at the end."""
    fills = np.asarray(imputer.require("statistics_"), object).tolist()
    table.require_width(imputer.name, len(fills))
    table.require_dense(imputer.name)
    marker = _marker(imputer)
    takes_any = imputer.get("strategy") in _OF_ANY_TYPE
    keeps_empty = bool(imputer.get("keep_empty_features"))
    filled = table.map([_fill(marker, fill, takes_any=takes_any) for fill in fills])
    kept = [place for place, fill in enumerate(fills) if keeps_empty or not is_nan(fill)]
    filled = filled.take(kept)
    if not imputer.get("add_indicator"):
        return filled
    indicators = read_missing_indicator(record_of(imputer.require("indicator_")), table)
    return side_by_side([filled, indicators], is_sparse=False)


def read_missing_indicator(indicator: Record, table: PreparedTable) -> PreparedTable:
    """1 where a value is missing, for all columns or for those that lacked some in training."""
    marker = _marker(indicator)
    chosen = indicator.array("features_", 1).tolist()
    only_seen = indicator.require("features") == "missing-only"
    refuses_new = only_seen and indicator.get("error_on_new") and not indicator.get("_precomputed")
    refuses_other = _refuses_other_missing(marker)

    def shows(*, refuses_all: bool) -> ColumnFunction:
        return ColumnFunction(
            lambda values: _is_marked(values, marker).astype(np.float64),
            outcomes=np.array([0.0, 1.0]),
            edges=_edges(marker),
            known=_known(marker),
            refuses=(lambda values: _is_marked(values, marker)) if refuses_all else refuses_other,
            says="whether missing",
        )

    everywhere = table.map(
        [
            shows(refuses_all=bool(refuses_new) and place not in chosen)
            for place in range(len(table.columns))
        ]
    )
    return replace(everywhere.take(chosen), is_sparse=indicator.get("sparse") is True)


def replaced_number(marker: float) -> NDArray[np.float64]:
    """The edges of a function that gives a number another meaning."""
    return np.array([np.nextafter(float(marker), -np.inf), float(marker)])


def _fill(marker: Any, fill: Any, *, takes_any: bool) -> ColumnFunction:
    def apply(values: Values) -> Values:
        marked = _is_marked(values, marker)
        values = values.copy() if takes_any else as_numbers(values)
        values[marked] = fill
        return values

    other = _refuses_other_missing(marker)

    def refuses(values: Values) -> NDArray[np.bool_]:
        refused = np.zeros(len(values), bool) if other is None else other(values)
        if values.dtype.kind == "f":
            refused = refused | np.isinf(values)
        return refused if takes_any else refused | (not_numbers(values) & ~missing_in(values))

    shown = f"{fill:g}" if is_number(fill) else fill
    steps = None
    if is_number(fill) and is_number(marker):
        marks = () if is_nan(marker) else (ColumnStep(MISSING_IF, float(marker)),)
        steps = (*marks, ColumnStep(FILL, float(fill)))
    return ColumnFunction(
        apply,
        steps=steps,
        edges=_edges(marker),
        known=_known(marker),
        keeps_values=True,
        refuses=refuses,
        says=f"imputed by {shown}",
    )


def _marker(record: Record) -> Any:
    """What means a missing value: NaN, None, a number or a text."""
    found = record.get("missing_values", np.nan)
    if isinstance(found, np.generic):
        found = found.item()
    is_plain = found is None or isinstance(found, str | bool | int | float)
    return found if is_plain else np.nan  # pandas.NA.


def _is_marked(values: Values, marker: Any) -> NDArray[np.bool_]:
    if is_nan(marker):
        return missing_in(values)
    if values.dtype.kind == "O":
        return np.array([value is marker or value == marker for value in values], bool)
    if not is_number(marker):
        return np.zeros(len(values), bool)
    found: NDArray[np.bool_] = values == marker
    return found


def _refuses_other_missing(marker: Any) -> Any:
    """NaN is refused where something else means missing."""
    return None if is_nan(marker) else missing_in


def _edges(marker: Any) -> NDArray[np.float64]:
    """A number that is replaced stands between two edges."""
    if not is_number(marker) or is_nan(marker):
        return np.empty(0)
    return replaced_number(marker)


def _known(marker: Any) -> list[Any]:
    return [] if marker is None or is_nan(marker) else [marker]
