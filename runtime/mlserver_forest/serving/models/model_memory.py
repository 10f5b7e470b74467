"""How much memory a model will take, as far as its files tell before it is loaded."""

from pathlib import Path

from mlserver_forest.artifact.known_runtimes import find_known
from mlserver_forest.serving.models.served_settings import ServedSettings

# An unpickled estimator is as large as its pickle, and for a moment both are in memory.
_PICKLE_FACTOR = 2.5


def memory_for(settings: ServedSettings) -> int:
    """The number of bytes of memory that a model will take."""
    path = Path(settings.parameters.uri)
    try:
        files = path.rglob("*") if path.is_dir() else (path,)
        size = sum(file.stat().st_size for file in files if file.is_file())
    except OSError:  # Loading it will say why.
        return 0
    known = find_known(settings.implementation_)
    return int(size * _PICKLE_FACTOR) if known and known.unpickles else size
