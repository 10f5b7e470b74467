"""A run of ``forest predict`` in a process of its own, which is killed there."""

import os
import signal

from scoring.scored import run_of


def run_until(count, *arguments):
    """Score, and kill this process instead of renaming another file."""
    left, replace = count, os.replace

    def dying(*names):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(*names)

    os.replace = dying
    run_of(*arguments).in_threads(2)
