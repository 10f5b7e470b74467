"""CPUs and memory, read from the files that the kernel shows a container."""

import numpy as np
import pytest

from mlserver_forest import resources
from mlserver_forest.resources import (
    anonymous_memory,
    available_memory,
    n_cpus,
    request_memory,
)


@pytest.fixture
def root(tmp_path):
    """A root folder: path -> text of the kernel's files."""

    def lay(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return lay


MEMINFO = {"proc/meminfo": "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n"}


def test_version_2_inside_a_container(root):
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "1000000\n",
        "sys/fs/cgroup/memory.current": "700000\n",
        "sys/fs/cgroup/memory.stat": "anon 5\nactive_file 100000\ninactive_file 50000\nshmem 7\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    assert available_memory(root(files | MEMINFO)) == 1_000_000 - (700_000 - 150_000)
    assert n_cpus(root(files)) == 1


def test_version_2_takes_the_tightest_of_the_groups_above(root):
    files = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/memory.max": "500000\n",
        "sys/fs/cgroup/outer/memory.current": "400000\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        "sys/fs/cgroup/outer/inner/memory.current": "1\n",
    }
    assert available_memory(root(files | MEMINFO)) == 100_000


def test_version_1_of_control_groups_limits_memory_and_cpus(root):
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "600000\n",
        "sys/fs/cgroup/memory/memory.stat": "total_active_file 1\ntotal_inactive_file 99999\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert available_memory(root(files | MEMINFO)) == 500_000
    assert n_cpus(root(files)) == 1


def test_without_a_limit_the_machine_decides(root):
    files = {
        "proc/self/cgroup": "4:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "600000\n",
    }
    assert available_memory(root(files | MEMINFO)) == 3000 << 10


@pytest.mark.parametrize(("limit", "most"), [("max", 1000), ("2048000", 2000)])
def test_requests_may_take_a_container_but_not_a_machine(root, limit, most):
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": limit,
        "sys/fs/cgroup/memory.current": "600000\n",
        "proc/meminfo": "MemTotal: 4000 kB\n",
    }
    assert request_memory(root(files)) == most << 10


def test_the_memory_of_this_process_grows_with_what_it_takes():
    before = anonymous_memory()
    taken = bytearray(64 << 20)
    assert 60 << 20 < anonymous_memory() - before < 80 << 20
    del taken


def test_without_any_of_these_files_nothing_is_limited(tmp_path):
    assert available_memory(tmp_path) >= 1 << 50
    assert n_cpus(tmp_path) >= 1


def test_on_this_machine_both_can_be_read():
    assert available_memory() > 1 << 20
    assert n_cpus() >= 1


SMAPS = """\
1000-3000 r-xp 00000000 fe:00 11   /usr/lib/libclean.so
Size:                  8 kB
Anonymous:             0 kB
VmFlags: rd ex mr
4000-5000 r--p 00002000 fe:00 11   /usr/lib/librelocated.so
Size:                  4 kB
Anonymous:             4 kB
VmFlags: rd mr
6000-7000 rw-p 00003000 fe:00 11   /usr/lib/libdata.so
Size:                  4 kB
Anonymous:             0 kB
8000-9000 r--s 00000000 fe:00 12   /tmp/shared
Size:                  4 kB
Anonymous:             0 kB
a000-b000 r-xp 00000000 00:00 0    [vdso]
Size:                  4 kB
Anonymous:             0 kB
c000-d000 r--p 00000000 fe:00 13   /usr/lib/my library.so
Size:                  4 kB
Anonymous:             0 kB
"""


def test_only_pages_that_a_file_still_holds_are_given_back():
    assert list(resources._unwritten_mappings(SMAPS)) == [(0x1000, 0x2000), (0xC000, 0x1000)]
    resources.release_library_pages()
    assert np.linalg.norm([3, 4]) == 5  # Libraries are read again when they are called.
