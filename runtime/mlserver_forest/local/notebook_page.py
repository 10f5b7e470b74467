"""A whole HTML page, shown in a notebook."""

from os import PathLike
from pathlib import Path

from markupsafe import Markup

from mlserver_forest.artifact.atomic_write import cannot_be_written, make_folder, write_whole

_HEIGHT = 640


class NotebookPage:
    """A page that loads nothing from elsewhere; a notebook shows it in a frame of its own.

    Args:
        html: the whole page.

    Attributes:
        html: the same.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file, which a browser opens.

        Raises:
            InvalidEnvironment: if it cannot be written.
        """
        target = Path(path).absolute()
        make_folder(target.parent)
        try:
            write_whole(target, self.html.encode())
        except OSError as error:
            raise cannot_be_written(target.parent, error, len(self.html)) from error
        return target

    def __repr__(self) -> str:
        return f"<page of {len(self.html):,} characters; save(path) writes it to a file>"

    def _repr_html_(self) -> str:
        # An empty sandbox runs no script and sends no form.
        return str(
            Markup(
                '<iframe sandbox="" srcdoc="{}" style="width:100%;height:{}px;border:0"></iframe>'
            ).format(self.html, _HEIGHT)
        )
