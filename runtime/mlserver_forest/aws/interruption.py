"""Ctrl-C, SIGTERM and SIGHUP end a command in the same way: it says what runs, and cleans up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Docker, systemd and CI send the second, a terminal that is closed the third.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """The signal that has ended the command.

    Attributes:
        number: the signal, or 0 if there was none.
    """

    number = 0

    @property
    def exit_code(self) -> int:
        """The shell's exit code for a process that the signal ended: 130, 143 or 129."""
        return 128 + self.number if self.number else 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: always, so that what Ctrl-C ends is ended by each of them.
        """
        self.number = number
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Raise KeyboardInterrupt for each of the signals, unless the process ignores it (nohup)."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {
        number: signal.signal(number, interruption.receive)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
