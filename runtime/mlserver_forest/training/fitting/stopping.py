"""SIGTERM: stop after the current tree or round, and keep the model so far."""

import threading
import time

# SageMaker kills a job 120 s after SIGTERM (StopTrainingJob), and `docker stop` by default
# after 10 s.
SECONDS_TO_STOP = 18.0
_STEP_SECONDS = 5.0


class Stop:
    """Whether the job was asked to stop, and since when.

    Attributes:
        has_a_model: whether there is a model, saved or about to be saved.
    """

    def __init__(self) -> None:
        self.has_a_model = False
        self._event = threading.Event()
        self._since = 0.0

    def request(self) -> None:
        """Ask the job to stop; only the first call counts."""
        if not self._event.is_set():
            self._since = time.monotonic()
            self._event.set()

    @property
    def is_requested(self) -> bool:
        """Whether the job should stop."""
        return self._event.is_set()

    @property
    def is_pressing(self) -> bool:
        """Whether a step that is still running has used up its time."""
        return self.is_requested and time.monotonic() - self._since > _STEP_SECONDS
