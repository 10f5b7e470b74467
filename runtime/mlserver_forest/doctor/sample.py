"""The request for /invocations: the caller's file, or a row that the model expects."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.formats.registry import FORMATS, default, find, find_by_file

# The media types of the bodies that the doctor generates.
CSV = default().media_type
JSON = "application/json"


@dataclass(frozen=True)
class Sample:
    """A request body and its media type."""

    content_type: str
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def has_lines(self) -> bool:
        """Whether each line is a record, so that records can be put together."""
        found = find(self.media_type)
        return found is not None and found.has_lines

    @property
    def record(self) -> bytes:
        """The first record, without a newline."""
        return self.body.splitlines()[0] if self.has_lines else self.body

    def records(self, count: int) -> bytes:
        """The first record ``count`` times, without a newline at the end."""
        return b"\n".join([self.record] * count)

    def large(self, size: int) -> bytes:
        """A body of nearly ``size`` bytes, and no more."""
        if self.has_lines:
            return self.records(size // (len(self.record) + 1))
        # JSON may end in any number of spaces.
        return self.body.ljust(size, b" ")


def from_file(path: Path, content_type: str | None) -> Sample:
    """A request from a file.

    Args:
        path: the file.
        content_type: its media type, or None for that of its extension.

    Raises:
        InvalidEnvironment: if the extension is unknown, or the file is empty.
    """
    found = find_by_file(path.name)
    content_type = content_type or (found.media_type if found else None)
    if content_type is None:
        known = ", ".join(extension for found in FORMATS for extension in found.extensions)
        raise InvalidEnvironment(
            f"--body {path}: its name does not end with any of {known}; give --content-type"
        )
    body = path.read_bytes()
    if not body.strip():
        raise InvalidEnvironment(f"--body {path} is empty; expected a request for /invocations")
    return Sample(content_type, body)


def from_settings(model_dir: Path) -> Sample | None:
    """A CSV row for the inputs in model-settings.json; None if none are described."""
    try:
        document = json.loads((model_dir / "model-settings.json").read_text())
        cells = [cell for tensor in document["inputs"] for cell in _cells(tensor)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Sample(CSV, _row(cells)) if cells else None


def _cells(tensor: dict[str, Any]) -> list[str]:
    """A value for each column of a tensor: 0, or a category that the model knows.

    A model that knows hashes alone takes any text.
    """
    parameters = tensor.get("parameters") or {}
    categories = parameters.get("categories") or parameters.get("known")
    text = "unknown" if "hash" in parameters else ""
    value = {"BYTES": categories[0] if categories else text, "BOOL": "true"}.get(
        tensor["datatype"], "0"
    )
    return [value] * int(tensor["shape"][1])


def from_training_data(path: Path) -> Sample:
    """The last row of a CSV file (the first may be a header), without its first field, the label.

    Raises:
        InvalidEnvironment: if there is no row with a feature.
    """
    rows = [row for row in csv.reader(path.read_text().splitlines()) if row]
    if not rows or len(rows[-1]) < 2:
        raise InvalidEnvironment(
            f"--data {path} has no row with a label and a feature; expected a CSV file, label first"
        )
    return Sample(CSV, _row(rows[-1][1:]))


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode()
