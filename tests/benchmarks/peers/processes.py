"""A server's processes: the CPU time and memory that they take, and their end."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat that follow the command, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root):
    """A process and all that descend from it."""
    children = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children.setdefault(int(_stat(path.name)[1]), []).append(int(path.name))
    found, new = [], [root]
    while new:
        found += new
        new = [child for parent in new for child in children.get(parent, [])]
    return found


def cpu_seconds(pid):
    """User and system time of one process and of its children that have ended."""
    return sum(map(int, _stat(pid)[11:15])) / TICKS


def cpu_seconds_of_tree(root):
    return sum(map(cpu_seconds, tree(root)))


def pss_megabytes(root, field="Pss"):
    """Proportional set size: a page that several processes map counts in parts.

    Libraries are such pages too, where we or another server use the same environment;
    ``Pss_Anon`` is without all that is mapped from files.
    """
    kilobytes = 0
    for pid in tree(root):
        with contextlib.suppress(ProcessLookupError):  # It has ended, and is not yet waited for.
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    kilobytes += int(line.split()[1])
    return kilobytes / 1024


def end(process, seconds=10):
    """End a process that we started, and whatever it leaves behind."""
    if process.poll() is not None:
        return
    handles = [os.pidfd_open(pid) for pid in tree(process.pid)]
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
    process.wait()
