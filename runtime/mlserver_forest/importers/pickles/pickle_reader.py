"""A file that holds a pickle, joblib's among them -> the records in it."""

from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.byte_stream import CODECS, is_plain_pickle, open_stream
from mlserver_forest.importers.pickles.pickle_machine import PickleMachine


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a pickle, compressed or not."""
    return head.startswith(tuple(CODECS)) or is_plain_pickle(head)


def read_pickle(path: Path) -> Any:
    """Read a file without executing anything.

    Args:
        path: of a pickle of protocol 0 to 5, or of joblib's file in one piece, compressed or not.

    Returns:
        As ``PickleMachine.run``.

    Raises:
        UnsupportedEstimator: naming the file and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            return PickleMachine(open_stream(file, path.stat().st_size)).run()
    except UnsupportedEstimator as error:
        raise UnsupportedEstimator(f"{path}: {error}") from error
