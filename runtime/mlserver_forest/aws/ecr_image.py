"""The image in ECR that jobs and endpoints run, by its digest."""

import re
from dataclasses import dataclass

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.image_repository import (
    EARLIER_REPOSITORY,
    REPOSITORY,
    last_pushed,
    runs_on,
)
from mlserver_forest.aws.platforms import platform_of
from mlserver_forest.aws.step import Call
from mlserver_forest.errors import DeploymentError

_ECR = re.compile(
    r"(?P<registry>(?P<account>[0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def find_image(
    existing: Existing, region: str, image: str, repository: str, instance_type: str = ""
) -> str:
    """The URI with the digest, so that what runs does not change when a tag moves.

    Args:
        existing: the account.
        region: the region that is used.
        image: the URI of an image in ECR, or empty for the one that was pushed last.
        repository: where that one is looked for.
        instance_type: what it runs on, "serverless", or empty if that is not decided.

    Raises:
        DeploymentError: if there is no such image, or it is for other processors.
    """
    finder = _ImageFinder(existing, region, instance_type)
    return finder.given(image) if image else finder.last(repository)


@dataclass(frozen=True)
class _ImageFinder:
    """Finds an image in ECR that runs on the instances.

    Attributes:
        existing: the account.
        region: the region that is used.
        instance_type: see ``find_image``.
    """

    existing: Existing
    region: str
    instance_type: str

    def given(self, image: str) -> str:
        """The image of a URI."""
        found = _ECR.fullmatch(image)
        if not found or found["digest"]:
            return image
        request = {
            "registryId": found["account"],
            "repositoryName": found["name"],
            "imageIds": [{"imageTag": found["tag"] or "latest"}],
        }
        described = self.existing.find(
            Call("ecr", "DescribeImages", request),
            optional=f"the digest of {image}, which is used by its tag,",
        )
        if described is UNKNOWN:
            return image
        if described is None:
            raise DeploymentError(
                f"--image {image}: there is no such image in ECR; see forest push"
            )
        (detail,) = described["imageDetails"]
        if not runs_on(detail, self._platform):
            raise self._unfit(f"--image {image} is not")
        return f"{found['registry']}/{found['name']}@{detail['imageDigest']}"

    @property
    def _platform(self) -> str:
        return platform_of(self.instance_type) if self.instance_type else ""

    def _unfit(self, what: str) -> DeploymentError:
        platform = self._platform
        return DeploymentError(
            f"{what} for {platform}, which {self.instance_type} runs; run forest push --platform "
            f"{platform}, or choose instances that run what is there"
        )

    def last(self, repository: str) -> str:
        """The image that was pushed last, in the repository or in that of earlier versions."""
        instead = "give --image URI, which needs no permission if it ends in a digest"
        names = [repository, *([EARLIER_REPOSITORY] if repository == REPOSITORY else [])]
        for name in names:
            described = self.existing.find(
                Call("ecr", "DescribeRepositories", {"repositoryNames": [name]}), instead=instead
            )
            if described is UNKNOWN:
                registry = f"<account>.dkr.ecr.{self.region}.amazonaws.com"
                return f"{registry}/{name}@<digest of the last image>"
            request = {"repositoryName": name, "filter": {"tagStatus": "TAGGED"}}
            images = described and self.existing.items(
                Call("ecr", "DescribeImages", request, items="imageDetails"), instead=instead
            )
            if described and images:
                last = last_pushed(images, self._platform)
                if last is None:
                    raise self._unfit(f"no image in ECR repository {name} is")
                return f"{described['repositories'][0]['repositoryUri']}@{last['imageDigest']}"
        raise DeploymentError(
            f"no image was pushed to ECR repository {repository!r} in {self.region}; "
            "run forest push, or give --image URI"
        )
