"""The categories of a feature, learned from its texts or known from the training channel."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import distinct, parse_number, text_at
from mlserver_forest.schema.categories import BOOLEAN, Categories, is_missing

_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
_DATE = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
_DATES = re.compile(rf"({_DATE}([T ]{_TIME} ?(Z|UTC|[+-]\d{{2}}:?(\d{{2}})?)?)?|{_TIME})")

# Returns the location of a row of the block, for error messages.
At = Callable[[int], str]


class LearnedCategories:
    """The categories of a feature, which have provisional positions while rows are read.

    Args:
        name: of the feature.
        most: the number of categories that there may be.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._codes: dict[str, int] = {}
        self._sample = ""
        self._sample_place = ""

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, texts: Any, at: At) -> NDArray[np.float64]:
        """The provisional positions of the texts of some rows, NaN where one is missing.

        Raises:
            InvalidData: if there are too many categories.
        """
        found_texts, rows = distinct(texts)
        codes = np.array([self._code(text.strip()) for text in found_texts] or [0.0], np.float64)
        if not self._sample or parse_number(self._sample) is not None:
            self._take_sample(texts, at)
        if len(self._codes) > self._most:
            raise self._too_many()
        found: NDArray[np.float64] = codes[rows]
        return found

    def finish(self, *, refuses_unseen: bool) -> tuple[Categories, NDArray[np.float64]]:
        """The categories, and for each provisional position the final one.

        Raises:
            InvalidData: if all categories are dates or times.
        """
        if all(BOOLEAN.code(text) is not None for text in self._codes):
            return BOOLEAN, np.array([BOOLEAN.code(text) for text in self._codes], np.float64)
        if all(map(_DATES.fullmatch, self._codes)):
            raise self._dates()
        names = tuple(sorted(self._codes))
        categories = Categories(names, refuses_unseen=refuses_unseen)
        final = np.empty(len(names))
        final[[self._codes[text] for text in names]] = np.arange(len(names))
        return categories, final

    def _code(self, text: str) -> float:
        if is_missing(text):
            return float("nan")
        return float(self._codes.setdefault(text, len(self._codes)))

    def _take_sample(self, texts: Any, at: At) -> None:
        """Keep a text for error messages, if there is one that is not a number."""
        row = first_category(texts)
        if row is not None:
            self._sample, self._sample_place = text_at(texts, row).strip(), at(row)

    def _dates(self) -> InvalidData:
        return refused_dates(self._name, format_value(self._sample), self._sample_place)

    def _too_many(self) -> InvalidData:
        if all(map(_DATES.fullmatch, self._codes)):
            return self._dates()
        return InvalidData(
            f"column {format_value(self._name)} has more than {self._most} categories, such as "
            f"{format_value(self._sample)} at {self._sample_place}; if these are identifiers "
            "or free text, add the column to ignore; if they should be numbers, correct that value"
        )


class FixedCategories:
    """The categories of a feature as the training channel has them.

    Args:
        name: of the feature.
        categories: of the training channel.
    """

    def __init__(self, name: str, categories: Categories) -> None:
        self._name = name
        self._categories = categories

    def encode(self, texts: Any, at: At) -> NDArray[np.float64]:
        """The positions of the texts of some rows, NaN where one is missing.

        Raises:
            InvalidData: naming file and line of a category that is refused.
        """
        found_texts, rows = distinct(texts)
        codes = [self._categories.code(text) for text in found_texts]
        if None in codes:
            refused = codes.index(None)
            row = int((rows == refused).argmax())
            raise InvalidData(
                f"{at(row)}: {format_value(found_texts[refused].strip())} in column "
                f"{format_value(self._name)} does not occur in the training data; "
                f"expected one of {self._categories.describe()}"
            )
        found: NDArray[np.float64] = np.array(codes or [0.0], np.float64)[rows]
        return found


def first_category(texts: Any) -> int | None:
    """The first row whose text is not a number, or else the first row that has a text, or None."""
    found_texts, rows = distinct(texts)
    numbers = map(parse_number, found_texts)
    ranks = np.array([_rank(number) for number in numbers] or [2])[rows]
    return int(ranks.argmin()) if len(ranks) and ranks.min() < 2 else None


def _rank(number: float | None) -> int:
    if number is None:
        return 0
    return 2 if math.isnan(number) else 1


def refused_dates(name: str, shown: str, place: str) -> InvalidData:
    """The error for a column of dates or times."""
    return InvalidData(
        f"column {format_value(name)} holds dates or times, such as {shown}"
        f"{f' at {place}' if place else ''}; derive numbers from them (a year, a weekday, days "
        f"since a day), or add the column to ignore"
    )
