"""The code blocks of the README and of docs/, and how each of them is tested.

A comment on the line before a block says so:

- none: the block is run, and ends with exit code 0; a request that is refused fails it
- ``fails``: it is run, and something in it must be refused
- ``output``: what the block before it has printed
- ``notebook``: a cell; all cells of a page are run in one process, from top to bottom, and the
  value of a last line is shown, as a notebook shows it
- ``serve``: a server, which goes on in the background
- ``dry-run``: each of its ``forest`` commands is run with --dry-run
- ``command: NAME``, ``python: NAME``: a test of that block is found by its name
- ``tested by: FILE::TEST``: the test that does what the block says
"""

import re
from dataclasses import dataclass

from support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("sh", "bash", "python")
_BLOCK = re.compile(r"(?:^<!-- ([^\n]+?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block: its marker ("" for none), its language and its text."""

    marker: str
    kind: str
    text: str

    @property
    def way(self):
        """The marker's first word, or "run"."""
        return self.marker.split(":")[0] if self.marker else "run"


def page(name):
    return (ROOT / name).read_text()


def blocks_of(text):
    return [Block(marker or "", kind, body) for marker, kind, body in _BLOCK.findall(text)]


def block(name, marker):
    """The text of the one block of a page that has a marker."""
    (found,) = [one for one in blocks_of(page(name)) if one.marker == marker]
    return found.text
