"""The page as one document, with its style, its script and its data; it loads nothing else."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from mlserver_forest.reports.html import base_style
from mlserver_forest.reports.training.metric_names import MEANINGS, SETS

_SCRIPTS = (
    *("dom", "card", "fields", "row_link", "latest", "prediction", "charts", "what_if"),
    *("calls", "csv", "results_table", "scoring", "main"),
)
# Escaped, so that no text of a model can end the script element that contains it.
_NAMES = {"metrics": {name: asdict(found) for name, found in MEANINGS.items()}, "sets": dict(SETS)}
_HARMLESS = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page, with headers that prevent any other script from running in it."""

    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class PageTemplate:
    """The parts of the page that are the same for every model."""

    def __init__(self) -> None:
        self._style = base_style() + _text("page.css")
        scripts = "\n".join(_text(f"{name}.js") for name in _SCRIPTS)
        self._script = f'"use strict";\n(() => {{\n{scripts}\n}})();\n'
        self._html = _text("page.html")
        policy = (
            f"default-src 'none'; style-src '{_hash(self._style)}'; "
            f"script-src '{_hash(self._script)}'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-cache"),
        )

    def page(self, title: str, document: Mapping[str, Any]) -> Page:
        """A page that shows a document."""
        named = {**document, "names": _NAMES}
        data = json.dumps(named, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        parts = {
            "title": html.escape(title),
            "style": self._style,
            "document": data.translate(_HARMLESS),
            "script": self._script,
        }
        whole = "".join(
            parts.get(piece, piece) if i % 2 else piece
            for i, piece in enumerate(self._html.split("%%"))
        )
        # A name may contain half of a surrogate pair, which UTF-8 cannot encode.
        body = whole.encode("utf-8", "replace")
        etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        return Page(body, etag, (*self._headers, (b"etag", etag)))


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source expression of a Content-Security-Policy (CSP Level 3, 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
