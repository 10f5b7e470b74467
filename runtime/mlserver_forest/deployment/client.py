"""The only importer of boto3.

``python -m mlserver_forest.deployment.client NAME`` makes sure that the ECR repository
NAME exists and prints its URI, a user and a password for ``docker login``, a line each.
"""

import base64
import sys
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from mlserver_forest.errors import InvalidEnvironment


@dataclass(frozen=True)
class Repository:
    """An ECR repository and the right to push to it for some hours."""

    uri: str
    user: str
    password: str


def ensure_repository(ecr: Any, name: str) -> Repository:
    """Find the repository or create it, scanned on push.

    Args:
        ecr: boto3's client of ECR.
        name: the repository's name.

    Raises:
        ClientError: what ECR refused.
    """
    try:
        (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    except ecr.exceptions.RepositoryNotFoundException:
        found = ecr.create_repository(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
        )["repository"]
    (authorization,) = ecr.get_authorization_token()["authorizationData"]
    token = base64.b64decode(authorization["authorizationToken"]).decode()
    user, _, password = token.partition(":")
    return Repository(found["repositoryUri"], user, password)


def main(name: str) -> None:
    """Print what ``docker login`` and ``docker push`` need.

    Raises:
        InvalidEnvironment: if AWS cannot be reached or refuses, with its reason.
    """
    try:
        repository = ensure_repository(boto3.client("ecr"), name)
    except (BotoCoreError, ClientError) as error:
        raise InvalidEnvironment(
            f"ECR repository {name!r}: {error}; check AWS credentials, region and permissions "
            "(ecr:DescribeRepositories, ecr:CreateRepository, ecr:GetAuthorizationToken)"
        ) from error
    sys.stdout.write(f"{repository.uri}\n{repository.user}\n{repository.password}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m mlserver_forest.deployment.client NAME")
    try:
        main(sys.argv[1])
    except InvalidEnvironment as error:
        sys.exit(f"build_and_push: {error}")
