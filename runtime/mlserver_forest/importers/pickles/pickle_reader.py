"""A file that holds a pickle, joblib's among them -> the records in it."""

from pathlib import Path
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.byte_stream import CODECS, open_stream
from mlserver_forest.importers.pickles.pickle_machine import PickleMachine

_PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# Protocols 0 and 1 begin with a class or a function.
_OLD_STARTS = (b"c", b"(i", b"(c")


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a pickle, compressed or not."""
    if head.startswith((*_PROTOCOLS, *CODECS)):
        return True
    line = head.partition(b"\n")[0]
    return head.startswith(_OLD_STARTS) and line[1:].replace(b".", b"").replace(b"_", b"").isalnum()


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
