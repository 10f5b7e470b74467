"""The CPUs and the memory that this process may use, for the whole package.

A container sees the CPUs and the memory of its host; its own limits are in the control groups
(https://docs.kernel.org/admin-guide/cgroup-v2.html, and version 1 beside it).
"""

import ctypes
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NO_LIMIT = 1 << 60  # If there is no limit, version 1 reports a number near 2**63.
# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_KEPT_BYTES = 16 << 20
_MACHINE_SHARE = 4
# Of a file, read-only, without pages of its own (proc_pid_smaps(5)).
_MAPPING = re.compile(
    r"^(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) r-.p \S+ \S+ (?!0 )\d+ +/.*\n"
    r"(?:[A-Z].*\n)*?Anonymous: +0 kB$",
    re.MULTILINE,
)


def n_cpus(root: Path = Path("/")) -> int:
    """The number of CPUs that this process may use, at least 1, by its affinity and its quota."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *(int(cpus) for cpus in _quotas(root))]))


def available_memory(root: Path = Path("/")) -> int:
    """The number of bytes that can still be allocated, in the container and on the machine.

    The kernel's cache of files can be reclaimed, so it counts as available.
    """
    found = [
        limit - (used - _files(folder, names))
        for folder, limit, used, names in _memory_groups(root)
    ]
    lines = _read(root / "proc/meminfo").splitlines()
    found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    return min(found, default=_NO_LIMIT)


def total_memory(root: Path = Path("/")) -> int:
    """The number of bytes that the container may use, or the machine has."""
    found = [limit for _, limit, _, _ in _memory_groups(root)]
    lines = _read(root / "proc/meminfo").splitlines()
    found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemTotal:")]
    return min(found, default=_NO_LIMIT)


def request_memory(root: Path = Path("/")) -> int:
    """The number of bytes that requests may take together.

    That is all that a container may use; other programs need the memory of a machine without a
    limit, so requests take a quarter of it.
    """
    has_limit = any(_memory_groups(root))
    return total_memory(root) // (1 if has_limit else _MACHINE_SHARE)


def anonymous_memory(root: Path = Path("/")) -> int:
    """The number of bytes that this process has in memory, without files and shared memory."""
    fields = _read(root / "proc/self/statm").split()
    return (int(fields[1]) - int(fields[2])) * mmap.PAGESIZE if fields else 0


def keep_freed_memory() -> None:
    """Let all threads of this process share two arenas, which keep some of the freed memory.

    By default, each thread has an arena of its own, as large as its largest need, and the pages
    of each request body are returned to the system and allocated again: 1,300 page faults, 2 ms,
    for a body of 6 MB (measured). C libraries other than glibc are left as they are.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_KEPT_BYTES)


def return_freed_memory() -> None:
    """Return the process's freed memory to the system (glibc's malloc_trim(3))."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def release_library_pages() -> None:
    """Give back the pages of programs and libraries that this process has read so far.

    What is called again is read again, from the system's cache of files. Only mappings that were
    never written are released, because what the linker has written into others exists nowhere
    else.
    """
    with suppress(AttributeError, OSError):
        madvise = ctypes.CDLL(None).madvise
        for start, size in _unwritten_mappings(Path("/proc/self/smaps").read_text("utf-8")):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_DONTNEED)


def _unwritten_mappings(smaps: str) -> Iterator[tuple[int, int]]:
    """The address and size of each private mapping of a file that is not, and was not, written."""
    for found in _MAPPING.finditer(smaps):
        start, end = int(found["start"], 16), int(found["end"], 16)
        yield start, end - start


def _quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, ""):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit():
            yield int(quota) / int(period)
    for folder in _groups(root, "cpu"):
        quota = _read(folder / "cpu.cfs_quota_us").strip()
        if quota.isdigit():
            yield int(quota) / int(_read(folder / "cpu.cfs_period_us"))


def _memory_groups(root: Path) -> Iterator[tuple[Path, int, int, tuple[str, str]]]:
    """Each group with a limit: its folder, limit and use in bytes, and the names of file pages."""
    versions = (
        ("", "memory.max", "memory.current", ("active_file", "inactive_file")),
        (
            "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            ("total_active_file", "total_inactive_file"),
        ),
    )
    for controller, limit_name, used_name, names in versions:
        for folder in _groups(root, controller):
            limit, used = _read(folder / limit_name).strip(), _read(folder / used_name).strip()
            if limit.isdigit() and used.isdigit() and int(limit) < _NO_LIMIT:
                yield folder, int(limit), int(used), names


def _files(folder: Path, names: tuple[str, str]) -> int:
    lines = (line.split() for line in _read(folder / "memory.stat").splitlines())
    return sum(int(value) for name, value in lines if name in names)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The group of this process for a controller ("" for version 2), and the groups above it.

    Inside a container, the mount often begins at the container's own group, so that the path
    that the kernel names does not exist; then the mount itself is the group.
    """
    mount = root / "sys/fs/cgroup" / controller
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and controllers.count("=") == 0:
            folder = mount / path.lstrip("/")
            while folder != mount:
                yield folder
                folder = folder.parent
    yield mount


def _read(path: Path) -> str:
    """The text of a file, or an empty one if it cannot be read."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
