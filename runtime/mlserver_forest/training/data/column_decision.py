"""Whether a column of text holds numbers, categories, or what its owner has to decide."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.note import Note
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.number_spelling import (
    MISSING_AMONG_NUMBERS,
    NumberSpelling,
    decorated,
    spelling_of,
)
from mlserver_forest.training.data.layout import Columns

_WARNED_SHARE = 0.8
_SHOWN = 3
_WARNING = "Numbers and text"
_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    rf"|{_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}[ -.]{_MONTH}[ -,]+\d{{2,4}}"
    rf"|((Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},? ){_MONTH} \d{{1,2}},? \d{{4}}"
    rf"|\d{{4}}-{_MONTH}-\d{{1,2}}|{_MONTH}[- ]\d{{1,4}}|\d{{1,2}}/\d{{1,2}}/\d{{2}})"
)
_ZONE = r"(Z|UTC|GMT|[+-]\d{2}:?(\d{2})?)"
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_DATES = re.compile(rf"({_DATE}([T ,]+{_TIME} ?{_ZONE}?)?|{_TIME})", re.IGNORECASE)


def is_date(text: str) -> bool:
    """Whether a text is a date, a time, or both."""
    return _DATES.fullmatch(text) is not None


@dataclass(frozen=True, eq=False)
class ColumnDecision:
    """How a column of text is taken.

    Attributes:
        spelling: if its values are numbers.
        values: (n_texts,) float64 the numbers of the texts, NaN for missing values; or None.
        note: how it is taken, if its values may mean something else; or None.
        problem: why the owner has to decide, or "".
    """

    spelling: NumberSpelling | None = None
    values: NDArray[np.float64] | None = None
    note: Note | None = None
    problem: str = ""


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
    """

    name: str
    setting: str
    texts: Sequence[str]
    count: Callable[[], NDArray[np.int64]]
    at: Callable[[int], str]
    dtype: np.dtype[Any]

    def decide(self, columns: Columns) -> ColumnDecision:
        """How the column is taken."""
        values = self._values_as_numbers(columns)
        if values is not None:
            return self._as_numbers(values, columns)
        kinds = np.array([_kind(text) for text in self.texts])
        is_number, is_day = kinds == _NUMBER, kinds == _DAY
        if not any(kinds):
            return ColumnDecision()
        counts = self.count()
        if counts[is_day].sum() >= _WARNED_SHARE * counts.sum():
            return ColumnDecision(problem=self._dates(counts, is_day))
        with_commas = kinds == _WITH_COMMA
        if counts[with_commas].sum() >= _WARNED_SHARE * counts.sum():
            return ColumnDecision(problem=self._decimal_commas(int(with_commas.argmax())))
        if is_number.all() and not any(map(_is_marked, self.texts)):
            return ColumnDecision(note=self._note(self._numbers_as_text(), _WARNING))
        is_number &= self._agree(is_number, counts)
        return self._mixed(counts, is_number, columns)

    def _values_as_numbers(self, columns: Columns) -> NumberSpelling | None:
        """The spelling of the column's numbers, if all values are numbers or missing."""
        gaps = (MISSING_AMONG_NUMBERS | columns.missing) - columns.kept
        texts = [text for text in self.texts if text not in gaps and not is_missing(text)]
        if not texts or (len(texts) == len(self.texts) and all(map(_is_plain, texts))):
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
                problem=f"column {format_value(self.name)}: {cell} is not a finite "
                f"{8 * self.dtype.itemsize}-bit number; leave the field empty where a value is "
                f"missing, or set categories={self.setting} if all values are categories"
            )
        notes = []
        if spelling.marks:
            code = next(c for c, text in enumerate(self.texts) if _is_marked(text))
            notes.append(f"numbers with {spelling.titles()}, such as {self._cell(code)}")
        gaps = [c for c, text in enumerate(self.texts) if text in spelling.missing]
        if gaps:
            shown = ", ".join(self._cell(code) for code in gaps[:_SHOWN])
            notes.append(f"numbers, where {shown} {'is' if len(gaps) == 1 else 'are'} missing")
        text = (
            f"column {format_value(self.name)} is read as {' and as '.join(notes)}; set "
            f"categories={self.setting} if its values are categories"
        )
        return ColumnDecision(spelling, values, self._note(text))

    def _agree(self, is_number: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers have percent and currency signs like most others."""
        styles = [_style(text) for text in self.texts]
        weights: dict[Any, int] = {}
        for style, count, is_one in zip(styles, counts.tolist(), is_number, strict=True):
            if is_one:
                weights[style] = weights.get(style, 0) + count
        most = max(weights, key=weights.__getitem__, default=None)
        return np.array([style == most for style in styles])

    def _mixed(
        self, counts: NDArray[np.int64], is_number: NDArray[np.bool_], columns: Columns
    ) -> ColumnDecision:
        gaps = (MISSING_AMONG_NUMBERS | columns.missing) - columns.kept
        is_value = np.array([text not in gaps for text in self.texts])
        n_numbers, n_values = int(counts[is_number].sum()), int(counts[is_value].sum())
        others = np.flatnonzero(~is_number & is_value)
        if n_numbers < _WARNED_SHARE * n_values or not len(others):
            return ColumnDecision()
        cells = ", ".join(self._cell(int(code)) for code in others[:_SHOWN])
        more = f" and {len(others) - _SHOWN} others" if len(others) > _SHOWN else ""
        text = (
            f"column {format_value(self.name)}: {n_numbers} of {n_values} values are numbers"
            f"{self._like(is_number)}, but there is {cells}{more}; "
        )
        advice = f"{self._advice([self.texts[code] for code in others[:_SHOWN]])}"
        if n_numbers >= columns.mixed_columns * n_values:
            return ColumnDecision(
                problem=f"{text}{advice}, or set categories={self.setting} if all values are "
                "categories"
            )
        text += (
            f"all values are taken as categories; {advice}, or set categories={self.setting} to "
            "confirm it"
        )
        return ColumnDecision(note=self._note(text, _WARNING))

    def _note(self, text: str, title: str = "") -> Note:
        return Note(text, "categories", self.name, title=title)

    def _like(self, is_number: NDArray[np.bool_]) -> str:
        text = self.texts[int(is_number.argmax())]
        return f" like {format_value(text)}" if _is_marked(text) else ""

    def _advice(self, texts: Sequence[str]) -> str:
        if any(decorated(text) for text in texts):
            return "write all numbers of the column in the same way"
        if any(map(_is_decoded, texts)):
            return f"correct the cell{'s' * (len(texts) > 1)}"
        listed = ",".join(texts)
        if any("," in text for text in texts):
            listed = "[" + ", ".join(f'"{text}"' for text in texts) + "]"
        them = "it means a missing value" if len(texts) == 1 else "they mean missing values"
        return f"correct the cell{'s' * (len(texts) > 1)}, set missing_values={listed} if {them}"

    def _numbers_as_text(self) -> str:
        return (
            f"column {format_value(self.name)} holds text that is a number in each row, such as "
            f"{self._cell(0)}, and its values are taken as categories; write them as numbers if "
            f"they are quantities, or set categories={self.setting} to confirm it"
        )

    def _dates(self, counts: NDArray[np.int64], is_day: NDArray[np.bool_]) -> str:
        if is_day.all():
            return refused_dates(self.name, format_value(self.texts[0]), self.at(0))
        other = self._cell(int((~is_day).argmax()))
        return refused_dates(
            self.name,
            format_value(self.texts[int(is_day.argmax())]),
            self.at(int(is_day.argmax())),
            f" in {int(counts[is_day].sum())} of {int(counts.sum())} values",
            f", but there is {other}",
        )

    def _decimal_commas(self, code: int) -> str:
        return (
            f"column {format_value(self.name)} holds numbers with decimal commas, such as "
            f"{self._cell(code)}; set decimal=, if it is CSV, write them with decimal points, or "
            f"set categories={self.setting} if its values are categories"
        )

    def _cell(self, code: int) -> str:
        return f"{format_value(self.texts[code])} at {self.at(code)}"


def refused_dates(name: str, shown: str, place: str, share: str = "", but: str = "") -> str:
    """The message about a column of dates or times."""
    return (
        f"column {format_value(name)} holds dates or times{share}, such as {shown}"
        f"{f' at {place}' if place else ''}{but}; derive numbers from them (a year, a weekday, "
        "days since a day), or add the column to ignore"
    )


_OTHER, _NUMBER, _DAY, _WITH_COMMA = range(4)


def _kind(text: str) -> int:
    if decorated(text) is not None or _is_plain(text):
        return _NUMBER
    if _DECIMAL_COMMA.fullmatch(text):
        return _WITH_COMMA
    return _DAY if is_date(text) else _OTHER


def _is_plain(text: str) -> bool:
    number = parse_number(text)
    return number is not None and not np.isnan(number)


def _is_decoded(text: str) -> bool:
    """Whether a hyperparameter of this text would be read as a value of another type."""
    return text.lower() in {"true", "false"} or text.replace("_", "").isdecimal()


def _is_marked(text: str) -> bool:
    found = decorated(text)
    return found is not None and bool(found[1])


def _style(text: str) -> Any:
    found = decorated(text)
    return None if found is None else found[1] & {"percent", "currency"}
