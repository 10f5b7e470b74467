"""A temporary folder that lasts as long as what keeps it."""

import os
import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp


class KeptFolder:
    """A folder that is removed with the last reference to this object, or when the process ends.

    Args:
        prefix: what its name begins with.

    Attributes:
        path: of the folder.
    """

    def __init__(self, prefix: str) -> None:
        self.path = Path(mkdtemp(prefix=prefix))
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # A forked child has its own copy of the object.
        shutil.rmtree(path, ignore_errors=True)
