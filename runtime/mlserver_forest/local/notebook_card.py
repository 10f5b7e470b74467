"""A model in a few lines: as text, and as HTML for a notebook."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from mlserver_forest.errors import count, format_value
from mlserver_forest.model.card import Card
from mlserver_forest.model.model import Model
from mlserver_forest.reports.html.number_format import fixed, number, printable
from mlserver_forest.reports.html.templates import outside
from mlserver_forest.reports.training.metric_names import MEANINGS, SETS
from mlserver_forest.schema.schema import TargetKind

_KINDS: Mapping[TargetKind, str] = {
    "classification": "a classification",
    "regression": "a regression",
    "anomaly_detection": "finds outliers",
    "unknown": "predicts",
}
_MOST_IMPORTANCES = 10
_MOST_CLASSES = 6
_MOST_FEATURES = 12
# Rows that the model has not seen say more.
_ORDER = ("test", "validation", "cross_validation", "oob", "train")


def is_target(card: Card | None, name: object) -> bool:
    """Whether a column has the name of the target, which a card may hold cut to a length."""
    if card is None or not card.target:
        return False
    return name == card.target_name or card.target == f"column {format_value(name)}"


def text_of_model(model: Model, name: str, directory: Path) -> str:
    """One line, for ``repr``."""
    return f"<model {printable(name)}: {_headline(model)}; {directory}>"


def html_of_model(model: Model, name: str, directory: Path) -> Markup:
    """The card, the metrics and the importances; what came with the data is escaped."""
    card = model.card
    parts = [
        Markup("<h4 style='margin:0 0 .3em'>{}: {}</h4>").format(outside(name), _headline(model)),
        _paragraph(_facts(model, directory)),
        _paragraph([Markup("features: {}").format(_listed(model.schema.feature_names))]),
    ]
    if model.schema.classes:
        classes = _listed(map(str, model.schema.classes), _MOST_CLASSES)
        parts.append(_paragraph([Markup("classes: {}").format(classes)]))
    parts.append(_paragraph([Markup("answers: {}").format(", ".join(model.outputs))]))
    if card is not None:
        parts += [_metrics(card), _importances(card)]
        parts += [_paragraph([printable(note, 400)]) for note in card.notes]
    whole = Markup("").join(parts)
    return Markup("<div class='forest-model' style='max-width:50em'>{}</div>").format(whole)


def _headline(model: Model) -> str:
    schema, target = model.schema, model.card.target_name if model.card else ""
    what = f"predicts {printable(target)}" if target else _KINDS[schema.kind]
    return f"{what} from {count(schema.n_features, 'feature')}"


def _facts(model: Model, directory: Path) -> list[str]:
    card = model.card
    facts = [count(model.forest.n_trees, "tree")]
    if card is not None:
        facts = [printable(card.title), *facts]
        if card.n_rows:
            facts.append(f"{card.n_rows:,} training rows")
        facts.append(f"trained {printable(card.trained)}")
    if model.calibration is not None:
        facts.append(f"intervals of {model.calibration.level:.0%}")
    return [*filter(None, facts), str(directory)]


def _metrics(card: Card) -> Markup:
    """A table with a row for each set of rows; empty if no metric is known."""
    sets = [name for name in _ORDER if card.metrics.get(name)]
    sets += [name for name in card.metrics if name not in sets and card.metrics[name]]
    names = list(dict.fromkeys(metric for name in sets for metric in card.metrics[name]))
    if not names:
        return Markup("")
    head = [MEANINGS[name].title if name in MEANINGS else printable(name) for name in names]
    rows = [[SETS.get(one, printable(one)), *_values(card.metrics[one], names)] for one in sets]
    return _table(["metrics on rows of", *head], rows)


def _values(found: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [number(found[name]) if name in found else "" for name in names]


def _importances(card: Card) -> Markup:
    """Bars for the first features; empty if their importance is not known."""
    shown = list(card.importances.items())[:_MOST_IMPORTANCES]
    longest = max((value for _, value in shown), default=0.0)
    if longest <= 0:
        return Markup("")
    style = "display:inline-block;height:.8em;background:#4a7;width:"
    bar = Markup("<span style='{}{}em'></span>")
    rows = [
        [outside(name), fixed(value, 3), bar.format(style, f"{max(value, 0) / longest * 12:.2f}")]
        for name, value in shown
    ]
    where = SETS.get(card.measured_on, printable(card.measured_on))
    what = "impurity" if card.measure == "impurity" else f"loss of {printable(card.measure)}"
    measure = " ".join(filter(None, [what, f"on {where} rows" if where else ""]))
    return _table(["feature", "importance", measure], rows)


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    cell = Markup("<td style='text-align:left'>{}</td>")
    lines = [Markup("<tr>{}</tr>").format(_joined(cell, row)) for row in rows]
    top = _joined(Markup("<th style='text-align:left'>{}</th>"), head)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        top, Markup("").join(lines)
    )


def _joined(template: Markup, values: Iterable[object]) -> Markup:
    return Markup("").join(template.format(value) for value in values)


def _paragraph(parts: Iterable[object]) -> Markup:
    return Markup("<p style='margin:.2em 0'>{}</p>").format(Markup(" · ").join(map(escape, parts)))


def _listed(names: Iterable[str], most: int = _MOST_FEATURES) -> Markup:
    every = list(names)
    shown = Markup(", ").join(outside(name) for name in every[:most])
    return shown + (f", ... {len(every):,} in all" if len(every) > most else "")
