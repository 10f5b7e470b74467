"""forest push: options -> requests and Docker's commands."""

from datetime import UTC, datetime

import pytest

from aws.options import NOTHING, requests_of
from mlserver_forest.aws.image_repository import (
    check_repository,
    last_pushed,
    push_time,
    pushed_tag,
)
from mlserver_forest.aws.platforms import platforms_of
from mlserver_forest.aws.push import plan as push
from mlserver_forest.aws.step import plan_as_json
from mlserver_forest.errors import DeploymentError


def plan_of(wanted):
    return (*push.prepare(wanted, NOTHING), *push.pushing(wanted))


def test_the_repository_is_scanned_and_its_tags_stay_but_latest():
    """AmazonSageMakerFullAccess lets nobody tag a repository, so the tool does not ask to."""
    plan = plan_of(push.Push("forest", build_arguments=("BASE_IMAGE=b",)))
    requests = requests_of(plan)
    assert next(iter(requests)) == "GetAuthorizationToken"
    assert requests["CreateRepository"] == {
        "repositoryName": "forest",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest"}],
        "imageScanningConfiguration": {"scanOnPush": True},
    }
    commands = plan_as_json(plan)["commands"]
    assert commands[0] == [
        *("docker", "build", "--platform", "linux/amd64", "--build-arg", "BASE_IMAGE=b"),
        *("--file", "container/Dockerfile", "--tag", "forest:forest-push", "."),
    ]
    assert ["docker", "tag", "forest:forest-push", "<repository>:<tag>"] in commands


def test_buildkit_adds_no_provenance_and_builds_several_platforms():
    """SageMaker takes no image index in place of an image."""
    one = push.Push("forest", has_buildx=True, target="serve", platforms=("linux/arm64",))
    assert push.build_command(one) == (
        *("docker", "buildx", "build", "--platform", "linux/arm64", "--provenance=false"),
        *("--load", "--target", "serve", "--file", "container/Dockerfile"),
        *("--tag", "forest:forest-push", "."),
    )
    both = push.Push(
        "forest", tag="1.0", moves_latest=True, pushed_tag="pushed-1", has_buildx=True,
        platforms=("linux/amd64", "linux/arm64"),
    )  # fmt: skip
    build = next(one for one in plan_as_json(plan_of(both))["commands"] if "buildx" in one)
    assert build == [
        *("docker", "--config", "<temporary>", "buildx", "build"),
        *("--platform", "linux/amd64,linux/arm64", "--provenance=false", "--push"),
        *("--file", "container/Dockerfile", "--tag", "<repository>:1.0"),
        *("--tag", "<repository>:latest", "--tag", "<repository>:pushed-1", "."),
    ]


def test_the_last_push_counts_not_the_first():
    """ECR's imagePushedAt does not change when an image is pushed again."""
    at = lambda hour: datetime(2026, 5, 1, hour, tzinfo=UTC)  # noqa: E731
    tag = lambda hour, *platforms: pushed_tag(platforms, push_time(at(hour)))  # noqa: E731
    a = {"imageDigest": "a", "imageTags": ["x", tag(1)], "imagePushedAt": at(1)}
    b = {
        "imageDigest": "b",
        "imageTags": [tag(2, "linux/arm64"), "pushed-by-me"],
        "imagePushedAt": at(2),
    }
    assert tag(2, "linux/arm64") == "pushed-arm64-20260501T020000.000000Z"
    assert last_pushed([a, b])["imageDigest"] == "b"
    assert last_pushed([a, b], "linux/amd64")["imageDigest"] == "a"
    assert last_pushed([b], "linux/amd64") is None
    a["imageTags"].append(tag(3, "linux/amd64", "linux/arm64"))
    assert last_pushed([a, b], "linux/arm64")["imageDigest"] == "a"
    by_others = {"imageDigest": "c", "imagePushedAt": at(4), "imageTags": ["pushed-by-us-1T1Z"]}
    assert last_pushed([a, by_others, b])["imageDigest"] == "c"


@pytest.mark.parametrize("name", ["My_Repo", "a", "a//b", "-a", "a__b" * 80, "team/", "é"])
def test_names_that_ecr_does_not_take_are_refused_with_the_rule(name):
    with pytest.raises(DeploymentError, match="2 to 256 lower-case letters and digits") as error:
        check_repository(name)
    check_repository(str(error.value).rpartition("such as ")[2])


@pytest.mark.parametrize(
    ("platform", "instance_type", "expected"),
    [
        ("", "", ("linux/amd64",)),
        ("", "ml.m5.large", ("linux/amd64",)),
        ("", "ml.g5.xlarge", ("linux/amd64",)),
        ("", "ml.c7g.large", ("linux/arm64",)),
        ("", "ml.m6gd.large", ("linux/arm64",)),
        ("linux/amd64, linux/arm64", "ml.c6g.large", ("linux/amd64", "linux/arm64")),
        ("linux/amd64", "ml.c7g.large", "runs linux/arm64, not linux/amd64"),
        ("linux/arm64", "ml.m5.large", "runs linux/amd64, not linux/arm64"),
        ("windows/amd64", "", "expected linux/amd64, linux/arm64 or both"),
        ("", "m5.large", "expected one of SageMaker's, such as ml.m5.large"),
    ],
)
def test_the_platform_is_that_of_the_instances(platform, instance_type, expected):
    if isinstance(expected, tuple):
        assert platforms_of(platform, instance_type) == expected
    else:
        with pytest.raises(DeploymentError, match=expected):
            platforms_of(platform, instance_type)
