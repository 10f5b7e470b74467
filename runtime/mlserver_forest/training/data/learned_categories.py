"""The categories of a feature, learned from its texts or known from the training channel."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import (
    distinct,
    fill_in,
    parse_number,
    parse_numbers,
    text_at,
)
from mlserver_forest.formats.note import Note
from mlserver_forest.schema.categories import BOOLEAN, Categories, is_missing
from mlserver_forest.schema.hashed_categories import HASHES, HashedCategories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.problem import Problem

# Returns the location of a row of the block, for error messages.
At = Callable[[int], str]

# How many of too many categories reports may name.
_NAMED = 20


class LearnedCategories:
    """The categories of a feature, which have provisional positions while rows are read.

    Args:
        name: of the feature.
        most: the number of categories that there may be.
        columns: what the hyperparameters say about missing values.

    Attributes:
        spelling: if there were too many different values for categories, and all were numbers.
        hashed: if there were too many, and they are told apart by their hashes.
        is_left_out: whether the feature is left out of the table.
    """

    def __init__(self, name: str, most: int, columns: Columns | None = None) -> None:
        self.spelling: NumberSpelling | None = None
        self.hashed: HashedCategories | None = None
        self.is_left_out = False
        self._columns = columns or Columns()
        self._name = name
        self._most = most
        self._codes: dict[str, int] = {}
        self._sample = ""
        self._sample_place = ""

    @property
    def is_empty(self) -> bool:
        """Whether no row has had a value."""
        return not self._codes and self.hashed is None

    def encode(self, texts: Any, at: At) -> NDArray[np.float64]:
        """The provisional positions of the texts of some rows, NaN where one is missing.

        Raises:
            InvalidData: if there are too many categories, or a text holds a NUL byte.
        """
        if self.is_left_out:
            return np.full(len(texts), np.nan)
        if self.spelling is not None:
            return SpelledNumbers(self._name, self.spelling).encode(texts, at)
        found_texts, rows = distinct(texts)
        self._refuse_nul(found_texts, rows, at)
        if self.hashed is not None:
            return np.asarray(_codes(self.hashed, found_texts or [""])[rows])
        codes = np.array([self._code(text.strip()) for text in found_texts] or [0.0], np.float64)
        if not self._sample or parse_number(self._sample) is not None:
            self._take_sample(texts, at)
        found: NDArray[np.float64] = codes[rows]
        return found

    def is_full(self) -> bool:
        """Whether there are too many different values for categories."""
        return not self.is_decided and len(self._codes) > self._most

    @property
    def is_decided(self) -> bool:
        """Whether there were too many different values, and what they are is known."""
        return self.is_left_out or self.spelling is not None or self.hashed is not None

    def hash(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tell the categories apart by their hashes from now on.

        Args:
            counts: (n,) how often each of the different values occurs.

        Returns:
            (n,) the code of each provisional position, NaN where it means a missing value.
        """
        texts = self.texts
        frequent = [texts[code] for code in np.argsort(-counts, kind="stable")[:_NAMED].tolist()]
        columns = self._columns
        self.hashed = hashed_categories(
            [text for text in frequent if text not in columns.missing], columns, self._most
        )
        self._codes = {}
        return _codes(self.hashed, texts)

    def hash_note(self) -> Note:
        """The note about categories that are told apart by their hashes."""
        setting = self._columns.many_categories
        how = "is replaced by the mean of the target of each category"
        if setting == "hash":
            how = f"is read as hashes in {self._most} buckets, which categories may share"
        text = (
            f"column {format_value(self._name)} has more than {self._most} categories and {how} "
            f"(many_categories={setting})"
        )
        return Note(text, "many_categories", self._name)

    @property
    def texts(self) -> list[str]:
        """The different values, by provisional position."""
        return list(self._codes)

    def finish(self, *, refuses_unseen: bool) -> tuple[Categories, NDArray[np.float64]] | None:
        """The categories, and for each provisional position the final one.

        None if all values are missing.
        """
        codes = np.array([BOOLEAN.code(text) for text in self._codes], np.float64)
        if not np.isnan(codes).any():  # None is NaN, and so is a marker that is kept.
            return BOOLEAN, codes
        missing = self._columns.missing
        names = tuple(sorted(text for text in self._codes if text not in missing))
        if not names:
            return None
        categories = Categories(names, refuses_unseen=refuses_unseen, missing=missing)
        final = np.full(len(self._codes), np.nan)
        final[[self._codes[text] for text in names]] = np.arange(len(names))
        return categories, final

    def _code(self, text: str) -> float:
        if is_missing(text) and text not in self._columns.kept:
            return float("nan")
        return float(self._codes.setdefault(text, len(self._codes)))

    def _take_sample(self, texts: Any, at: At) -> None:
        """Keep a text for error messages, if there is one that is not a number."""
        row = first_category(texts)
        if row is not None:
            self._sample, self._sample_place = text_at(texts, row).strip(), at(row)

    def _refuse_nul(self, found_texts: list[str], rows: NDArray[Any], at: At) -> None:
        code = next((code for code, text in enumerate(found_texts) if "\0" in text), None)
        if code is not None:
            raise InvalidData(
                f"{at(int((rows == code).argmax()))}: {format_value(found_texts[code])} in column "
                f"{format_value(self._name)} holds a NUL byte; the file is damaged there: correct "
                "or remove the row"
            )

    def too_many(self, setting: str) -> Problem:
        """The problem of too many different values that are not numbers.

        Args:
            setting: the column as a hyperparameter names it.
        """
        return Problem(
            f"column {format_value(self._name)} has more than {self._most} categories, such as "
            f"{format_value(self._sample)} at {self._sample_place}; if these are identifiers "
            "or free text, add the column to ignore; if they should be numbers, correct that "
            "value, or name it in missing_values; if they say something about the target, set "
            "many_categories=hash or many_categories=target",
            "ignore",
            (setting,),
        )


def _codes(hashed: HashedCategories, texts: Sequence[str]) -> NDArray[np.float64]:
    """(n,) the codes of texts, all of which have one or are missing."""
    return np.array([hashed.code(text) for text in texts], np.float64)


def hashed_categories(names: Sequence[str], columns: Columns, most: int) -> HashedCategories:
    """Categories of which there are too many to list.

    Args:
        names: those that reports name, the most frequent first.
        columns: what the hyperparameters say: how they are told apart, and which are missing.
        most: how many buckets the hashes share, unless means of the target replace them.
    """
    return HashedCategories(
        tuple(names),
        missing=columns.missing,
        n_buckets=HASHES if columns.many_categories == "target" else most,
        has_missing=True,
        kept=columns.kept,
    )


class SpelledNumbers:
    """Numbers that are spelled in a special way, or not at all where they are missing.

    Args:
        name: of the feature.
        spelling: of its numbers.
    """

    def __init__(self, name: str, spelling: NumberSpelling) -> None:
        self._name = name
        self._spelling = spelling

    def encode(self, texts: Any, at: At) -> NDArray[np.float64]:
        """The numbers of some rows, NaN where one is missing.

        Raises:
            InvalidData: naming file and line of a text that is not a number.
        """
        numbers, row = parse_numbers(texts)
        if row is not None:
            row = fill_in(numbers, texts, self._spelling.parse)
        if row is not None:
            shown, what = self._spelling.describe(), "a date" if self._spelling.is_date else ""
            like = f" ({'' if what else 'plain, or '}like {shown})" if shown else ""
            raise InvalidData(
                f"{at(row)}: {format_value(text_at(texts, row).strip())} in column "
                f"{format_value(self._name)} is not {what or 'a number'}, as the other values are"
                f"{like}; correct it, or name it in missing_values if it means a missing value"
            )
        if np.isinf(numbers).any():
            row = int(np.isinf(numbers).argmax())
            raise InvalidData(
                f"{at(row)}: {format_value(text_at(texts, row).strip())} in column "
                f"{format_value(self._name)} is not a finite number; leave the field empty "
                "where a value is missing"
            )
        return numbers


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
