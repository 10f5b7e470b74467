"""Where the text of a large JSON array may be cut between its elements.

Nothing here checks the text. A cut is right if what stands before it is JSON, and the
blocks between the cuts are parsed by orjson, which finds out.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.matrix import Body

_FIRST_WINDOW = 2048
_QUOTE = ord('"')
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
_IN_STRING = -1
_PAUSE_SECONDS = 2e-5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a document is divided, in bytes of text.

    Attributes:
        whole: documents up to this are parsed at once.
        small_array: in larger ones, arrays up to this are too.
        block: what is parsed at a time of a large array; 2 or more.
        longest: what one element of a large array may take, and all that stands outside
            of large arrays. orjson parses this much in some 20 ms.
    """

    whole: int = 2**18
    small_array: int = 1024
    block: int = 2**16
    longest: int = 2**22


SIZES = Sizes()


def cuts_of(body: Body, start: int, sizes: Sizes) -> list[int]:
    """Find an array's end, and a comma between its elements in each block of its text.

    Args:
        body: the document.
        start: the place of the array's opening bracket.
        sizes: of the blocks.

    Returns:
        The places of the opening bracket, the commas and the closing bracket.

    Raises:
        InvalidInput: if the array does not end.
        PayloadTooLarge: if there is no comma for ``sizes.longest``.
    """
    cuts = [start]
    depths = _Depths()
    position = start + 1
    while position < len(body):
        size = min(sizes.block, max(_FIRST_WINDOW, position - start))
        window = _without_escapes(bytes(memoryview(body)[position : position + size]))
        cut, is_end = depths.last_cut(window)
        if cut >= 0:
            cuts.append(position + cut)
        if is_end:
            return cuts
        position += len(window)
        give_way()
        if position - cuts[-1] > sizes.longest:
            raise PayloadTooLarge(
                f"the element that begins at byte {cuts[-1] + 2} of the body takes more than "
                f"{sizes.longest} bytes, which is the most that one row may take"
            )
    raise InvalidInput(
        f"the body is not JSON: the array that begins at byte {start + 1} does not end"
    )


def give_way() -> None:
    """Let other threads run, between two blocks.

    A thread that waits for CPython's lock asks for it after 5 ms without a release. NumPy
    releases it every some microseconds and has it back before the other wakes, which was
    seen to wait for 400 ms.
    """
    time.sleep(_PAUSE_SECONDS)


def _without_escapes(window: bytes) -> bytes:
    """The text with other bytes for escaped quotes and backslashes.

    A backslash at the end is left to the next window, with what it escapes.
    """
    if b"\\" not in window:
        return window
    if (len(window) - len(window.rstrip(b"\\"))) % 2 and len(window) > 1:
        window = window[:-1]
    return window.replace(b"\\\\", b"..").replace(b'\\"', b"..")


class _Depths:
    """How deep the text of an array lies, window after window; 1 between its elements."""

    def __init__(self) -> None:
        self._depth = 1
        self._in_string = False

    def last_cut(self, window: bytes) -> tuple[int, bool]:
        """The last comma between two elements, or -1; or the closing bracket, and True."""
        places, depths = self._marks(window)
        ends = np.flatnonzero(depths == 0)
        if ends.size:
            return int(places[ends[0]]), True
        # Between two stretches at depth 1 is one element, so one of the last two has a comma.
        for stretch in np.flatnonzero(depths == 1)[:-3:-1]:
            end = places[stretch + 1] if stretch + 1 < len(places) else len(window)
            comma = window.rfind(b",", places[stretch] + 1, end)
            if comma >= 0:
                return comma, False
        return -1, False

    def _marks(self, window: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The places of quotes and brackets, and the depth after each; first of the start."""
        text = np.frombuffer(window, np.uint8)
        is_mark = text == _QUOTE
        for bracket in b"[]{}":
            is_mark |= text == bracket
        places = np.flatnonzero(is_mark)
        marks = text[places]
        in_string = (np.cumsum(marks == _QUOTE) + self._in_string) % 2 == 1
        depths = self._depth + np.cumsum(np.where(in_string, 0, _STEPS[marks]))
        before = _IN_STRING if self._in_string else self._depth
        if places.size:
            self._depth, self._in_string = int(depths[-1]), bool(in_string[-1])
        depths[in_string] = _IN_STRING
        return np.append(-1, places), np.append(before, depths)
