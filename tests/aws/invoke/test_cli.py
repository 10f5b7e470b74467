"""forest invoke against AWS's stand-in, with the real serve behind the endpoint."""

import json

import pytest

from aws.account import (
    BUCKET,
)
from support import PAYLOAD


@pytest.fixture
def endpoint(account, iris_server):
    """A live endpoint: what it is asked, the real serve answers."""
    account.stand_in.serve = iris_server.url
    done = account.forest("deploy", "s3://m/model.tar.gz", "--role", "forest", "--poll", "0.1")
    assert done.code == 0, done.err
    return account


def test_invoke_prints_the_answer_as_it_comes(endpoint, answers):
    done = endpoint.forest("invoke", "forest", PAYLOAD, "--accept", "text/csv")
    assert done.code == 0, done.err
    assert done.out == answers.text


def test_invoke_reads_any_media_type_and_writes_a_file(endpoint, tmp_path):
    question = tmp_path / "rows.json"
    question.write_text(json.dumps([[5.1, 3.5, 1.4, 0.2]]))
    out = tmp_path / "answer.json"
    words = ("--accept", "application/json", "--out", out)
    done = endpoint.forest("invoke", "forest", question, *words)
    assert (done.code, done.out) == (0, ""), done.err
    assert "setosa" in out.read_text()


def test_what_the_container_refused_is_said(endpoint, tmp_path):
    question = tmp_path / "rows.csv"
    question.write_text("1,2\n")
    done = endpoint.forest("invoke", "forest", question)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("forest invoke: sagemaker-runtime InvokeEndpoint of forest was refused")
    assert "row 1 has 2 values; the model expects 4" in line


def test_invoke_async_waits_for_the_answer_in_s3(endpoint, answers):
    done = endpoint.forest(
        *("invoke", "forest", PAYLOAD, "--accept", "text/csv", "--async", "--poll", "0.1")
    )
    assert done.code == 0, done.err
    assert done.out == answers.text
    assert f"the answer will be in s3://{BUCKET}/mlserver-forest/data/invoke/" in done.err


def test_invoke_async_tells_the_containers_failure(endpoint, tmp_path):
    question = tmp_path / "rows.csv"
    question.write_text("1,2\n")
    done = endpoint.forest("invoke", "forest", question, "--async", "--poll", "0.1")
    assert done.code == 1
    assert "the endpoint could not answer: " in done.err
    assert "the model expects 4" in done.err


def test_the_file_of_an_asynchronous_call_is_encrypted(endpoint, answers):
    words = ("--accept", "text/csv", "--async", "--poll", "0.1")
    done = endpoint.forest("invoke", "forest", PAYLOAD, *words)
    done = endpoint.forest("invoke", "forest", PAYLOAD, *words, "--kms-key", "alias/k")
    assert done.out == answers.text
    s3 = endpoint.client("s3")
    (key,) = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]][:1]
    assert s3.head_object(Bucket=BUCKET, Key=key)["ServerSideEncryption"] == "aws:kms"
    done = endpoint.forest("invoke", "forest", PAYLOAD, *words, "--kms-key", "alias/k")
    assert f"found s3://{BUCKET}/{key}" in done.err
    done = endpoint.forest("invoke", "forest", PAYLOAD, *words, "--kms-key", "alias/other")
    assert f"uploaded s3://{BUCKET}/{key}" in done.err
    assert s3.head_object(Bucket=BUCKET, Key=key)["SSEKMSKeyId"] == "alias/other"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv", "--dry-run"], "nowhere.csv: No such file or directory"),
        (["s3://b/a.csv", "--async", "--bucket", "b"], "is in S3 already; leave out --bucket"),
        (["-", "--content-type", "text/csv", "--async"], "give a file, not -"),
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["rows"], "its media type cannot be determined from its name; give --content-type"),
        (["s3://b/rows.csv"], "an S3 URI requires --async"),
        (
            [PAYLOAD, "--async", "--target-model", "a"],
            "cannot be used with --async; leave them out",
        ),
    ],
)
def test_a_question_that_cannot_be(account, words, said):
    done = account.forest("invoke", "forest", *words)
    assert done.code == 1
    assert said in done.err.splitlines()[-1]


def test_an_answer_cut_in_the_middle_is_an_error(endpoint):
    """Not half an answer."""
    endpoint.stand_in.fail("invocations", cut_answer=9)
    done = endpoint.forest("invoke", "forest", PAYLOAD)
    assert (done.code, done.out) == (1, "")
    assert "run the same command again" in done.err.splitlines()[-1]


def test_an_answer_that_cannot_be_written_is_an_error(endpoint, tmp_path):
    done = endpoint.forest("invoke", "forest", PAYLOAD, "--out", tmp_path / "no" / "folder")
    assert done.code == 1
    assert "No such file or directory" in done.err
