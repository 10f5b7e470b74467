"""Checkpoints of several jobs and hosts in one folder."""

import resource

from mlserver_forest.training.fitting.checkpoints import Checkpoints


def test_other_jobs_checkpoints_are_not_used_and_other_hosts_are_left_alone(tmp_path):
    for host, fingerprint in (("a", "1" * 64), ("b", "2" * 64), ("a", "2" * 64)):
        Checkpoints(tmp_path, host, fingerprint, print).keep(0, 5, host.encode())
    (tmp_path / f"a.{'2' * 16}.0000005-0000007.x.sagemaker-ignore").write_bytes(b"half")
    (found,) = Checkpoints(tmp_path, "a", "2" * 64, print).restored(lambda found: found)
    assert (found.start, found.stop, found.content) == (0, 5, b"a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"a.{'2' * 16}.0000000-0000005",
        f"b.{'2' * 16}.0000000-0000005",
    ]


def test_a_full_disk_costs_one_line_and_no_checkpoint_that_was_there(tmp_path):
    lines = []
    checkpoints = Checkpoints(tmp_path, "a", "1" * 64, lines.append)
    checkpoints._due_at = 0.0
    checkpoints.keep_all(5, lambda: b"five")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        for stop in (6, 7):
            checkpoints._due_at = 0.0
            checkpoints.keep_all(stop, lambda: bytes(9999))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{'1' * 16}.0000000-0000005"]
    assert lines == [f"no checkpoint of 6 trees or rounds: {tmp_path}: File too large"]


def test_files_with_odd_names_are_left_alone(tmp_path):
    names = {f"a.{'1' * 16}.{end}" for end in ("-", "1-", "0000001-x", "0000000-00000٣5")}
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"a.{'1' * 16}.0000000-0000009").mkdir()
    lines = []
    assert Checkpoints(tmp_path, "a", "1" * 64, lines.append).restored(lambda found: found) == []
    assert "0000000-0000009 is damaged" in lines[0]
    assert names < {path.name for path in tmp_path.iterdir()}
