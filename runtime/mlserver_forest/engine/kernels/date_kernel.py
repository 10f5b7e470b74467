"""The compiled loop that takes dates apart; ``engine/derived/date_parts.py`` describes it."""

import numpy as np

from mlserver_forest.compilation import compiled

YEAR = 0
MONTH = 1
DAY = 2
WEEKDAY = 3
HOUR = 4
DAYS = 5

_SECONDS = np.int64(86400)
# From the first second of year 1 up to that of year 10000, since 1970.
EARLIEST = np.float64(-62135596800)
END = np.float64(253402300800)
# Days from 0000-03-01, with which a cycle of 400 years begins, to 1970-01-01.
_SHIFT = np.int64(719468)
_CYCLE = np.int64(146097)


@compiled
def take_apart(rows, first, parts, references):
    """Write parts of dates.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        parts: (n_columns, 2) uint32, the part and the column of the date.
        references: (n_columns,) float64, the date that DAYS are counted from.
    """
    for row in range(rows.shape[0]):
        known = np.int64(-1)
        is_date = False
        seconds = days = year = month = day = np.int64(0)
        for column in range(parts.shape[0]):
            source = np.int64(parts[column, 1])
            value = rows[row, source]
            if source != known:
                known = source
                is_date = EARLIEST <= value < END
                if is_date:
                    seconds = np.int64(np.floor(value))
                    days = seconds // _SECONDS
                    year, month, day = calendar_date(days)
            part = parts[column, 0]
            found = np.nan
            if is_date:
                if part == YEAR:
                    found = np.float64(year)
                elif part == MONTH:
                    found = np.float64(month)
                elif part == DAY:
                    found = np.float64(day)
                elif part == WEEKDAY:
                    found = np.float64((days + 3) % 7)  # 1970-01-01 was a Thursday.
                elif part == HOUR:
                    found = np.float64((seconds - days * _SECONDS) // 3600)
                else:
                    found = (value - references[column]) / 86400.0
            rows[row, first + column] = found


@compiled
def calendar_date(days):
    """The year, the month and the day of a number of days since 1970-01-01.

    It is the proleptic Gregorian calendar, by Howard Hinnant's algorithm ``civil_from_days``
    (https://howardhinnant.github.io/date_algorithms.html), whose years begin in March.

    Args:
        days: int64, not before year 1.
    """
    shifted = days + _SHIFT
    cycle = shifted // _CYCLE
    of_cycle = shifted - cycle * _CYCLE
    year = (of_cycle - of_cycle // 1460 + of_cycle // 36524 - of_cycle // 146096) // 365
    of_year = of_cycle - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = from_march + 3 if from_march < 10 else from_march - 9
    return year + cycle * 400 + (1 if month <= 2 else 0), month, day
