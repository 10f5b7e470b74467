"""What runs on Graviton gets an image for it, and nothing gets an image that cannot start there."""

from datetime import UTC, datetime

from aws.account import AS_ROLE, IMAGE, MODEL
from mlserver_forest.aws.image_repository import push_time, pushed_tag

GRAVITON, INTEL = ("--instance-type", "ml.c7g.large"), ("--instance-type", "ml.m5.large")


def push(account, processor, hour):
    """Push an image at an hour of a day to come."""
    time = push_time(datetime(2100, 1, 1, hour, tzinfo=UTC))
    return account.push_image(pushed_tag([f"linux/{processor}"], time))


def tagged_as(platform):
    """The image that was pushed at one o'clock."""
    return f"{IMAGE}:{pushed_tag([platform], '21000101T010000.000000Z')}"


def image_of(done):
    """The image in the plan; moto's SageMaker knows no Graviton, so that nothing else is run."""
    assert done.code == 0, done.err
    (model,) = (one for one in done.json["calls"] if one["operation"] == "CreateModel")
    return model["request"]["PrimaryContainer"]["Image"]


def test_the_last_image_that_runs_on_the_instances_is_used(account):
    ours, gravitons = push(account, "amd64", 1), push(account, "arm64", 2)
    for words, digest in (
        (GRAVITON, gravitons),
        (INTEL, ours),
        ((), ours),
        (("--serverless",), ours),
    ):
        done = account.forest("deploy", MODEL, *AS_ROLE, *words, "--dry-run")
        assert image_of(done) == f"{IMAGE}@{digest}"


def test_an_image_for_other_processors_is_refused(account, tmp_path):
    gravitons = push(account, "arm64", 1)
    (tmp_path / "rows.csv").write_text("1,2\n")
    fit = ("fit", tmp_path / "rows.csv", *AS_ROLE)
    tagged = account.forest("deploy", MODEL, *AS_ROLE, *INTEL, "--image", tagged_as("linux/arm64"))
    assert tagged.code == 1
    assert "is not for linux/amd64, which ml.m5.large runs; run forest push" in tagged.err
    # SageMaker trains on no Graviton.
    assert account.forest(*fit, "--name", "j", "--no-wait").code == 0
    done = account.forest("deploy", "j", *AS_ROLE, *GRAVITON)
    assert done.code == 1
    assert "the training job's image is for linux/amd64, and ml.c7g.large runs" in done.err
    image = tagged_as("linux/arm64")
    done = account.forest("deploy", "j", *AS_ROLE, *GRAVITON, "--image", image, "--dry-run")
    assert image_of(done) == f"{IMAGE}@{gravitons}"
