"""Uploads that are cut: resumed or redone, and nothing half-made left unsaid."""

import hashlib
import signal

import pytest

from aws.account import BUCKET

MB = 1 << 20
SIZE = 40 * MB  # Five parts of 8 MB.


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.csv"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    return path


def fit(path, *words):
    return ("fit", path, "-p", "algorithm=random_forest", "--role", "forest", "--no-wait", *words)


def unfinished(account):
    return account.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def uploaded(account):
    """Key and SHA-256 of each object."""
    s3 = account.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    bodies = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return [hashlib.sha256(body).hexdigest() for body in bodies]


def test_a_large_file_goes_in_parts(account, large):
    done = account.forest(*fit(large))
    assert done.code == 0, done.err
    assert account.stand_in.count("partNumber=") == 5
    assert uploaded(account) == [hashlib.sha256(large.read_bytes()).hexdigest()]
    assert unfinished(account) == []
    account.forest(*fit(large))
    assert account.stand_in.count("partNumber=") == 5


def test_a_connection_cut_in_the_middle_of_a_part_is_redone(account, large):
    account.stand_in.fail(r"PUT .*partNumber=3", times=2, cut_after=3 * MB)
    done = account.forest(*fit(large))
    assert done.code == 0, done.err
    assert account.stand_in.count("partNumber=") == 7
    assert uploaded(account) == [hashlib.sha256(large.read_bytes()).hexdigest()]


def test_a_small_upload_that_is_cut_is_redone(account, tmp_path):
    path = tmp_path / "small.csv"
    path.write_bytes(b"a,1\n" * MB)
    account.stand_in.fail(r"PUT .*small.csv", times=1, cut_after=MB)
    done = account.forest(*fit(path))
    assert done.code == 0, done.err
    assert uploaded(account) == [hashlib.sha256(path.read_bytes()).hexdigest()]


def test_an_upload_that_failed_is_said_and_resumed(account, large):
    """Only what is missing is sent by the second run."""
    account.stand_in.fail(r"PUT .*partNumber=5", times=9, cut_after=MB)
    done = account.forest(*fit(large))
    assert done.code == 1
    (upload,) = unfinished(account)
    assert "a part of the 41,943,040 bytes is kept in S3 as an unfinished upload" in done.err
    assert f"abort-multipart-upload --bucket {BUCKET}" in done.err
    assert upload["UploadId"] in done.err
    assert uploaded(account) == []
    account.stand_in.faults.clear()
    before = account.stand_in.count("partNumber=")
    done = account.forest(*fit(large))
    assert done.code == 0, done.err
    assert account.stand_in.count("partNumber=") == before + 1
    assert uploaded(account) == [hashlib.sha256(large.read_bytes()).hexdigest()]
    assert unfinished(account) == []


def test_an_upload_that_was_killed_is_resumed(account, large):
    """SIGKILL, which nobody can handle."""
    account.stand_in.fail(r"PUT .*partNumber=5", times=9, status=503, code="SlowDown", message="")
    process = account.start(*fit(large))
    while account.stand_in.count("partNumber=5") == 0:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    account.stand_in.faults.clear()
    done = account.forest(*fit(large))
    assert done.code == 0, done.err
    assert uploaded(account) == [hashlib.sha256(large.read_bytes()).hexdigest()]
    assert unfinished(account) == []


def test_what_is_there_under_another_checksum_is_replaced(account, tmp_path):
    """A key contains a digest of the file; somebody wrote something else there."""
    path = tmp_path / "small.csv"
    path.write_text("a,1\n")
    account.forest(*fit(path))
    s3 = account.client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    s3.put_object(Bucket=BUCKET, Key=found["Key"], Body=b"b,2\n")
    account.forest(*fit(path, "--again"))
    assert uploaded(account) == [hashlib.sha256(b"a,1\n").hexdigest()]


@pytest.fixture
def folder(tmp_path):
    """Thirty small files."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.csv").write_text(f"{number},1\n")
    return folder


def test_small_files_are_looked_up_and_sent_in_a_few_threads(account, folder):
    account.stand_in.fail(r"(HEAD|PUT) .*\.csv", times=99, delay=0.02)
    done = account.forest(*fit(folder))
    assert done.code == 0, done.err
    assert len(uploaded(account)) == 30
    assert account.stand_in.count("HEAD /sage") == account.stand_in.count(".csv") / 2 + 1
    assert 2 < account.stand_in.most_active <= 8
    assert "uploaded s3://" in done.err
    again = account.forest(*fit(folder, "--again"))
    assert again.code == 0, again.err
    assert len(uploaded(account)) == 30
    assert account.stand_in.count("PUT /sage") == 31


def test_of_many_files_those_that_are_there_are_said_and_not_sent_again(account, folder):
    denied = {"status": 403, "code": "AccessDenied", "message": "Access Denied"}
    account.stand_in.fail(r"PUT .*/17.csv", times=9, **denied)
    done = account.forest(*fit(folder))
    assert done.code == 1
    assert "ask for the permission s3:PutObject" in done.err
    there = len(uploaded(account))
    assert 0 < there < 30
    assert done.err.count("(remove it with: aws s3 rm s3://") == there
    account.stand_in.faults.clear()
    sent = account.stand_in.count("PUT /sage")
    assert account.forest(*fit(folder)).code == 0
    assert account.stand_in.count("PUT /sage") == sent + 30 - there
    assert len(uploaded(account)) == 30


def test_two_files_of_one_name_are_refused(account, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("a,1\n")
    done = account.forest("fit", tmp_path / "one", *fit(tmp_path / "two")[1:])
    assert done.code == 1
    assert "would both be a.csv in S3; rename one" in done.err


def test_a_permission_that_is_missing_is_named(account, large):
    denied = {"status": 403, "code": "AccessDenied", "message": "Access Denied"}
    account.stand_in.fail(r"POST .*uploads", times=9, **denied)
    done = account.forest(*fit(large))
    assert done.code == 1
    assert f"ask for the permission s3:PutObject on s3://{BUCKET}/mlserver-forest" in done.err


def test_ctrl_c_in_an_upload_says_what_is_kept(account, large):
    account.stand_in.fail(r"PUT .*partNumber=5", delay=1)
    process = account.start(*fit(large))
    while account.stand_in.count("partNumber=5") == 0:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = err.decode()
    assert "interrupted; a part of the 41,943,040 bytes is kept in S3" in said
    assert "what exists now because of this command:" in said
    assert len(unfinished(account)) == 1
