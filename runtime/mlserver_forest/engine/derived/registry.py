"""Every kind of derived columns, by the number that stands for it in a forest file."""

from collections.abc import Mapping

from mlserver_forest.engine.derived.date_parts import DateParts
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.lookups import Lookups

# Numbers are never used again for another kind.
KINDS: Mapping[int, type[Derivation]] = {
    0: Lookups,
    1: DateParts,
}
NUMBERS = {kind: number for number, kind in KINDS.items()}
