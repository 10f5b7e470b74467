"""The training report that lies beside a model, as a page of its server."""

from dataclasses import dataclass
from pathlib import Path

_FILE = "report.html"
# Beside the model's files, beside its folder, and where a training job writes it.
_PLACES = (Path(), Path(".."), Path("..", "output", "data"))
_MOST_BYTES = 16 << 20
_NOTE = b'<p class="note" id="page">'
_LINK = b'<p class="note"><a href="/">Try the model on rows of your own</a></p>'

# Nothing in a report may run or be loaded, whoever wrote it.
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
REPORT_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


@dataclass(frozen=True)
class TrainingReport:
    """The report of a model.

    Attributes:
        path: its file.
    """

    path: Path

    @classmethod
    def beside(cls, model_dir: Path) -> "TrainingReport | None":
        """The report beside a model directory, or None."""
        for place in _PLACES:
            path = model_dir / place / _FILE
            try:
                if path.is_file() and path.stat().st_size <= _MOST_BYTES:
                    return cls(path)
            except OSError:  # A folder that may not be read.
                continue
        return None

    def read(self) -> bytes:
        """The page, with a link to the model's page in place of the note on how to open it.

        Raises:
            OSError: if the file cannot be read any more.
        """
        body = self.path.read_bytes()
        start = body.find(_NOTE)
        end = body.find(b"</p>", start)
        return body if start < 0 or end < 0 else body[:start] + _LINK + body[end + len(b"</p>") :]
