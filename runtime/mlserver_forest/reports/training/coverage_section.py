"""How often the target lay within intervals or sets, beside how often it should."""

from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.reports.html.markup import Html, element, join, number, percent, table, text
from mlserver_forest.reports.training.overview_section import SETS
from mlserver_forest.schema.output_names import INTERVAL

_CROSS_FITTED = (
    "The rows that set the margin cannot also tell how good it is. So the validation rows were "
    "halved: each half was measured with what the other half had taught. The model itself was "
    "given what all of them teach."
)
_NOT_MEASURED = (
    "No rows were left to measure on: give more validation rows, or a channel named test."
)


def title(sureness: CoverageResult) -> str:
    return "Prediction intervals" if sureness.output == INTERVAL else "Prediction sets"


def coverage(sureness: CoverageResult) -> Html:
    """Nominal and measured, by set of rows."""
    is_interval = sureness.output == INTERVAL
    what = "the interval" if is_interval else "the set"
    size = "Mean width" if is_interval else "Mean classes in a set"
    level = percent(sureness.intervals.level)
    promise = element("p", f"The target of a new row shall lie within {what} in {level} of cases.")
    if not sureness.coverages:
        return join([promise, element("p", _NOT_MEASURED, class_="note")])
    rows = [
        [
            text(SETS[prefix].capitalize()),
            level,
            percent(found.coverage),
            number(found.size),
            text(found.n_rows),
        ]
        for prefix, found in sureness.coverages.items()
    ]
    head = ["Rows", "Asked for", "Measured", size, "Number of rows"]
    halved = any(found.is_cross_fitted for found in sureness.coverages.values())
    return join(
        [
            promise,
            table("Share of targets that lay within", head, rows, range(1, len(head)), "fill"),
            element("p", _CROSS_FITTED, class_="note") if halved else "",
        ]
    )
