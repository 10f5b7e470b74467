"""Jobs that run in a process of their own, and are killed there."""

import os
import signal
import sys
import time

from mlserver_forest.training import job
from mlserver_forest.training.cli import train_in

# Every operation of Python that changes a name: as the audit hooks report them.
OPERATIONS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


def run_until(base, count):
    """Run a job in this process, and kill it before an operation on its files."""
    left = count

    def die_in_time(event="", arguments=()):
        nonlocal left
        path = str(arguments[0]) if arguments else ""
        is_write = event == "open" and isinstance(arguments[1], str) and arguments[1] != "r"
        is_create = event == "open" and (arguments[2] or 0) & os.O_CREAT
        if event == "fsync" or (
            (is_write or is_create or event in OPERATIONS) and path.startswith(str(base))
        ):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    fsync = os.fsync

    def audited_fsync(descriptor):
        die_in_time("fsync")
        fsync(descriptor)

    os.fsync = audited_fsync
    sys.addaudithook(die_in_time)
    os._exit(train_in(base))


def hold(base):
    """A job that never ends, and has both of its folders."""

    def forever(here, train):
        (base / "held").touch()
        time.sleep(600)

    job._run_on_hosts = forever
    train_in(base)
