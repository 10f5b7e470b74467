"""A container that may have few processes: it serves, or says at once why it cannot."""

from .mix import mixed
from .scene import add_constant_load
from .server import NotReady
from .table import Row

_LIMITS = range(12, 33, 4)
_SECONDS = 3.0
_REASON = "pids-limit"


def pids(scene):
    if scene.launch is None:
        yield Row("processes", "only a container has a limit of processes: run it with --image")
        return
    for most in _LIMITS:
        row = Row(f"{most} processes")
        try:
            with scene.serving(limits=(f"--pids-limit={most}",)) as server:
                questions = mixed(scene, large_every=100)
                add_constant_load(row, scene.load(server, questions, seconds=_SECONDS).run())
        except NotReady as error:
            _add_end(row, error)
        yield row


def _add_end(row, error):
    reasons = [line.strip() for line in error.lines if _REASON in line]
    has_traceback = any("Traceback" in line for line in error.lines)
    row.add("exit code", error.code, "1 or 3", error.code in {1, 3})
    row.add("reason", "".join(reasons[:1]), f"with {_REASON}", bool(reasons) and not has_traceback)
    row.notes += error.lines[-5:]
