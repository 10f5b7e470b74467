"""The digest of what is in S3 now, read over HTTP, in versioned and unversioned buckets."""

import pytest

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.data_identity import (
    identity_of_prefix,
    identity_of_uri,
)
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.naming import UNKNOWN_DIGEST, digest_of

PREFIX = "s3://data/in/"
FILE = "s3://data/in/a.csv"


@pytest.fixture(params=["unversioned", "versioned"])
def s3(account, request, monkeypatch):
    """A bucket with two objects under a prefix."""
    for name, value in account.environ().items():
        monkeypatch.setenv(name, value)
    client = account.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="data", CreateBucketConfiguration=where)
    if request.param == "versioned":
        enabled = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket="data", VersioningConfiguration=enabled)
    client.put_object(Bucket="data", Key="in/a.csv", Body=b"1,2\n")
    client.put_object(Bucket="data", Key="in/b.csv", Body=b"3,4\n")
    yield client
    client.close()


def look(uri=PREFIX, identity=identity_of_uri):
    """The identity as a command finds it, and what it says."""
    said = []
    aws = Aws()
    try:
        return identity(Existing(aws), uri, said.append), said
    finally:
        aws.close()


def test_an_identity_changes_with_the_bytes_and_comes_back_with_them(s3):
    first, file = look(), look(FILE)
    assert first[1] == file[1] == []
    assert first == look()
    s3.put_object(Bucket="data", Key="in/a.csv", Body=b"1,3\n")
    assert look()[0] != first[0]
    assert look(FILE)[0] != file[0]
    s3.put_object(Bucket="data", Key="in/a.csv", Body=b"1,2\n")
    assert (look(), look(FILE)) == (first, file)
    s3.put_object(Bucket="data", Key="in/c.csv", Body=b"")
    assert look()[0] != first[0]
    s3.delete_object(Bucket="data", Key="in/c.csv")
    assert (look(), look(FILE)) == (first, file)
    s3.delete_object(Bucket="data", Key="in/b.csv")
    s3.put_object(Bucket="data", Key="in/b2.csv", Body=b"3,4\n")
    assert look()[0] != first[0]


def test_a_prefix_is_all_keys_that_begin_with_it(s3):
    """SageMaker's S3Prefix needs no slash; a model's URI is one object."""
    before = look("s3://data/in", identity_of_prefix)[0], look(FILE)[0]
    s3.put_object(Bucket="data", Key="in/a.csv.bak", Body=b"5\n")
    s3.put_object(Bucket="data", Key="inner/a.csv", Body=b"5\n")
    assert look("s3://data/in", identity_of_prefix)[0] != before[0]
    assert look(FILE)[0] == before[1]


def test_what_is_not_there_is_said(s3, account):
    assert "there is nothing in S3 now" in look("s3://data/out/")[1][0]
    assert "there is nothing in S3 now" in look("s3://nowhere/a.csv")[1][0]


def test_what_may_not_be_looked_at_is_new_each_time(s3, account):
    for operation, uri in (("HEAD", FILE), ("GET /data", PREFIX)):
        account.stand_in.fail(operation, times=2, status=403, code="AccessDenied", message="no")
        (one, said), (two, _) = look(uri), look(uri)
        assert one != two
        assert "cannot be looked up, so that it counts as new data" in said[0]


def test_what_is_unknown_is_a_placeholder_in_a_name():
    unknown = identity_of_prefix(Existing(None), PREFIX, print)
    assert unknown == "<data in s3://data/in/>"
    assert digest_of({"data": [unknown]}) == UNKNOWN_DIGEST
    assert digest_of({"data": "a < b > c"}) != UNKNOWN_DIGEST
