"""Rows in segments: by the values of a column, or by parts of its range."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.evaluation.known_targets import text_of_value
from mlserver_forest.formats.field_values import parse_number

MISSING, OTHERS = "(missing)", "(others)"
_MOST_SEGMENTS = 20
_N_PARTS = 4
# Of a day, a month and a year.
_DATE_LENGTHS = (10, 7, 4)


def segments_of(values: Iterable[object]) -> list[tuple[str, NDArray[np.intp]]]:
    """Divide rows by the values of a column.

    Args:
        values: (n_samples,) Python values, or their texts.

    Returns:
        For each segment its name and its rows, counted from 0 and ascending; every row is in one.
        Up to 20 different values have a segment each, numbers and dates in their order and texts by
        how frequent they are. More numbers than that are divided into four parts of about as many
        rows, and more dates into days, months or years; of more texts, the most frequent ones have
        a segment each, and the others have one together.
        Missing values come last.
    """
    texts = [text_of_value(value) for value in values]
    counts = Counter(filter(None, texts))
    numbers = {text: parse_number(text) for text in counts}
    if None not in numbers.values():
        known = {text: float(number or 0) for text, number in numbers.items()}
        names = _parts(texts, known) if len(counts) > _MOST_SEGMENTS else _in_order(known)
    else:
        names = _dates(counts) or _frequent(counts)
    places = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    rows = np.array([places.get(names.get(text, MISSING), len(places)) for text in texts], np.intp)
    found = [(name, np.flatnonzero(rows == place)) for name, place in places.items()]
    missing = np.flatnonzero(rows == len(places))
    return found + ([(MISSING, missing)] if len(missing) else [])


def _in_order(numbers: dict[str, float]) -> dict[str, str]:
    return {text: text for text in sorted(numbers, key=numbers.__getitem__)}


def _dates(counts: Counter[str]) -> dict[str, str]:
    """The day, month or year of each text, in their order; empty if some are not dates."""
    try:
        known = {text: datetime.fromisoformat(text).isoformat() for text in counts}
    except ValueError:
        return {}
    for length in _DATE_LENGTHS:
        names = {text: date[:length] for text, date in known.items()}
        if len(set(names.values())) <= _MOST_SEGMENTS:
            return dict(sorted(names.items(), key=lambda pair: pair[1]))
    return {}


def _frequent(counts: Counter[str]) -> dict[str, str]:
    shown = counts.most_common(_MOST_SEGMENTS - (len(counts) > _MOST_SEGMENTS))
    return {text: text for text, _ in shown} | {
        text: OTHERS for text in counts if text not in dict(shown)
    }


def _parts(texts: list[str], numbers: dict[str, float]) -> dict[str, str]:
    """The name of the part of the range that each number belongs to."""
    known = np.array([numbers[text] for text in texts if text])
    quantiles = np.quantile(known, np.linspace(0, 1, _N_PARTS + 1)[1:-1], method="inverted_cdf")
    ends = np.unique(quantiles)
    names = [
        *(f"up to {ends[0]:g}",),
        *(f"{low:g} to {high:g}" for low, high in pairwise(ends)),
        f"above {ends[-1]:g}",
    ]
    ordered = sorted(numbers, key=numbers.__getitem__)
    return {text: names[int(np.searchsorted(ends, numbers[text]))] for text in ordered}
