"""JSON documents of any size: small ones are parsed at once, large ones in blocks.

A large document is never whole in memory as Python objects: that would take 7 to 15 times its
bytes and keep all other threads waiting for seconds (measured, docs/decisions.md). ``loads``
walks it for its arrays. The text around the large arrays (names, strings, small arrays) is
parsed at once; each large array becomes a ``LargeArray``, whose text is parsed as it is read.
orjson parses every piece, so a document is valid in blocks if and only if it is valid as a
whole. The list of tensors in the ``inputs`` of a V2 request stays a list; the tensors' data
become large arrays.
"""

import re
import secrets
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlserver_forest.formats.json.json_source import BODY, JsonSource, give_way
from mlserver_forest.formats.matrix import Body

# A string, which the end of the text may cut off, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_OBJECT = re.compile(rb"\s*+\{")
_FIRST_WINDOW = 2048
# orjson's limit of arrays and objects within each other.
_MOST_DEPTH = 1024


class LargeArray:
    """An array of a large document. Its text is parsed a block at a time, as it is read.

    Every way of reading it raises the policy's ``invalid`` error if the text is not JSON.

    Args:
        text: the whole document.
        source: of the document.
        cuts: the offsets of its opening bracket, of commas between its elements, and of its
            closing bracket.
        depth: the number of arrays and objects around it.

    Attributes:
        is_read: whether all blocks were parsed.
    """

    __slots__ = ("_cuts", "_depth", "_source", "_text", "is_read")

    def __init__(self, text: memoryview, source: JsonSource, cuts: list[int], depth: int) -> None:
        self._text = text
        self._source = source
        self._cuts = cuts
        self._depth = depth
        self.is_read = False

    def __repr__(self) -> str:
        return f"[an array of {self.n_bytes} bytes]"

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.blocks())

    @property
    def n_bytes(self) -> int:
        """The length of its text."""
        return self._cuts[-1] + 1 - self._cuts[0]

    def blocks(self) -> Iterator[list[Any]]:
        """The elements, from about ``Sizes.block`` bytes of text at a time."""
        for start, end in zip(self._cuts, self._cuts[1:], strict=False):
            if start > self._cuts[0]:
                give_way()
            elements = self._parse(start + 1, end)
            if elements:
                yield elements
            elif len(self._cuts) > 2:
                raise self._source.policy.invalid(
                    f"{self._source.title} is not JSON: no element before byte {end + 1}"
                )
        self.is_read = True

    def whole(self) -> list[Any]:
        """All elements of an array that is one row, or one list of names.

        Raises:
            policy.too_large: if the array is longer than an element may be.
        """
        longest = self._source.sizes.longest
        if self.n_bytes > longest:
            raise self._source.policy.too_large(
                f"a row of {self.n_bytes} bytes; at most {longest} are read; send a list for "
                "each row"
            )
        return list(self)

    def _parse(self, start: int, end: int) -> list[Any]:
        # As deep as in the document, because orjson limits the depth.
        opening, closing = b"[" * (self._depth + 1), b"]" * (self._depth + 1)
        try:
            elements = orjson.loads(b"".join((opening, self._text[start:end], closing)))
        except orjson.JSONDecodeError as error:
            before = max(_bytes_before(error) - len(opening), 0)
            raise self._source.not_json(error, f"near byte {start + before + 1}") from error
        for _ in range(self._depth):
            elements = elements[0]
        return list(elements)


_READ_LATER = {dict, LargeArray}


def loads(body: Body, source: JsonSource = BODY) -> Any:
    """Parse a JSON document; above ``Sizes.whole`` with its large arrays as ``LargeArray``.

    Raises:
        policy.invalid: with orjson's reason and the location.
        policy.too_large: if one element, or the text outside of large arrays, takes more than
            ``Sizes.longest``.
    """
    if len(body) > source.sizes.whole:
        return _LargeDocument(body, source).parse()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise source.not_json(error) from error


def whole(value: Any) -> Any:
    """The value itself, or the elements of a large array in a list."""
    return value.whole() if isinstance(value, LargeArray) else value


def read_rest(document: Any) -> None:
    """Parse the large arrays of a document that were not read to their end.

    Raises:
        policy.invalid: if one of them is not JSON.
    """
    found = [document]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            if not _READ_LATER.isdisjoint(map(type, value.values())):
                found.extend(value.values())
        elif isinstance(value, LargeArray) and not value.is_read:
            _exhaust(value)


class _LargeDocument:
    """A large document, taken apart into its large arrays and the text around them."""

    def __init__(self, body: Body, source: JsonSource) -> None:
        self._body = body
        self._view = memoryview(body)
        self._source = source
        self._sizes = source.sizes
        # A sender cannot guess the text that stands for the elements of an array.
        self._secret = secrets.token_hex(16)
        self._arrays: dict[str, LargeArray] = {}
        # The text around the arrays, with the offset of each piece.
        self._pieces: list[tuple[int, memoryview | bytes]] = []
        self._n_kept = 0
        self._next_kept = 0

    def parse(self) -> Any:
        self._keep(self._walk())
        try:
            document = orjson.loads(b"".join(piece for _, piece in self._pieces))
        except orjson.JSONDecodeError as error:
            offset = self._offset(_bytes_before(error))
            raise self._source.not_json(error, f"near byte {offset + 1}") from error
        document = self._with_arrays(document)
        for array in self._arrays.values():  # Under a name that the object repeats later.
            _exhaust(array)
        return document

    def _walk(self) -> int:
        """Take the arrays out; the end of what orjson has to parse to find any fault."""
        position = depth = 0
        name = b""
        while token := _TOKEN.search(self._body, position, self._limit()):
            text = token[0]
            position = token.end()
            if text == b"[" and not (depth == 1 and self._are_tensors(name, position)):
                position = self._small_end(token.start()) or self._take(token.start(), depth)
            elif step := _STEPS.get(text):
                depth += step
                if depth > _MOST_DEPTH + 1:  # With what follows it, the limit is said.
                    return position
            else:
                name = text
        return len(self._body)

    def _are_tensors(self, name: bytes, start: int) -> bool:
        return name == b'"inputs"' and bool(_OBJECT.match(self._body, start, self._limit()))

    def _limit(self) -> int:
        """The offset at which the text around the arrays is too long."""
        return self._next_kept + self._sizes.longest - self._n_kept

    def _small_end(self, start: int) -> int:
        """The end of an array if it is small, or 0."""
        depth = 0
        for token in _TOKEN.finditer(self._body, start, start + self._sizes.small_array):
            depth += _STEPS.get(token[0], 0)
            if not depth:
                return token.end()
        return 0

    def _take(self, start: int, depth: int) -> int:
        """Put a sign in the place of an array's elements, and return the array's end."""
        cuts = _find_cuts(self._view, start, self._source)
        sign = f"{self._secret}{len(self._arrays)}"
        self._arrays[sign] = LargeArray(self._view, self._source, cuts, depth)
        self._keep(start + 1)
        self._pieces.append((start, orjson.dumps(sign)))
        self._next_kept = cuts[-1]
        return cuts[-1] + 1

    def _keep(self, end: int) -> None:
        if end > self._limit():
            raise self._source.policy.too_large(
                f"{self._source.title} has more than {self._sizes.longest} bytes outside of lists "
                'of rows; send rows as {"instances": [...]}, or fewer of them at a time'
            )
        self._pieces.append((self._next_kept, self._view[self._next_kept : end]))
        self._n_kept += end - self._next_kept

    def _offset(self, n_before: int) -> int:
        """The offset in the body of the byte that follows ``n_before`` bytes of the pieces."""
        for start, piece in self._pieces:
            if n_before < len(piece):
                return start + n_before
            n_before -= len(piece)
        return len(self._body)

    def _with_arrays(self, document: Any) -> Any:
        """The document with each array in the place of its sign."""
        root = [document]
        found: list[Any] = [root]
        while found:
            container = found.pop()
            is_object = isinstance(container, dict)
            for key, value in container.items() if is_object else enumerate(container):
                if self._is_sign(value):
                    container[key] = self._arrays.pop(value[0])
                elif isinstance(value, list | dict):
                    found.append(value)
        return root[0]

    def _is_sign(self, value: Any) -> bool:
        is_alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
        return is_alone and value[0] in self._arrays


def _exhaust(array: LargeArray) -> None:
    for _ in array.blocks():
        pass


def _bytes_before(error: orjson.JSONDecodeError) -> int:
    """The number of bytes before the fault; 0 if the text is not UTF-8."""
    return len(error.doc[: error.pos].encode())


def _find_cuts(text: memoryview, start: int, source: JsonSource) -> list[int]:
    """The end of an array, and a comma between its elements in each block of its text.

    The text is not checked: a cut is right if the text before it is JSON, which orjson finds
    out when it parses the blocks.

    Args:
        text: the document.
        start: the offset of the array's opening bracket.
        source: of the document.

    Returns:
        The offsets of the opening bracket, the commas and the closing bracket.

    Raises:
        policy.invalid: if the array does not end.
        policy.too_large: if there is no comma for ``Sizes.longest``.
    """
    sizes, cuts, depths = source.sizes, [start], _Depths()
    position = start + 1
    while position < len(text):
        size = min(sizes.block, max(_FIRST_WINDOW, position - start))
        window = _without_escapes(bytes(text[position : position + size]))
        cut, is_end = depths.last_cut(window)
        if cut >= 0:
            cuts.append(position + cut)
        if is_end:
            return cuts
        position += len(window)
        give_way()
        if position - cuts[-1] > sizes.longest:
            raise source.policy.too_large(
                f"the element that begins at byte {cuts[-1] + 2} of {source.title} takes more "
                f"than {sizes.longest} bytes, which is the most that one row may take"
            )
    raise source.policy.invalid(
        f"{source.title} is not JSON: the array that begins at byte {start + 1} does not end"
    )


def _without_escapes(window: bytes) -> bytes:
    """The text with dots for escaped quotes and backslashes.

    A backslash at the end is left to the next window, together with the byte that it escapes.
    """
    if b"\\" not in window:
        return window
    if (len(window) - len(window.rstrip(b"\\"))) % 2 and len(window) > 1:
        window = window[:-1]
    return window.replace(b"\\\\", b"..").replace(b'\\"', b"..")


_QUOTE = ord('"')
_DEPTH_STEPS = np.zeros(256, np.int8)
_DEPTH_STEPS[list(b"[{")] = 1
_DEPTH_STEPS[list(b"]}")] = -1
_IN_STRING = -1


class _Depths:
    """The depth of nesting in an array, window after window; it is 1 between the elements."""

    def __init__(self) -> None:
        self._depth = 1
        self._in_string = False

    def last_cut(self, window: bytes) -> tuple[int, bool]:
        """The last comma between two elements, or -1; or the closing bracket, and True."""
        marks, depths = self._marks(window)
        ends = np.flatnonzero(depths == 0)
        if ends.size:
            return int(marks[ends[0]]), True
        # Between two stretches at depth 1 is one element, so one of the last two has a comma.
        for stretch in np.flatnonzero(depths == 1)[:-3:-1]:
            end = marks[stretch + 1] if stretch + 1 < len(marks) else len(window)
            comma = window.rfind(b",", marks[stretch] + 1, end)
            if comma >= 0:
                return comma, False
        return -1, False

    def _marks(self, window: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The offsets of quotes and brackets, and the depth behind each.

        The first offset is -1, for the depth at the start.
        """
        text = np.frombuffer(window, np.uint8)
        is_mark = text == _QUOTE
        for bracket in b"[]{}":
            is_mark |= text == bracket
        offsets = np.flatnonzero(is_mark)
        marks = text[offsets]
        in_string = (np.cumsum(marks == _QUOTE) + self._in_string) % 2 == 1
        depths = self._depth + np.cumsum(np.where(in_string, 0, _DEPTH_STEPS[marks]))
        before = _IN_STRING if self._in_string else self._depth
        if offsets.size:
            self._depth, self._in_string = int(depths[-1]), bool(in_string[-1])
        depths[in_string] = _IN_STRING
        return np.append(-1, offsets), np.append(before, depths)
