"""JSON read in blocks, so that a large document is never whole in memory as objects.

``loads`` walks a large document for its arrays. What stands between the large ones, names,
text and small arrays, is parsed at once; each large array becomes a ``LargeArray``, whose
text is parsed when it is read. Both parts are parsed by orjson, so together they accept
what orjson accepts. The list of tensors in a V2 request's ``inputs`` stays a list, with
the tensors' data as large arrays.
"""

import re
import secrets
from collections.abc import Iterator
from itertools import chain
from typing import Any

import orjson

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.json.json_faults import bytes_before, not_json
from mlserver_forest.formats.json.json_scan import SIZES, Sizes, cuts_of, give_way
from mlserver_forest.formats.matrix import Body

# A string, which the end of the text may cut off, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_OBJECT = re.compile(rb"\s*+\{")


class LargeArray:
    """An array of a large document; its text is parsed a block at a time, as it is read.

    Each way to read it raises InvalidInput where the text is no JSON.

    Args:
        body: the whole document.
        cuts: the places of its opening bracket, of commas between its elements, and of
            its closing bracket.
        depth: the arrays and objects around it.
        longest: the bytes that may be parsed at once.
    """

    __slots__ = ("_body", "_cuts", "_depth", "_longest", "is_read")

    def __init__(self, body: memoryview, cuts: list[int], depth: int, longest: int) -> None:
        self._body = body
        self._cuts = cuts
        self._depth = depth
        self._longest = longest
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
        """The elements, some tens of kilobytes of text at a time."""
        for start, end in zip(self._cuts, self._cuts[1:], strict=False):
            if start > self._cuts[0]:
                give_way()
            elements = self._parse(start + 1, end)
            if elements:
                yield elements
            elif len(self._cuts) > 2:
                raise InvalidInput(f"the body is not JSON: no element before byte {end + 1}")
        self.is_read = True

    def whole(self) -> list[Any]:
        """All elements of an array that is one row, or one list of names.

        Raises:
            PayloadTooLarge: if it is longer than an element may be.
        """
        if self.n_bytes > self._longest:
            raise PayloadTooLarge(
                f"a row of {self.n_bytes} bytes; at most {self._longest} are read; "
                "send a list for each row"
            )
        return list(self)

    def _parse(self, start: int, end: int) -> list[Any]:
        # Inside as many arrays as in the document, for orjson's limit of depth.
        opening, closing = b"[" * (self._depth + 1), b"]" * (self._depth + 1)
        try:
            elements = orjson.loads(b"".join((opening, self._body[start:end], closing)))
        except orjson.JSONDecodeError as error:
            before = max(bytes_before(error) - len(opening), 0)
            raise not_json(error, "the body", f"near byte {start + before + 1}") from error
        for _ in range(self._depth):
            elements = elements[0]
        return list(elements)


def loads(body: Body, sizes: Sizes = SIZES) -> Any:
    """Parse JSON; above ``sizes.whole`` with its large arrays as ``LargeArray``.

    Raises:
        InvalidInput: with the parser's reason and place.
        PayloadTooLarge: if an element, or all that is outside of arrays, takes more than
            ``sizes.longest``.
    """
    if len(body) > sizes.whole:
        return _Walk(body, sizes).document()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise not_json(error, "the body") from error


def whole(value: Any) -> Any:
    """A value, as a list where it is a large array."""
    return value.whole() if isinstance(value, LargeArray) else value


def read_rest(document: Any) -> None:
    """Parse the large arrays in objects that nobody has read to their end.

    Raises:
        InvalidInput: if one is no JSON.
    """
    found = [document]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, LargeArray) and not value.is_read:
            _exhaust(value)


class _Walk:
    """Takes a large document apart: large arrays, and the text around them."""

    def __init__(self, body: Body, sizes: Sizes) -> None:
        self._body = body
        self._view = memoryview(body)
        self._sizes = sizes
        # Nobody can send the text that stands for an array's elements.
        self._secret = secrets.token_hex(16)
        self._arrays: dict[str, LargeArray] = {}
        self._pieces: list[tuple[int, memoryview | bytes]] = []
        self._n_kept = 0
        self._next_kept = 0

    def document(self) -> Any:
        self._walk()
        self._keep(len(self._body))
        try:
            document = orjson.loads(b"".join(piece for _, piece in self._pieces))
        except orjson.JSONDecodeError as error:
            place = self._place(bytes_before(error))
            raise not_json(error, "the body", f"near byte {place + 1}") from error
        document = self._with_arrays(document)
        for array in self._arrays.values():  # Of a name that came again.
            _exhaust(array)
        return document

    def _walk(self) -> None:
        position = depth = 0
        name = b""
        while token := _TOKEN.search(self._body, position, self._limit()):
            text = token[0]
            position = token.end()
            if text == b"[" and not (depth == 1 and self._is_tensors(name, position)):
                position = self._small_end(token.start()) or self._take(token.start(), depth)
            elif step := _STEPS.get(text):
                depth += step
            else:
                name = text

    def _is_tensors(self, name: bytes, start: int) -> bool:
        return name == b'"inputs"' and bool(_OBJECT.match(self._body, start, self._limit()))

    def _limit(self) -> int:
        """Where the text around the arrays would become too long."""
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
        """Put a sign in the place of the elements of an array; return its end."""
        cuts = cuts_of(self._body, start, self._sizes)
        sign = f"{self._secret}{len(self._arrays)}"
        self._arrays[sign] = LargeArray(self._view, cuts, depth, self._sizes.longest)
        self._keep(start + 1)
        self._pieces.append((start, orjson.dumps(sign)))
        self._next_kept = cuts[-1]
        return cuts[-1] + 1

    def _keep(self, end: int) -> None:
        if end > self._limit():
            raise PayloadTooLarge(
                f"the body has more than {self._sizes.longest} bytes outside of lists of rows; "
                'send rows as {"instances": [...]}, or fewer of them at a time'
            )
        self._pieces.append((self._next_kept, self._view[self._next_kept : end]))
        self._n_kept += end - self._next_kept

    def _place(self, n_before: int) -> int:
        """Where the body has the byte that ``n_before`` kept ones precede."""
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
