"""Intervals of 95 % for shares, for differences of shares and for differences of means.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA
22 (1927); R. G. Newcombe, "Interval estimation for the difference between independent proportions",
Statistics in Medicine 17 (1998), method 10, which also holds for few rows and shares near 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

# The standard normal distribution's quantile at 0.975.
_Z = 1.959964
FEW_ROWS = 30


@dataclass(frozen=True)
class Difference:
    """A difference that was measured, and where the true one lies in 95 % of cases.

    Attributes:
        value: what was measured.
        low, high: the ends of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def share_interval(found: int, total: int) -> Difference:
    """The share of rows that have a property (Wilson's interval).

    Args:
        found: how many have it.
        total: how many rows there are, at least 1.
    """
    share, room = found / total, _Z * _Z / total
    middle = (share + room / 2) / (1 + room)
    width = _Z * sqrt(share * (1 - share) / total + room / (4 * total)) / (1 + room)
    # Rounding must not make an end of 0 or 1 lie beyond the share itself.
    low = 0.0 if found == 0 else middle - width
    high = 1.0 if found == total else middle + width
    return Difference(share, low, high)


def share_difference(before: tuple[int, int], after: tuple[int, int]) -> Difference:
    """How much larger the second share is than the first one (Newcombe's interval).

    Args:
        before: how many rows have the property, of how many.
        after: the same of the other rows.
    """
    one, two = share_interval(*before), share_interval(*after)
    value = two.value - one.value
    low = value - sqrt((two.value - two.low) ** 2 + (one.high - one.value) ** 2)
    high = value + sqrt((two.high - two.value) ** 2 + (one.value - one.low) ** 2)
    return Difference(value, low, high)


def mean_difference(before: Sequence[float], after: Sequence[float]) -> Difference:
    """How much larger the mean of the second numbers is (with unequal variances).

    Args:
        before: numbers, at least one; with only one, the interval is unbounded.
        after: the others, at least one.
    """
    value = fmean(after) - fmean(before)
    if min(len(before), len(after)) < 2:
        return Difference(value, float("-inf"), float("inf"))
    width = _Z * sqrt(variance(before) / len(before) + variance(after) / len(after))
    return Difference(value, value - width, value + width)
