"""Some of a forest's trees, grown by scikit-learn.

scikit-learn draws each tree's seed from the forest's, in the order of the trees; so trees can
be grown in any steps, after a restart or on several machines, and are the same.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.votes import Votes


def grow_trees(estimator: Any, rows: Rows, start: int, stop: int) -> Any:
    """Grow some of the trees that a forest would have.

    Args:
        estimator: an unfitted forest; its ``random_state`` is an integer.
        rows: to learn from.
        start: the first tree, from 0.
        stop: the tree behind the last one.

    Returns:
        A fitted estimator that holds those trees alone.

    Raises:
        InvalidData: where scikit-learn refuses the rows.
    """
    part = clone(estimator).set_params(warm_start=True, n_estimators=stop, oob_score=False)
    # fit() counts the trees that are there, draws their seeds, and adds what is lacking
    # (scikit-learn 1.9, BaseForest.fit).
    part.estimators_ = [None] * start
    with fitting():
        part.fit(rows.x, rows.y, sample_weight=rows.weight)
    return with_trees(part, part.estimators_[start:])


def with_trees(forest: Any, trees: Sequence[Any]) -> Any:
    """A fitted forest with other trees than it has."""
    forest.estimators_ = list(trees)
    return forest.set_params(n_estimators=len(trees), warm_start=False)


def out_of_bag_votes(forest: Any, rows: Rows) -> Votes | None:
    """What the trees that did not see a row answer to it.

    Returns:
        None without bootstrap, where every tree sees every row.
    """
    if not forest.bootstrap:
        return None
    is_classes = is_classifier(forest)
    total = np.zeros((len(rows), forest.n_classes_ if is_classes else 1))
    count = np.zeros((len(rows), 1))
    for tree, seen in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.ones(len(rows), bool)
        unseen[seen] = False
        if not unseen.any():
            continue
        x = rows.x[unseen]
        answers = tree.predict_proba(x) if is_classes else tree.predict(x)
        total[unseen] += answers.reshape(len(x), -1)
        count[unseen] += 1
    return Votes(total, count)


@contextmanager
def fitting() -> Iterator[None]:
    """Turn a library's refusal of the rows into the job's error.

    Raises:
        InvalidData: with the library's reason.
    """
    with warnings.catch_warnings():
        # The rows are the same in every step.
        warnings.filterwarnings("ignore", "class_weight presets", UserWarning)
        # Of scikit-learn-intelex, whose threads are set once (``IntelexSteps``).
        warnings.filterwarnings("ignore", "'Threading' parallel backend", UserWarning)
        try:
            yield
        except ValueError as error:
            raise InvalidData(f"the training library cannot fit these rows: {error}") from error
