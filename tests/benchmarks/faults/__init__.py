"""Faults under a constant load: what is lost, what waits, and what stays right.

A real server with its workers, a load generator in a process of its own that sends the
same number of requests per second whatever the server does, and one fault at a time:
SIGTERM, SIGHUP, killed and hanging workers, overload, slow clients and those that pipeline, too few
files or processes, a full disk, a log that nobody reads, a clock that jumps, a model file that is
changed, large bodies that are refused, names that clients choose, what one client can do to the
others, and training jobs that are killed. With --image, the server is in a container whose memory
is limited.
The soak, a mixed load that watches memory, runs only when asked for.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from .attacks import attacks
from .changed import changed
from .clock import clock
from .descriptors import descriptors
from .full_disk import full_disk
from .grpc import grpc
from .hang import hang
from .kill import kill
from .log import log
from .models import models
from .names import names
from .overload import overload
from .pids import pids
from .pipelining import pipelining
from .refused import refused
from .reload import reload
from .saving import saving
from .scene import Scene
from .server import NotReady, launch_in_container
from .sigterm import sigterm
from .slow import slow
from .soak import soak
from .table import Row, markdown

FAULTS = {
    "sigterm": sigterm,
    "kill": kill,
    "hang": hang,
    "overload": overload,
    "slow": slow,
    "fds": descriptors,
    "tmp": full_disk,
    "clock": clock,
    "sighup": reload,
    "grpc": grpc,
    "file": changed,
    "bodies": refused,
    "pipelining": pipelining,
    "attacks": attacks,
    "models": models,
    "log": log,
    "pids": pids,
    "names": names,
    "training": saving,
    "soak": soak,
}
_SOAK_MINUTES = 20.0


def chosen(only, minutes):
    """The faults' names: all but the soak, which is asked for by name or by its minutes."""
    if only:
        return [only]
    return [name for name in FAULTS if name != "soak" or minutes is not None]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks faults")
    parser.add_argument("--only", choices=FAULTS, help="this one alone")
    parser.add_argument("--rate", type=float, default=400.0, help="requests per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-seconds", type=float, default=60.0)
    parser.add_argument("--overload-seconds", type=float, default=10.0)
    parser.add_argument(
        "--hang-variable",
        default="FOREST_WORKER_TIMEOUT=5",
        help="the server's variable for the time that a worker may hang, and its value",
    )
    parser.add_argument("--image", help="run the server in a container of this image")
    parser.add_argument("--memory", default="1g", help="the container's limit")
    parser.add_argument("--minutes-of-soak", type=float, help="run the soak, for so long")
    return parser.parse_args(arguments)


def tried(name, scene):
    """The rows of a fault; where it ends the benchmark's own part, a row that says so."""
    try:
        yield from FAULTS[name](scene)
    except (EOFError, NotReady, OSError, RuntimeError) as error:
        row = Row(name)
        row.add("ended by", f"{type(error).__name__}: {error}"[:500], "nothing", met=False)
        yield row


def main(arguments):
    from sklearn.ensemble import RandomForestClassifier
    from tests import support

    options = parse(arguments)
    names = chosen(options.only, options.minutes_of_soak)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene.of_iris(
            support,
            RandomForestClassifier(25, random_state=0),
            Path(folder, "ml", "model"),
            rate=options.rate,
            workers=options.workers,
            kill_seconds=options.kill_seconds,
            overload_seconds=options.overload_seconds,
            hang_variable=options.hang_variable,
            soak_minutes=options.minutes_of_soak or _SOAK_MINUTES,
            launch=partial(launch_in_container, options.image, options.memory)
            if options.image
            else None,
        )
        for name in names:
            for row in tried(name, scene):
                row.print()
                rows.append(row)
    print()
    print(markdown(rows))
    if any(row.missed for row in rows):
        sys.exit(1)
