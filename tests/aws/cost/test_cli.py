"""forest cost: figures of what runs, and of what would cost less."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from aws.account import AS_ROLE, FIT, MODEL
from mlserver_forest.aws.cost.choices import GRAVITON


def calls(account, endpoint, counts, seconds, variant="AllTraffic"):
    """Calls in the last hours, a count for each, as CloudWatch keeps them."""
    cloudwatch = account.client("cloudwatch")
    dimensions = [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": variant},
    ]
    now = datetime.now(UTC)
    for hours, count in enumerate(counts):
        shared = {"Dimensions": dimensions, "Timestamp": now - timedelta(hours=hours)}
        data = [
            {**shared, "MetricName": "Invocations", "Value": count},
            {**shared, "MetricName": "ModelLatency", "Value": seconds * 1e6},
        ]
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=data)
    cloudwatch.close()


@pytest.fixture
def two(account):
    """Two endpoints on m5.large: a with two instances and calls, b with one and none."""
    for name, count in {"a": "2", "b": "1"}.items():
        made = account.forest("deploy", MODEL, *AS_ROLE, "--name", name, "--instance-count", count)
        assert made.code == 0, made.err
    calls(account, "a", [36_000, 3_600], 0.05)
    return account


def test_instances_calls_and_what_would_cost_less(two):
    done = two.forest("cost", "--json", "--since", "24h", "--measured", "10", "--rows", "2")
    assert done.code == 0, done.err
    document = done.json
    a, b = sorted(document["found"], key=lambda one: one["name"])
    assert a["instances"] == [{"variant": "AllTraffic", "type": "ml.m5.large", "count": 2}]
    assert (a["per_hour"], a["per_month"]) == (0.23, pytest.approx(167.9))
    assert a["calls_per_hour"] == 1650
    assert a["per_1000_predictions"] == pytest.approx(0.23 / 3300 * 1000)
    assert (b["calls_per_hour"], b["per_1000_predictions"]) == (0, None)
    assert document["per_hour"] == pytest.approx(0.345)
    found = {one["choice"].split(",")[0]: one for one in a["choices"]}
    # 36,000 calls need two instances at half of ten a second; all other hours one.
    assert found["autoscaling"]["per_hour"] == pytest.approx(0.115 * 25 / 24)
    assert found["asynchronous"]["per_hour"] == pytest.approx(0.23 * 2 / 24)
    assert found["Graviton"]["per_hour"] is None
    assert found["Graviton"]["unknown"] == "give --price ml.m6g.large=PRICE"
    assert "as much as now at 0.00279 a second" in found["serverless"]["unknown"]
    (shared,) = document["together"]
    assert (shared["choice"], shared["per_hour"]) == ("one multi-model endpoint for b, a", 0.23)
    assert all(one["assumption"] for one in (*a["choices"], shared))


def test_prices_and_a_rate_can_be_given(two):
    price = ("--price", "ml.m6g.large=0.1", "--price", "serverless-2048=0.00004")
    done = two.forest("cost", "b", "--rate", "0.5", "--seconds", "0.1", *price)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "endpoint b: 1 x ml.m5.large: 0.115 USD per hour, 83.95 per month",
        "  1,800 calls per hour: 0.0639 USD per 1,000 predictions",
        (
            "  Graviton, 1 x ml.m6g.large: 0.1 USD per hour (forest push --instance-type "
            "ml.m6g.large; forest deploy ... --name b --instance-type ml.m6g.large), if it answers "
            "as many calls as ml.m5.large, and the image is one for arm64"
        ),
        (
            "  serverless, 2048 MB: 0.0072 USD per hour (forest deploy ... --name NEW --serverless "
            "--memory-mb 2048), if a call takes 0.1 s there, too, the first ones after a pause may "
            "take seconds, and what data in and out cost is little"
        ),
        "in all: 0.115 USD per hour",
        "List prices in us-east-1, 2025-10; --price gives others.",
        "Not counted: data in S3, images in ECR, logs, volumes, data in and out, processing jobs.",
    ]


def test_what_is_unknown_stays_unknown(two):
    """A type without a price, and calls that may not be looked up."""
    assert two.forest(
        "deploy", MODEL, *AS_ROLE, "--name", "b", "--yes", "--instance-type", "ml.r5.large"
    ).code == 0  # fmt: skip
    denied = {"status": 403, "code": "AccessDenied", "message": "no"}
    two.stand_in.fail("GetMetricStatistics|^POST /$", 99, **denied)
    done = two.forest("cost", "b")
    assert done.code == 0, done.err
    assert "b: 1 x ml.r5.large: cost per hour unknown" in done.out
    assert "in all: 0 USD per hour, and 1 of unknown cost" in done.out
    assert "the number of calls of b is unknown: cloudwatch GetMetricStatistics" in done.err


def test_copies_for_a_shadow_variant_are_no_predictions(account):
    assert account.forest("deploy", MODEL, *AS_ROLE, "--name", "a").code == 0
    shadow = ("deploy", MODEL, "--name", "a", "--shadow", *AS_ROLE, "--yes")
    assert account.forest(*shadow).code == 0
    for variant in ("AllTraffic", "shadow"):
        calls(account, "a", [240], 0.05, variant)
    (found,) = account.forest("cost", "a", "--json", "--since", "24h").json["found"]
    assert [one["variant"] for one in found["instances"]] == ["AllTraffic", "shadow"]
    assert found["calls_per_hour"] == 10
    assert found["per_1000_predictions"] == pytest.approx(23)


def test_the_types_that_are_proposed_are_those_of_endpoints():
    shape = boto3.client("sagemaker", region_name="eu-west-1").meta.service_model
    known = shape.shape_for("ProductionVariantInstanceType").enum
    assert {f"ml.{family}.large" for family in GRAVITON.values()} <= set(known)


def test_a_job_costs_while_it_runs(account):
    assert account.forest(*FIT, "--name", "job").code == 0
    account.stand_in.members["DescribeTrainingJob"] = {"TrainingJobStatus": "InProgress"}
    made = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job"
    item = {"TrainingJobName": "job", "TrainingJobArn": arn, "CreationTime": made}
    listed = {"TrainingJobSummaries": [{**item, "TrainingJobStatus": "InProgress"}]}
    account.stand_in.members["ListTrainingJobs"] = listed
    done = account.forest("cost", "job")
    line = "training job job: 1 x ml.m5.xlarge: 0.23 USD per hour"
    assert done.out.splitlines()[0] == line, done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--since", "9w"),
            "--since '9w': expected minutes, hours or days such as 30m, 6h or 1d, at most 60d",
        ),
        (("--price", "a=b"), "--price a=b: expected a price"),
        (("--price", "a=nan"), "--price a=nan: expected a price"),
        (("--seconds", "1"), "--seconds requires --rate"),
        (("none",), "nothing called none runs in eu-west-1"),
    ],
)
def test_what_makes_no_sense_is_refused(account, words, said):
    done = account.forest("cost", *words)
    assert (done.code, said in done.err) == (1, True), done.err


@pytest.mark.parametrize("words", [("--rate", "nan"), ("--memory-mb", "-1"), ("--rows", "inf")])
def test_numbers_that_no_cost_follows_from_are_refused(account, words):
    done = account.forest("cost", *words)
    assert (done.code, words[0] in done.err) == (2, True), done.err
