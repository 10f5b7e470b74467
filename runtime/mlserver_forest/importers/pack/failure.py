"""Why a model could not be read, in one sentence for each cause: what the child process met."""

import signal
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from types import TracebackType

from mlserver_forest.errors import format_error

_OURS = __name__.partition(".")[0]
_OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory")
_STOPPED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LONGEST = 300


def describe_exception(name: str, error: BaseException, memory_bytes: int) -> str:
    """What is said of an exception that is not one of this package.

    Args:
        name: the file, as messages call it.
        error: what was raised while it was read.
        memory_bytes: the memory that the process might take.
    """
    if isinstance(error, MemoryError):
        return out_of_memory(name, memory_bytes)
    if isinstance(error, SystemExit):
        return (
            f"{name}: the code in the file ended the process that read it (exit code "
            f"{error.code}); nothing was packed"
        )
    reason = format_error(error)[:_LONGEST]
    library = next(_libraries(error.__traceback__), _OURS)
    if library == _OURS:
        return (
            f"{name} could not be read, which is a fault of mlserver-forest ({reason}); please "
            "report it with the library and its version that wrote the file"
        )
    return (
        f"{name}: {_with_version(library)} failed while it read the model ({reason}); the file is "
        f"damaged, or was written by another version of {library}: save it again with this one, or "
        "run forest pack where it was written"
    )


def out_of_memory(name: str, memory_bytes: int) -> str:
    """What is said if reading takes more memory than it may."""
    return (
        f"{name} takes more than {memory_bytes / (1 << 30):.1f} GiB of memory to read, which no "
        "model of its size needs; it is damaged, or made to fill the memory"
    )


def describe_exit(name: str, exit_code: int, stderr: str) -> str:
    """What is said of a child process that ended without a report.

    Args:
        name: the file, as messages call it.
        exit_code: as ``subprocess`` gives it: negative for a signal.
        stderr: what the process wrote to standard error.
    """
    last = (stderr.strip().splitlines()[-1:] or ["it wrote no message"])[0][:_LONGEST]
    if exit_code >= 0:
        return (
            f"{name}: the code in the file, or a library, ended the process that read it (exit "
            f"code {exit_code}; {last}); nothing was packed"
        )
    number = signal.Signals(-exit_code)
    if number == signal.SIGKILL:
        return (
            f"{name}: the process that read it was killed (SIGKILL), as the system does when the "
            "memory of the machine or container is used up; pack it where there is more memory"
        )
    if number in _STOPPED:
        return f"{name}: the process that read it was stopped ({number.name}); run it again"
    if any(word in stderr for word in _OUT_OF_MEMORY):
        return (
            f"{name}: a library ran out of memory while it read the model and gave up "
            f"({number.name}); the file is damaged, or made to fill the memory"
        )
    return (
        f"{name}: a library crashed while it read the model ({number.name}; {last}); the file is "
        "damaged, or was written by another version of its library: run forest pack where it was "
        "written"
    )


def _libraries(traceback: TracebackType | None) -> Iterator[str]:
    """The packages in whose code an exception was raised, innermost first, besides NumPy."""
    found = []
    while traceback is not None:
        found.append(str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        traceback = traceback.tb_next
    for package in reversed(found):
        if package not in sys.stdlib_module_names and package not in {"numpy", "", "__main__"}:
            yield package


def _with_version(library: str) -> str:
    try:
        return f"{library} {version(packages_distributions()[library][0])}"
    except (PackageNotFoundError, KeyError, IndexError):
        return library
