"""forest compare against AWS's stand-in, whose invocations are captured and counted."""

import re
from datetime import UTC, datetime, timedelta

from aws.account import AS_ROLE, BUCKET, MODEL, POLL
from aws.captured_traffic import capture_key, record

OTHER = "s3://models/other.tar.gz"
YES = (*POLL, "--yes")
HEAD = [
    "variant",
    "share",
    "requests",
    "4xx",
    "5xx",
    *("mean", "ms", "p90", "ms", "p99", "ms", "rows"),
]
CSV = "text/csv; charset=utf-8"


def capture(account, variant, *lines, time=None):
    """A file of captured data of the endpoint churn."""
    s3 = account.client("s3")
    key = f"mlserver-forest/captured/churn/{capture_key('churn', variant, time)}"
    s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines).encode())
    s3.close()


def invoke(account, row, *words):
    path = account.tmp_path / "row.csv"
    path.write_text(row)
    done = account.forest("invoke", "churn", path, *words)
    assert done.code == 0, done.err
    return done.out


def test_variants_are_compared_by_metrics_and_answers(account, iris_server):
    """Every tenth request goes to the new variant, which answers otherwise."""
    account.stand_in.serve = iris_server.url
    account.stand_in.answers["new"] = lambda answer: answer.replace(b"virginica", b"versicolor")
    assert account.forest("deploy", MODEL, *AS_ROLE, "--name", "churn", "--capture").code == 0
    done = account.forest("compare", "churn")
    assert "has one variant, AllTraffic; forest deploy MODEL --name churn" in done.err
    done = account.forest("deploy", OTHER, "--name", "churn", "--variant", "new=50%", *YES)
    assert done.code == 0, done.err
    answers = [invoke(account, "5.9,3.0,5.1,1.8\n", "--accept", "text/csv") for _ in range(6)]
    assert sorted(answers) == ["versicolor\n"] * 3 + ["virginica\n"] * 3
    binary = ("--accept", "application/x-npy", "--variant", "new", "--out", account.tmp_path / "x")
    invoke(account, "5.9,3.0,5.1,1.8\n", *binary)
    done = account.forest("compare", "churn")
    assert done.code == 0, done.err
    assert done.err == "", done.err
    table = [line.split() for line in done.out.splitlines()[2:5]]
    assert table[0] == HEAD
    assert (table[1][:5], table[1][-1]) == (["AllTraffic", "50%", "3", "0", "0"], "3")
    assert (table[2][:5], table[2][-1]) == (["new", "50%", "4", "0", "0"], "3")
    assert "answers to rows of their own, 3 and 3 (few: much may be chance):" in done.out
    assert "3 rows answered" not in done.out
    assert (
        "1 row answered by both, joined by the same request body: 1 different, 100.00%" in done.out
    )
    assert "new: 1 answer left out:" in done.out
    assert "application/x-npy cannot be compared; expected one of text/csv" in done.out
    found = account.forest("compare", "churn", "--json").json
    assert [one["Invocations"] for one in found["Variants"]] == [3, 4]
    assert found["Variants"][0]["ModelLatencyMeanMs"] > 0
    (pair,) = found["Comparisons"]
    assert pair["Answers"]["Labels"]["virginica"]["Shares"] == [1, 0]
    assert pair["Joined"]["Examples"] == [["virginica", "versicolor"]]


def test_numbers_are_compared_by_means_and_old_data_are_left_out(account):
    """Only what was captured in the time counts; what may not be read is said."""
    assert account.forest("deploy", MODEL, *AS_ROLE, "--name", "churn").code == 0
    words = ("deploy", OTHER, "--name", "churn", "--variant", "new=10%")
    done = account.forest(*words, *YES)
    assert "churn captures nothing, so forest compare will know no answers" in done.err
    note = account.forest("compare", "churn").out.splitlines()[-1]
    (advised,) = re.findall(r"forest (deploy .*--capture)", note)
    done = account.forest(*advised.split(), "--capture-percent", "20", *YES)
    assert done.code == 0, done.err
    now = datetime.now(UTC)
    for variant, shift in (("AllTraffic", 0), ("new", 5)):
        lines = [
            record((CSV, b"1\n"), (CSV, f"{number % 7 + shift + 0.5}\n".encode()), time=now)
            for number in range(40)
        ]
        capture(account, variant, *lines)
        old = now - timedelta(days=2)
        capture(account, variant, record(None, (CSV, b"1000.5\n"), time=old), time=old)
    found = account.forest("compare", "churn", "--since", "3h", "--json").json
    answers = found["Comparisons"][0]["Answers"]
    assert (answers["Rows"], answers["Difference"]["Value"]) == ([40, 40], 5)
    assert answers["Difference"]["IsCertain"] is True
    assert "20% of the requests are captured" in found["Notes"]
    done = account.forest("compare", "churn", "--since", "3d")
    assert "new: 1 answer left out as older than its model (" in done.out
    then = (now - timedelta(days=4)).timestamp()
    account.stand_in.members["DescribeModel"]["CreationTime"] = then
    done = account.forest("compare", "churn", "--since", "3d")
    assert "and 1" not in done.out
    assert "difference +" in done.out
    assert ", not certain" in done.out
    denied = {"status": 403, "code": "AccessDenied", "message": "not authorized"}
    account.stand_in.fail("list-type", **denied)
    account.stand_in.fail("GetMetricData", **denied)
    done = account.forest("compare", "churn")
    assert done.code == 0, done.err
    assert "the answers of churn: not known" in done.err
    assert "the latency and errors of churn: not known" in done.err
    assert "answers: not compared" in done.out
    for words, said in (
        (("compare", "no"), "there is no endpoint no"),
        (("compare", "churn", "--since", "1w"), "expected minutes, hours or days such as 30m"),
    ):
        assert said in account.forest(*words).err


def test_a_shadow_variant_is_compared_row_by_row(account, iris_server):
    """Copies of a request are joined by the id of the event, and by the caller's id if given."""
    account.stand_in.serve = iris_server.url
    account.stand_in.answers["shadow"] = lambda answer: answer.replace(b"setosa", b"virginica")
    words = ("deploy", MODEL, *AS_ROLE, "--name", "churn", "--capture")
    assert account.forest(*words).code == 0
    assert account.forest("deploy", OTHER, "--name", "churn", *YES, "--shadow").code == 0
    rows = "5.9,3.0,5.1,1.8\n5.1,3.5,1.4,0.2\n"
    for accept in ("text/csv", "application/json", "application/jsonlines"):
        assert "setosa" in invoke(account, rows, "--accept", accept)
    done = account.forest("compare", "churn")
    assert done.code == 0, done.err
    assert "6 rows answered by both, joined by event id: 3 different, 50.00%" in done.out
    assert "shadow (shadow)   100%         3" in done.out
    for number in range(2):
        invoke(account, rows, "--accept", "text/csv", "--inference-id", f"id-{number}")
    joined = account.forest("compare", "churn", "--json").json["Comparisons"][0]["Joined"]
    assert (joined["By"], joined["Rows"], joined["Different"]) == ("inference id", 4, 2)
