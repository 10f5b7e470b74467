"""Every kind of derived columns, by the number that stands for it in a forest file."""

from collections.abc import Mapping

from mlserver_forest.engine.derived.column_steps import ColumnSteps
from mlserver_forest.engine.derived.date_parts import DateParts
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.imputation import Imputation
from mlserver_forest.engine.derived.linear_projection import LinearProjection
from mlserver_forest.engine.derived.lookups import Lookups
from mlserver_forest.engine.derived.products import Products
from mlserver_forest.engine.derived.unit_norm import UnitNorm

# Numbers are never used again for another kind.
KINDS: Mapping[int, type[Derivation]] = {
    0: Lookups,
    1: DateParts,
    2: ColumnSteps,
    3: LinearProjection,
    4: Products,
    5: UnitNorm,
    6: Imputation,
}
NUMBERS = {kind: number for number, kind in KINDS.items()}
