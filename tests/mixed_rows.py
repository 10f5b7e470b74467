"""Rows of words, numbers and booleans, and a real forest on their positions."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.schema.categories import BOOLEAN, Categories

NAMES = ("color", "size", "is_new", "code")
COLORS = tuple(sorted(['a "quoted", word', "blue", "été", "red", "true", "two\nlines"]))
CODES = ("-3", "1", "10", "2")
CATEGORIES = {
    "color": Categories(COLORS),
    "is_new": BOOLEAN,
    "code": Categories(CODES, refuses_unseen=True),
}
NAN = float("nan")


def rows(n=60, seed=0):
    """Rows as Python holds them, (n, 4): text or None, float or None, bool or None, int or None.

    The color is one that training did not see now and then.
    """
    rng = np.random.default_rng(seed)
    columns = (
        rng.choice([*COLORS, "mauve"], n).tolist(),
        rng.normal(size=n).astype(np.float32).tolist(),
        rng.choice([True, False], n).tolist(),
        rng.choice([int(code) for code in CODES], n).tolist(),
    )
    absent = rng.random((n, 4)) < 0.15
    made = [list(row) for row in zip(*columns, strict=True)]
    for row, column in zip(*np.nonzero(absent), strict=True):
        made[row][column] = None
    return made


def coded(made):
    """The matrix that a model reads, float32 (n, 4), found out without the code under test."""
    table = [
        {word: place for place, word in enumerate(COLORS)} | {None: NAN, "mauve": NAN},
        None,
        {False: 0, True: 1, None: NAN},
        {int(word): place for place, word in enumerate(CODES)} | {None: NAN},
    ]
    return np.array(
        [
            [
                (NAN if value is None else value) if known is None else known[value]
                for value, known in zip(row, table, strict=True)
            ]
            for row in made
        ],
        np.float32,
    )


def forest():
    """A classifier of three classes, which depend on every feature."""
    x = coded(rows(600, seed=1))
    known = np.nan_to_num(x, nan=-1)
    y = np.array(["no", "perhaps", "yes"])[
        (known[:, 0] + 2 * known[:, 1] + known[:, 2] + known[:, 3]).astype(int) % 3
    ]
    return RandomForestClassifier(20, max_depth=8, random_state=0).fit(x, y), x
