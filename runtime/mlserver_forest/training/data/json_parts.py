"""JSON in a channel: the parsers of ``formats/json`` with the roles of the columns."""

from collections.abc import Generator, Iterator, Mapping, Sequence

from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.json.json_source import JsonSource, Sizes
from mlserver_forest.formats.parsing import TRAINING, ColumnPlan, FoundColumns
from mlserver_forest.training.data.layout import Columns, Roles, learn
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, KnownColumns, of_matrix

_NAMES_SHOWN = 8
# Larger blocks than in serving, because no other request waits.
_SIZES = Sizes(block=2**21, longest=2**26)


def read(
    parts: Iterator[Part], known: KnownColumns, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel; each is a document, or holds a row on each line.

    Args:
        parts: one after the other.
        known: what is known of the columns; what the first row says is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type; none counts.

    Raises:
        InvalidData: naming file and line, the value and what was expected.
    """
    for part in parts:
        plan = _TrainingPlan(known, columns)
        source = JsonSource(part.name, TRAINING, _SIZES)
        with part.inflated() as stream:
            for rows in application_json.parse_stream(stream, plan.plan, source):
                yield of_matrix(rows.x, rows.texts, plan.roles, rows.locations)


class _TrainingPlan:
    """The roles of a part's columns, and what they mean for its parser."""

    def __init__(self, known: KnownColumns, columns: Columns) -> None:
        self._known = known
        self._columns = columns
        self.roles = Roles(0, None, ())

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Numbers for the features that are not known as categories, text for the rest."""
        known = self._known
        if known.is_empty:
            known.layout = learn(found, self._columns)
        roles = self.roles = known.layout.roles_of(found)
        features = dict(enumerate(roles.features))
        spelled = [roles.target] if roles.weight is None else [roles.target, roles.weight]
        return ColumnPlan(
            width=found.width,
            features=roles.features,
            texts=(*spelled, *(place for f, place in features.items() if f in known.words)),
            dtype=known.dtype,
            spelled=tuple(spelled),
            learns=not known.are_fixed,
            absent=float("nan") if self._columns.absent_is_missing else 0.0,
            names=self._names(found),
            expected=f"the first row has {found.width}{_listed(found.names)}",
        )

    def _names(self, found: FoundColumns) -> list[str]:
        if found.names is not None:
            return list(found.names)
        names = ["the label"] * found.width
        for feature, place in enumerate(self.roles.features):
            names[place] = self._known.layout.names[feature]
        if self.roles.weight is not None:
            names[self.roles.weight] = "the weight"
        return names


def _listed(names: Sequence[str] | None) -> str:
    if names is None:
        return ""
    return f" ({', '.join(names[:_NAMES_SHOWN])}{', ...' if len(names) > _NAMES_SHOWN else ''})"
