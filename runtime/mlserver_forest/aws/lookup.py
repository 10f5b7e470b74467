"""What only AWS can tell: the account, a role's ARN, the image that was pushed last."""

import re
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.place import Place, split_uri
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

_ECR = re.compile(
    r"(?P<registry>(?P<account>[0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def find_place(aws: Aws, bucket: str) -> Place:
    """The named bucket and prefix, or SageMaker's default bucket of the account."""
    if bucket:
        return place_in(aws.region, bucket)
    account = aws.call("sts", "GetCallerIdentity", {})["Account"]
    return default_place(aws.region, account)


def place_in(region: str, bucket: str) -> Place:
    """s3://BUCKET/PREFIX or BUCKET."""
    name, prefix = split_uri(bucket if "://" in bucket else f"s3://{bucket}")
    return Place(region, name, is_own_bucket=False, prefix=prefix.strip("/") or "mlserver-forest")


def default_place(region: str, account: str) -> Place:
    """The name that SageMaker's SDK uses, and that its managed policies allow."""
    return Place(region, f"sagemaker-{region}-{account}", account=account)


def find_role(aws: Aws, role: str) -> str:
    """ARN of a role that is given by ARN or by name."""
    if role.startswith("arn:"):
        return role
    return str(aws.call("iam", "GetRole", {"RoleName": role})["Role"]["Arn"])


def find_image(aws: Aws, image: str, repository: str) -> str:
    """The image by digest, so that what runs does not change when a tag does.

    Args:
        aws: the account.
        image: its URI, or empty for the one that was pushed last.
        repository: where it was pushed to.

    Raises:
        DeploymentError: if there is none.
    """
    if not image:
        return _newest(aws, repository)
    found = _ECR.fullmatch(image)
    if not found or found["digest"]:
        return image
    request = {
        "registryId": found["account"],
        "repositoryName": found["name"],
        "imageIds": [{"imageTag": found["tag"] or "latest"}],
    }
    (detail,) = aws.call("ecr", "DescribeImages", request)["imageDetails"]
    return f"{found['registry']}/{found['name']}@{detail['imageDigest']}"


def _newest(aws: Aws, repository: str) -> str:
    call = Call("ecr", "DescribeRepositories", {"repositoryNames": [repository]})
    described = aws.find(call)
    images = _tagged(aws, repository) if described else []
    if not described or not images:
        raise DeploymentError(
            f"no image was pushed to ECR repository {repository!r} in {aws.region}; "
            "run forest push, or give --image URI"
        )
    newest = max(images, key=lambda one: one["imagePushedAt"])
    uri = described["repositories"][0]["repositoryUri"]
    return f"{uri}@{newest['imageDigest']}"


def _tagged(aws: Aws, repository: str) -> list[dict[str, Any]]:
    request = {"repositoryName": repository, "filter": {"tagStatus": "TAGGED"}}
    return list(aws.pages(Call("ecr", "DescribeImages", request), "imageDetails"))
