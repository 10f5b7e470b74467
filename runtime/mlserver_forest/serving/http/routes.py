"""Paths to handlers: SageMaker's and V2's routes as patterns with names in them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from mlserver_forest.serving.http.response import Response

# Called with the request and the names in the path.
Handler = Callable[..., Awaitable[Response]]
Methods = Mapping[str, Handler]
_WITH_ROWS = ("/invocations", "/invoke", "/infer", ":predict", ":explain")
_MOST_CACHED = 1024
_LONGEST_CACHED = 256


@dataclass(frozen=True, slots=True)
class Match:
    """A route that was found.

    Attributes:
        pattern: such as ``/models/{name}/invoke``.
        methods: its handlers.
        names: the parts of the path that stand for the pattern's names, decoded.
        takes_rows: whether the bodies of requests hold rows.
    """

    pattern: str
    methods: Methods
    names: tuple[str, ...]
    takes_rows: bool

    @classmethod
    def of(cls, pattern: str, methods: Methods, names: tuple[str, ...] = ()) -> "Match":
        """The match of a pattern."""
        return cls(pattern, methods, names, pattern.endswith(_WITH_ROWS))


class Routes:
    """Finds handlers by path.

    Args:
        table: pattern -> method -> handler, where ``{...}`` stands for one part of a path, or for
            the part before the text that follows it. Of the patterns that match, the first counts.

    Attributes:
        patterns: the patterns of all routes.
    """

    def __init__(self, table: Mapping[str, Methods]) -> None:
        self.patterns = tuple(table)
        self._table = table
        self._fixed = {
            path.encode(): Match.of(path, methods)
            for path, methods in table.items()
            if "{" not in path
        }
        self._named = [
            (pattern.encode().split(b"/"), pattern, methods)
            for pattern, methods in table.items()
            if "{" in pattern
        ]
        self._cache: dict[bytes, Match] = {}

    def find(self, raw_path: bytes) -> Match | None:
        """Find the route of a percent-encoded path.

        A name is one part of the path; a slash in it is percent-encoded.
        """
        if found := self._fixed.get(raw_path) or self._cache.get(raw_path):
            return found
        parts = raw_path.split(b"/")
        for pattern, text, methods in self._named:
            names = _names(pattern, parts)
            if names is not None:
                return self._remember(raw_path, Match.of(text, methods, names))
        return None

    def __contains__(self, path: bytes) -> bool:
        """Whether there is a route of this path, without names in it."""
        return path in self._fixed

    def below(self, pattern: str, method: str) -> list[str]:
        """The longer patterns that begin with this one and have a method."""
        return [
            other
            for other, methods in self._table.items()
            if method in methods and other != pattern and other.startswith(pattern)
        ]

    def _remember(self, raw_path: bytes, match: Match) -> Match:
        """Remember a match, because matching takes longer than a small forest."""
        if len(raw_path) <= _LONGEST_CACHED:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[raw_path] = match
        return match


def _names(pattern: Sequence[bytes], parts: Sequence[bytes]) -> tuple[str, ...] | None:
    if len(pattern) != len(parts):
        return None
    names = []
    for expected, part in zip(pattern, parts, strict=True):
        _, is_name, suffix = expected.partition(b"}")
        if not is_name and expected != part:
            return None
        if is_name:
            # Clients that quote a path percent-encode the colon of V1's verbs, too.
            text, end = unquote(part.decode("latin-1"), errors="replace"), suffix.decode()
            if not text.endswith(end) or len(text) == len(end):
                return None
            names.append(text.removesuffix(end))
    return tuple(names)
