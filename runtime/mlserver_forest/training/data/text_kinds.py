"""What a single text of a column is: a number, a date, or text that resembles a number."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.number_spelling import currency_of, decorated

TextKind = Literal["number", "date", "other"]

_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?"
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_WEEKDAY = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? "
_ZONE = r"(Z|UTC|GMT|[+-]\d{2}:?(\d{2})?)"
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{4}[-/](0[1-9]|1[0-2])"
    rf"|({_WEEKDAY})?({_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}"
    rf"|\d{{1,2}}[ .-]{_MONTH}[ ,-]+\d{{2,4}})"
    r"|\d{1,2}\.? (de )?[^\W\d_]{3,10}\.? (de )?\d{4}"
    rf"|\d{{4}}-{_MONTH}-\d{{1,2}}|{_MONTH}[- ]\d{{1,4}}|\d{{1,2}}/\d{{1,2}}/\d{{2}}"
    r"|\d{2}\.\d{2}\.\d{2}|\d{4}[ -]?(Q[1-4]|W\d{2}(-\d)?)|Q[1-4][ -]\d{4})"
)
_DURATION = rf"-?\d+ days?,?( [+-]?{_TIME})?|P(?=\w)(\d+[YMWD])*(T(\d+([.]\d+)?[HMS])+)?"
_DATES = re.compile(
    rf"{_DATE}([T ,]+{_TIME} ?{_ZONE}?)?|{_TIME}|{_DURATION}"
    rf"|{_WEEKDAY}{_MONTH} +\d{{1,2}} {_TIME}( {_ZONE})? \d{{4}}",
    re.IGNORECASE,
)
# Quotation marks of typesetting, and characters of no width, around or in a number.
_IGNORED = re.compile("[\u200b-\u200f\u2060\ufeff='\"\u2018\u2019\u201c\u201d\u00ab\u00bb_]")
_WITH_UNIT = re.compile(
    r"(?:[^\W\d_]{0,3}[$\u20a0-\u20c0\u00a2-\u00a5]\s*)?"
    r"[-+]?\d+(?:[.,]\d+)*\s*([^\W\d_]{1,6}|\u2030|\u00b0[CF]?|\+)\.?\+?"
)
_MAGNITUDES = {"k", "m", "b", "t", "mn", "bn", "tn", "mio", "mrd", "+"}
# With fewer different numbers than this, such as in 36 months and 60 months, they are categories.
_FEWEST_WITH_UNIT = 10


def is_date(text: str) -> bool:
    """Whether a text is a date, a time, both, or a time span."""
    return _DATES.fullmatch(text) is not None


def kind_of(text: str) -> TextKind:
    """What a text is."""
    if is_plain_number(text) or decorated(text) or decorated(text, has_decimal_comma=True):
        return "number"
    return "date" if is_date(text) else "other"


def is_plain_number(text: str) -> bool:
    """Whether ``float()`` reads a text."""
    number = parse_number(text)
    return number is not None and not np.isnan(number)


def style_of(text: str) -> Any:
    """What all numbers of a column have to have in common; None if a text is not a number."""
    if is_plain_number(text):
        return frozenset({""})
    found = decorated(text) or decorated(text, has_decimal_comma=True)
    if found is None:
        return None
    return frozenset({*(found[1] & {"percent", "decimal_comma"}), currency_of(text)})


def are_resembling(texts: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which texts resemble numbers that are not read: in other digits, or with a unit.

    Args:
        texts: of a column.
        counts: how often each occurs, (n_texts,).

    Returns:
        (n_texts,) bool.
    """
    found = np.array([_resembles(text) for text in texts], np.bool_)
    matches = [_WITH_UNIT.fullmatch(text) for text in texts]
    weights: Counter[str] = Counter()
    for match, count in zip(matches, counts.tolist(), strict=True):
        if match is not None:
            weights[_unit(match[1])] += count
    if weights:
        unit = weights.most_common(1)[0][0]
        have_it = np.array([m is not None and _unit(m[1]) == unit for m in matches], np.bool_)
        if have_it.sum() >= _FEWEST_WITH_UNIT:
            found |= have_it
    return found


def _unit(text: str) -> str:
    """The unit; one for thousands and millions, which stand in one column."""
    return "magnitude" if text.lower() in _MAGNITUDES else text


def _resembles(text: str) -> bool:
    plain = _IGNORED.sub("", unicodedata.normalize("NFKC", text)).strip()
    digits = "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in plain
    )
    return digits != text and kind_of(digits) == "number"
