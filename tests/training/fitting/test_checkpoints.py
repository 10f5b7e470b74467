"""Checkpoints of several jobs and hosts in one folder."""

from mlserver_forest.training.fitting.checkpoints import Checkpoints


def test_other_jobs_checkpoints_are_not_used_and_other_hosts_are_left_alone(tmp_path):
    for host, fingerprint in (("a", "1" * 64), ("b", "2" * 64), ("a", "2" * 64)):
        Checkpoints(tmp_path, host, fingerprint, print).keep(0, 5, host.encode())
    (tmp_path / f"a.{'2' * 16}.0000005-0000007.x.sagemaker-ignore").write_bytes(b"half")
    (found,) = Checkpoints(tmp_path, "a", "2" * 64, print).restored()
    assert (found.start, found.stop, found.content) == (0, 5, b"a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"a.{'2' * 16}.0000000-0000005",
        f"b.{'2' * 16}.0000000-0000005",
    ]
