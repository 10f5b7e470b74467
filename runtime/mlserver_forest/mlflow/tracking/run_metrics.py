"""The metrics of a model as a run of MLflow has them: ``validation_accuracy``."""

from mlserver_forest.model.card import Card


def metrics_of(card: Card | None) -> dict[str, float]:
    """The metrics of training by set of rows and name, joined as a search can name them.

    Args:
        card: of the model; None if nothing is known about its training.
    """
    sets = card.metrics if card else {}
    return {
        f"{rows}_{name}": value for rows, known in sets.items() for name, value in known.items()
    }
