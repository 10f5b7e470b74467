"""The threads that walk trees."""

from threading import Lock
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.forest.forest import Forest, Prediction


class KernelThreads:
    """Lets one block of rows after the other use a process's threads, whoever brings them.

    So a process never walks trees in more threads than it was given, and of two large
    requests both go on.

    Args:
        n_threads: of this process.
    """

    def __init__(self, n_threads: int = 1) -> None:
        self._n_threads = n_threads
        self._turn = Lock()

    def predict(self, forest: Forest, x: NDArray[Any]) -> Prediction:
        """``Forest.predict``, when it is this caller's turn."""
        with self._turn:
            return forest.predict(x, self._n_threads)
