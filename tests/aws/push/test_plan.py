"""forest push: options -> requests and Docker's commands."""

from aws.options import NOTHING, requests_of
from mlserver_forest.aws.push import plan as push
from mlserver_forest.aws.step import plan_as_json


def test_the_repository_is_scanned_and_its_tags_stay():
    plan = push.plan(push.Push("forest", build_arguments=("BASE_IMAGE=b",)), NOTHING)
    requests = requests_of(plan)
    assert requests["CreateRepository"] == {
        "repositoryName": "forest",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "tags": [{"Key": "mlserver-forest:created-by", "Value": "mlserver-forest"}],
    }
    assert "GetAuthorizationToken" in requests
    commands = plan_as_json(plan)["commands"]
    assert commands[0] == [
        *("docker", "build", "--build-arg", "BASE_IMAGE=b"),
        *("--file", "container/Dockerfile", "--tag", "forest:forest-push", "."),
    ]
    assert ["docker", "tag", "forest:forest-push", "<repository>:<tag>"] in commands
