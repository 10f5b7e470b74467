"""The top of the page: what was trained, how good it is, what to know about the data."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlserver_forest.reports.html.markup import Html, element, join, number, outside, table, text
from mlserver_forest.reports.training.facts import Facts

_MEANINGS = {
    "accuracy": ("Accuracy", "share of rows predicted right"),
    "balanced_accuracy": ("Balanced accuracy", "the same within each class, averaged"),
    "log_loss": ("Log loss", "cost of the probabilities; lower is better, 0 the least"),
    "roc_auc": ("ROC AUC", "how well rows are ranked; 0.5 is by chance"),
    "f1": ("F1", "precision and recall in one, averaged over classes"),
    "rmse": ("RMSE", "typical error, large ones weighing more; lower is better"),
    "mae": ("MAE", "average size of an error; lower is better"),
    "r2": ("R²", "share of the variance explained; 0 is predicting the mean"),
}
SETS = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "oob": "out-of-bag",
    "cross_validation": "cross-validation",
}
_MOST_NAMED = 5
_MOST_FILES = 10
_HEADLINE = ("roc_auc", "accuracy", "r2", "rmse")


def called(metric: str) -> str:
    """The metric's name for a person."""
    return _MEANINGS[metric][0] if metric in _MEANINGS else metric


def title(facts: Facts) -> str:
    return f"{facts.title}: {facts.kind}"


def header(facts: Facts, links: Mapping[str, str]) -> Html:
    """Title, key figures and the way to the sections."""
    features = f"{len(facts.names):,} feature{'s' if len(facts.names) != 1 else ''}"
    lead = join(
        ["Predicts", _target(facts), f"from {features}, learned from {facts.n_rows:,} rows."]
    )
    items = [element("li", element("a", name, href=f"#{anchor}")) for anchor, name in links.items()]
    return element(
        "header",
        element("h1", title(facts)),
        element("p", lead, class_="lead"),
        _figures(facts),
        element("nav", element("ul", *items), aria_label="Sections"),
    )


def _target(facts: Facts) -> Html:
    if facts.kind == "regression":
        return Html("a number")
    if len(facts.classes) > _MOST_NAMED:
        return Html(f"one of {len(facts.classes):,} classes")
    *first, last = map(outside, facts.classes)
    return Html(f"{', '.join(first)} or {last}")


def _figures(facts: Facts) -> Html:
    """The metrics of the most honest set, then the size of the data."""
    found = facts.metrics.get(facts.drawn or "", {})
    where = SETS.get(facts.drawn or "", "")
    pairs = [
        (_measure(name, found[name]), f"{_MEANINGS[name][0]}, {where}")
        for name in _HEADLINE
        if name in found
    ]
    pairs.append((text(facts.n_rows), "training rows"))
    pairs.append((text(len(facts.names)), "features"))
    shown = [
        element(
            "div",
            element("dt", label),
            element("dd", value),
            class_="first" if i == 0 and found else None,
        )
        for i, (value, label) in enumerate(pairs)
    ]
    return element("dl", *shown, class_="figures")


def warnings(facts: Facts) -> Html:
    """The findings, or that there are none."""
    findings = facts.inspection.findings
    if not findings:
        looked = (
            "None. Looked for: features that tell the target alone, rows of other sets among the "
            "training rows, duplicate and conflicting rows, rare classes, identifiers, constant "
            "and empty columns."
        )
        return element("p", looked)
    items = [element("li", element("strong", f.title), outside_text(f.text)) for f in findings]
    return element("ul", *items, class_="warnings")


def outside_text(value: str) -> Html:
    """A sentence that may quote what came from outside."""
    return element("span", value[:1].upper() + value[1:] + ".")


def metrics(facts: Facts) -> Html:
    """Metrics down, sets across."""
    if not any(facts.metrics.values()):
        return element("p", "No rows were held out, so nothing was measured.")
    names = [name for name in _MEANINGS if any(name in found for found in facts.metrics.values())]
    sets = list(facts.metrics)
    rows = [
        [
            join([text(_MEANINGS[name][0]), element("small", _MEANINGS[name][1])]),
            *(_measure(name, facts.metrics[prefix].get(name)) for prefix in sets),
        ]
        for name in names
    ]
    head = ["Metric", *(SETS.get(prefix, prefix).capitalize() for prefix in sets)]
    note = "Training rows were learned from: what is measured on them is no promise."
    return join(
        [
            table("Metrics by set", head, rows, range(1, len(head)), "fill"),
            element("p", note, class_="note") if "train" in sets else "",
        ]
    )


def _measure(name: str, value: float | None) -> Html:
    """Four decimals, so that a column is aligned; five figures of what has a unit."""
    if value is None:
        return Html("–")  # noqa: RUF001  # a dash for no number
    if name in {"rmse", "mae"}:
        return Html(number(value))
    return Html(f"{value:.4f}".replace("-", "\N{MINUS SIGN}"))


def settings(facts: Facts) -> Html:
    """Hyperparameters and versions."""
    chosen = [[_code(name), _code(_written(v))] for name, v in facts.hyperparameters.items()]
    versions = [[text(name), outside(version)] for name, version in facts.versions.items()]
    return element(
        "div",
        *[
            table("Hyperparameters", ["Name", "Value"], chosen, (), "fill"),
            element(
                "div",
                table("Versions", ["Library", "Version"], versions, (), "fill"),
                _files(facts.files) if facts.files else "",
            ),
        ],
        class_="beside",
    )


def _files(names: Sequence[str]) -> Html:
    shown = [[outside(name)] for name in names[:_MOST_FILES]]
    first = f", the first {_MOST_FILES}" if len(names) > _MOST_FILES else ""
    return table(f"Training files: {len(names):,}{first}", ["Name"], shown, (), "fill")


def _code(value: str) -> Html:
    return element("code", outside(value))


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
