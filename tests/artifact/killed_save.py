"""A save in a process of its own, which is killed there."""

import os
import signal

from support import save_model


def save_until(count, directory, estimator, x):
    """Save a model in this process, and kill it after some system calls on the directory."""
    left = count

    def dying(function):
        def call(*arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
    save_model(directory, estimator, x)
