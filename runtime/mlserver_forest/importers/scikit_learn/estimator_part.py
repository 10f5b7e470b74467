"""What was read of an estimator, which may stand in another one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.schema.categories import Categories


@dataclass(frozen=True, eq=False)
class EstimatorPart:
    """An estimator that was read.

    Attributes:
        name: of its class.
        predictor: a tree ensemble, a forest of the engine, or a composition of such.
        classes: (n_classes,) the labels of a classifier, else None.
        takes_missing: whether NaN is accepted.
        has_decision: whether the estimator has a ``decision_function``, which other estimators then
            prefer to its probabilities; its predictor may lack it.
        feature_names: of the training rows; None if there are none.
        missing_number: a number that means missing, or None.
        categories: by column, the categories of features that are given as names.
        absent_is_missing: whether a value that a sparse matrix leaves out is missing.
    """

    name: str
    predictor: Predictor
    classes: NDArray[Any] | None
    takes_missing: bool
    has_decision: bool = False
    feature_names: Any = None
    missing_number: float | None = None
    categories: Mapping[int, Categories] = field(default_factory=dict)
    absent_is_missing: bool = False


ReadMember = Callable[[Any], EstimatorPart]


def composed(
    estimator: Record,
    predictor: Predictor,
    members: Sequence[EstimatorPart],
    classes: NDArray[Any] | None = None,
    *,
    takes_missing: bool = True,
    has_decision: bool = False,
) -> EstimatorPart:
    """The part that an estimator around others is.

    Args:
        estimator: the estimator.
        predictor: its answers.
        members: what stands in it; it accepts NaN if they do.
        classes: as in ``EstimatorPart``.
        takes_missing: whether the estimator itself lets NaN pass.
        has_decision: as in ``EstimatorPart``.

    Raises:
        UnsupportedEstimator: if the members read the same row in different ways.
    """
    names = estimator.get("feature_names_in_")
    if names is None and {member.predictor.n_features for member in members} == {
        predictor.n_features
    }:
        names = members[0].feature_names
    first = members[0]
    for member in members:
        if member.categories != first.categories:
            raise UnsupportedEstimator(
                f"the members of this {estimator.name} know different categories, so they cannot "
                "read the same row; fit it on the codes of the categories"
            )
        if member.missing_number != first.missing_number:
            raise UnsupportedEstimator(
                f"the members of this {estimator.name} read different numbers as missing "
                f"({first.missing_number} and {member.missing_number}); fit it with missing=nan"
            )
    return EstimatorPart(
        estimator.name,
        predictor,
        classes,
        takes_missing and all(member.takes_missing for member in members),
        has_decision,
        names,
        first.missing_number,
        first.categories,
    )


def require_classifiers(
    estimator: Record, members: Sequence[EstimatorPart], n_classes: int
) -> None:
    """Require that all members know all classes.

    Raises:
        UnsupportedEstimator: if one does not.
    """
    for member in members:
        if member.classes is None:
            raise UnsupportedEstimator(
                f"this {estimator.name} holds a {member.name}, which does not classify"
            )
        if len(member.classes) != n_classes:
            raise UnsupportedEstimator(
                f"this {estimator.name} has {n_classes} classes, but a {member.name} in it saw "
                f"{len(member.classes)} of them; fit it on rows that hold every class"
            )


def require_regressors(estimator: Record, members: Sequence[EstimatorPart]) -> None:
    """Require that no member classifies.

    Raises:
        UnsupportedEstimator: if one does.
    """
    for member in members:
        if member.classes is not None:
            raise UnsupportedEstimator(
                f"this {estimator.name} holds a {member.name}, which classifies"
            )


def require_decision(estimator: Record, member: EstimatorPart) -> None:
    """Require that the decision function of a member can be packed, if the estimator has one.

    Raises:
        UnsupportedEstimator: if it cannot.
    """
    if member.has_decision and not member.predictor.decision_width:
        raise UnsupportedEstimator(
            f"this {estimator.name} takes the decision function of a {member.name}, which cannot "
            "be packed; fit it around a single gradient boosting, or around a random forest"
        )
