"""Whether a column of text holds numbers, categories, or what its owner has to decide."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.note import Note
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.date_spelling import DateSpelling, order_of
from mlserver_forest.schema.number_spelling import (
    MISSING_AMONG_NUMBERS,
    NumberSpelling,
    decorated,
    spelling_of,
)
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.problem import Problem, setting_of
from mlserver_forest.training.data.text_kinds import (
    are_resembling,
    is_plain_number,
    kind_of,
    style_of,
)

_WARNED_SHARE = 0.8
_SHOWN = 3
_WARNING = "Numbers and text"


@dataclass(frozen=True, eq=False)
class ColumnDecision:
    """How a column of text is taken.

    Attributes:
        spelling: if its values are numbers.
        values: (n_texts,) float64 the numbers of the texts, NaN for missing values; or None.
        note: how it is taken, if its values may mean something else; or None.
        problem: what the owner has to decide, or None.
        is_left_out: whether the column is not a feature.
    """

    spelling: NumberSpelling | None = None
    values: NDArray[np.float64] | None = None
    note: Note | None = None
    problem: Problem | None = None
    is_left_out: bool = False


@dataclass(frozen=True, eq=False)
class TextContent:
    """The values of a column of text.

    Attributes:
        name: of the column.
        setting: the column as a hyperparameter names it.
        texts: the different ones, without white space around them; none of them is missing.
        count: returns how often each text occurs, (n_texts,).
        at: returns the location of the first row with a text.
        dtype: of the matrix.
        has_types: whether the format tells a string from a number.
    """

    name: str
    setting: str
    texts: Sequence[str]
    count: Callable[[], NDArray[np.int64]]
    at: Callable[[int], str]
    dtype: np.dtype[Any]
    has_types: bool = True

    def decide(self, columns: Columns) -> ColumnDecision:
        """How the column is taken."""
        values = self._values_as_numbers(columns)
        if values is not None:
            return self._as_numbers(values, columns)
        kinds = np.array([kind_of(text) for text in self.texts])
        is_number, is_day, counts = kinds == "number", kinds == "date", self.count()
        if counts[is_day].sum() >= _WARNED_SHARE * counts.sum():
            return self._dates(counts, is_day, columns)
        if is_number.all() and all(map(is_plain_number, self.texts)):
            return ColumnDecision(note=self._note(self._numbers_as_text(), _WARNING))
        return self._mixed(counts, is_number, columns)

    def _values_as_numbers(self, columns: Columns) -> NumberSpelling | None:
        """The spelling of the column's numbers, if all values are numbers or missing."""
        gaps = (MISSING_AMONG_NUMBERS | columns.missing) - columns.kept
        texts = [text for text in self.texts if text not in gaps and not is_missing(text)]
        are_plain = len(texts) == len(self.texts) and all(map(is_plain_number, texts))
        if not texts or (are_plain and self.has_types):
            return None
        spelling = spelling_of(texts)
        if spelling is None:
            return None
        if all("accounting" in (decorated(text) or (0.0, frozenset()))[1] for text in texts):
            return None  # More likely the numbers of a list.
        return NumberSpelling(spelling.marks, (gaps & set(self.texts)) | columns.missing)

    def _as_numbers(self, spelling: NumberSpelling, columns: Columns) -> ColumnDecision:
        values = np.array([spelling.parse(text) for text in self.texts], np.float64)
        with np.errstate(over="ignore"):
            is_infinite = np.isinf(values.astype(self.dtype))
        if is_infinite.any():
            cell = self._cell(int(is_infinite.argmax()))
            return ColumnDecision(
                problem=self._problem(
                    f"column {format_value(self.name)}: {cell} is not a finite "
                    f"{8 * self.dtype.itemsize}-bit number; leave the field empty where a value is "
                    f"missing, or set categories={self._listed} if all values are categories"
                )
            )
        notes = []
        if spelling.marks:
            code = next(c for c, text in enumerate(self.texts) if _is_marked(text))
            notes.append(f"numbers with {spelling.titles()}, such as {self._cell(code)}")
        gaps = [c for c, text in enumerate(self.texts) if text in spelling.missing]
        if gaps:
            shown = ", ".join(self._cell(code) for code in gaps[:_SHOWN])
            notes.append(f"numbers, where {shown} {'is' if len(gaps) == 1 else 'are'} missing")
        if not notes:  # The rows with other text were left out.
            return ColumnDecision(spelling, values)
        text = (
            f"column {format_value(self.name)} is read as {' and as '.join(notes)}; set "
            f"categories={self._listed} if its values are categories"
        )
        return ColumnDecision(spelling, values, self._note(text))

    def _agree(self, is_number: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers have decimals, percent and currency signs like most others."""
        styles = [style_of(text) for text in self.texts]
        weights: Counter[Any] = Counter()
        for style, count, is_one in zip(styles, counts.tolist(), is_number, strict=True):
            weights[style] += count * bool(is_one)
        most = weights.most_common(1)[0][0]
        return np.asarray(is_number & np.array([style == most for style in styles]))

    def _mixed(
        self, counts: NDArray[np.int64], is_number: NDArray[np.bool_], columns: Columns
    ) -> ColumnDecision:
        gaps = (MISSING_AMONG_NUMBERS | columns.missing) - columns.kept
        is_value = np.array([text not in gaps for text in self.texts])
        n_numbers, n_values = int(counts[is_number].sum()), int(counts[is_value].sum())
        if not is_value.any():
            return ColumnDecision()
        if n_numbers < _WARNED_SHARE * n_values:
            return self._resembling(counts, is_value, n_values)
        agree = self._agree(is_number, counts)
        others = np.flatnonzero(~agree & is_value)
        if not len(others):  # Infinity is refused elsewhere, and (1), (2), ... are categories.
            return ColumnDecision()
        cells = ", ".join(self._cell(int(code)) for code in others[:_SHOWN])
        more = f" and {len(others) - _SHOWN} others" if len(others) > _SHOWN else ""
        advice = f"{self._advice([self.texts[code] for code in others[:_SHOWN]])}"
        n_agreeing = int(counts[agree].sum())
        text = (
            f"column {format_value(self.name)}: {n_agreeing} of {n_values} values are numbers"
            f"{self._like(agree)}, but there is {cells}{more}; "
        )
        if n_agreeing < _WARNED_SHARE * n_values:
            text = (
                f"column {format_value(self.name)}: {n_numbers} of {n_values} values are numbers, "
                f"but spelled in different ways, such as {self._cell(int(agree.argmax()))} and "
                f"{self._cell(int(others[0]))}; "
            )
            advice = "write all numbers of the column in the same way"
        if n_numbers >= columns.mixed_columns * n_values:
            text += f"{advice}, or set categories={self._listed} if all values are categories"
            texts = [self.texts[int(c)] for c in others] if "missing_values" in advice else []
            if 0 < len(texts) <= _SHOWN:
                return ColumnDecision(problem=Problem(text, "missing_values", tuple(texts)))
            return ColumnDecision(problem=self._problem(text))
        text += (
            f"all values are taken as categories; {advice}, or set categories={self._listed} to "
            "confirm it"
        )
        return ColumnDecision(note=self._note(text, _WARNING))

    @property
    def _listed(self) -> str:
        """The column as the only one of a hyperparameter."""
        return setting_of([self.setting])

    def _problem(self, text: str, setting: str = "categories") -> Problem:
        return Problem(text, setting, (self.setting,))

    def _note(self, text: str, title: str = "") -> Note:
        return Note(text, "categories", self.name, title=title)

    def _resembling(
        self, counts: NDArray[np.int64], is_value: NDArray[np.bool_], n_values: int
    ) -> ColumnDecision:
        found = are_resembling(self.texts, counts) & is_value
        if counts[found].sum() < _WARNED_SHARE * n_values:
            return ColumnDecision()
        text = (
            f"column {format_value(self.name)} holds text that resembles numbers, such as "
            f"{self._cell(int(found.argmax()))}, and its values are taken as categories; write "
            "digits and a decimal point alone if they are quantities, or set "
            f"categories={self._listed} to confirm it"
        )
        return ColumnDecision(note=self._note(text, _WARNING))

    def _like(self, is_number: NDArray[np.bool_]) -> str:
        text = self.texts[int(is_number.argmax())]
        return f" like {format_value(text)}" if _is_marked(text) else ""

    def _advice(self, texts: Sequence[str]) -> str:
        if any(style_of(text) is not None for text in texts):
            return "write all numbers of the column in the same way"
        if any(map(_is_decoded, texts)):
            return f"correct the cell{'s' * (len(texts) > 1)}"
        listed = setting_of(texts)
        them = "it means a missing value" if len(texts) == 1 else "they mean missing values"
        return f"correct the cell{'s' * (len(texts) > 1)}, set missing_values={listed} if {them}"

    def _numbers_as_text(self) -> str:
        return (
            f"column {format_value(self.name)} holds text that is a number in each row, such as "
            f"{self._cell(0)}, and its values are taken as categories; write them as numbers if "
            f"they are quantities, or set categories={self._listed} to confirm it"
        )

    def _dates(
        self, counts: NDArray[np.int64], is_day: NDArray[np.bool_], columns: Columns
    ) -> ColumnDecision:
        share = but = ""
        if not is_day.all():
            share = f" in {int(counts[is_day].sum())} of {int(counts.sum())} values"
            but = f", but there is {self._cell(int((~is_day).argmax()))}"
        found = (
            f"column {format_value(self.name)} holds dates or times{share}, such as "
            f"{self._cell(int(is_day.argmax()))}{but}"
        )
        derive = "derive numbers from them (a year, a weekday, days since a day)"
        if columns.dates == "error":
            return ColumnDecision(
                problem=Problem(
                    f"{found}; set dates=expand, {derive}, or add the column to ignore",
                    "dates",
                    ("expand",),
                )
            )
        if columns.dates == "expand":
            return self._expanded(counts, is_day, columns, found)
        text = (
            f"{found}; it is left out: set dates=expand or {derive} to learn from them, or set "
            f"categories={self._listed} if they are categories"
        )
        return ColumnDecision(note=self._note(text, "Dates"), is_left_out=True)

    def _expanded(
        self, counts: NDArray[np.int64], is_day: NDArray[np.bool_], columns: Columns, found: str
    ) -> ColumnDecision:
        """Read the column as dates, if all of its values are days with or without a time."""
        name = format_value(self.name)
        gaps = (MISSING_AMONG_NUMBERS | columns.missing) - columns.kept
        missing = (gaps & set(self.texts)) | columns.missing
        order = order_of(self.texts)
        if order is None:
            return ColumnDecision(
                problem=self._problem(
                    f"column {name} holds dates such as {self._cell(int(is_day.argmax()))}, "
                    "of which it is not clear whether the day or the month comes first; write them "
                    "like 2024-03-31, or add the column to ignore",
                    "ignore",
                )
            )
        spelling = DateSpelling(missing=missing, order=order)
        seconds = [None if is_plain_number(text) else spelling.parse(text) for text in self.texts]
        unread = np.array([value is None for value in seconds])
        if counts[unread & is_day].sum() > (1 - _WARNED_SHARE) * counts.sum():
            text = (
                f"{found}; it is left out, because they are not days with or without a time: "
                f"derive numbers from them to learn from them, or set categories={self._listed} "
                "if they are categories"
            )
            return ColumnDecision(note=self._note(text, "Dates"), is_left_out=True)
        if unread.any():
            cell = self._cell(int(unread.argmax()))
            return ColumnDecision(
                problem=self._problem(
                    f"column {name}: {int(counts[is_day].sum())} of {int(counts.sum())} values "
                    f"are dates, but there is {cell}; write it like {spelling.describe()}, set "
                    "missing_values if it means a missing value, or add the column to ignore",
                    "ignore",
                )
            )
        text = f"column {name} is read as dates, and its parts are learned from (dates=expand)"
        note = Note(text, "dates", self.name)
        return ColumnDecision(spelling, np.array(seconds, np.float64), note)

    def _cell(self, code: int) -> str:
        return f"{format_value(self.texts[code])} at {self.at(code)}"


def _is_decoded(text: str) -> bool:
    """Whether a hyperparameter of this text would be read as a value of another type."""
    return text.lower() in {"true", "false"} or text.replace("_", "").isdecimal()


def _is_marked(text: str) -> bool:
    found = decorated(text) or decorated(text, has_decimal_comma=True)
    return found is not None and bool(found[1])
