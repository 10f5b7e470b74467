"""Paths to handlers: SageMaker's routes as patterns with one name in them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from mlserver_forest.serving.http.asgi import Response

Handler = Callable[..., Awaitable[Response]]
Methods = Mapping[str, Handler]
_WITH_ROWS = ("/invocations", "/invoke", "/infer")
_MOST_KEPT = 1024
_LONGEST_KEPT = 256


@dataclass(frozen=True, slots=True)
class Match:
    """A route that was found.

    Attributes:
        pattern: such as ``/models/{name}/invoke``.
        methods: its handlers.
        names: what stands in the path for the pattern's names.
    """

    pattern: str
    methods: Methods
    names: tuple[str, ...] = ()

    @property
    def takes_rows(self) -> bool:
        return self.pattern.endswith(_WITH_ROWS)


class Routes:
    """Handlers by path; a handler is called with the request and the path's names.

    Args:
        table: pattern -> method -> handler, where ``{...}`` stands for one part of a path.
    """

    def __init__(self, table: Mapping[str, Methods]) -> None:
        self.patterns = tuple(table)
        self._fixed = {
            path.encode(): Match(path, methods)
            for path, methods in table.items()
            if "{" not in path
        }
        self._named = [
            (pattern.encode().split(b"/"), pattern, methods)
            for pattern, methods in table.items()
            if "{" in pattern
        ]
        self._found: dict[bytes, Match] = {}

    def find(self, raw_path: bytes) -> Match | None:
        """The route of a path as it came, in percent-encoding.

        A name is one part of the path, and a slash in it comes encoded.
        """
        if found := self._fixed.get(raw_path) or self._found.get(raw_path):
            return found
        parts = raw_path.split(b"/")
        for pattern, text, methods in self._named:
            names = _names(pattern, parts)
            if names is not None:
                return self._keep(raw_path, Match(text, methods, names))
        return None

    def _keep(self, raw_path: bytes, match: Match) -> Match:
        """Looking through the patterns takes longer than a small forest."""
        if len(raw_path) <= _LONGEST_KEPT:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[raw_path] = match
        return match


def _names(pattern: Sequence[bytes], parts: Sequence[bytes]) -> tuple[str, ...] | None:
    if len(pattern) != len(parts):
        return None
    names = []
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith(b"{") and part:
            names.append(unquote(part.decode("latin-1"), errors="replace"))
        elif expected != part:
            return None
    return tuple(names)
