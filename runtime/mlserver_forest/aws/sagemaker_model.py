"""A model in SageMaker's sense: an image, an artifact, and the role that runs them."""

from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.data_identity import Say, identity_of_uri
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.model_group import package_look_up
from mlserver_forest.aws.naming import digest_of, name_from, tag_list
from mlserver_forest.aws.step import Answer, Call, Step, members


@dataclass(frozen=True)
class SageMakerModel:
    """A model that an endpoint or a transform job uses.

    Attributes:
        prefix: the beginning of its name.
        uri: the S3 URI of the artifact, or the ARN of a model package, which has its own image.
        infrastructure: the image, the role, the network and the tags.
        endpoint: the endpoint that it is created for and deleted with, or empty.
        modes: further members of the container.
        identity: a digest of what the artifact's bytes are now; empty if the URI has one.
    """

    prefix: str
    uri: str
    infrastructure: Infrastructure
    endpoint: str = ""
    modes: tuple[tuple[str, Any], ...] = ()
    identity: str = ""

    @property
    def name(self) -> str:
        """Its name, which ends in a digest of its content."""
        body = self.request()
        return name_from(self.prefix, digest_of([body, self.identity] if self.identity else body))

    @property
    def data(self) -> str:
        """The value of the tag that tells an artifact from another one at the same URI."""
        return digest_of(self.identity) if self.identity else ""

    def step(self, existing: Existing) -> Step:
        """The step that creates the model unless it exists."""
        ours = members(endpoint=self.endpoint, data=self.data)
        tags = tag_list(self.infrastructure.tags, **ours)
        request = {"ModelName": self.name, **self.request(), "Tags": tags}
        return existing.settle(
            Step(
                Call("sagemaker", "CreateModel", request),
                found_by=model_look_up(self.name),
                makes=f"model {self.name}",
                removed_by=f"forest delete {self.name} --kind model",
            )
        )

    def request(self) -> dict[str, Any]:
        """CreateModel's request without name and tags."""
        is_package = self.uri.startswith("arn:")
        container = members(
            Image="" if is_package else self.infrastructure.image,
            ModelDataUrl="" if is_package else self.uri,
            ModelPackageName=self.uri if is_package else "",
            Environment=dict(self.infrastructure.environment),
            **dict(self.modes),
        )
        return members(
            PrimaryContainer=container,
            ExecutionRoleArn=self.infrastructure.role,
            VpcConfig=self.infrastructure.vpc(),
            EnableNetworkIsolation=self.infrastructure.isolated or None,
        )


def model_look_up(name: str) -> Call:
    """The call that finds a model by its name."""
    return Call("sagemaker", "DescribeModel", {"ModelName": name})


def model_identity(existing: Existing, found: Answer, say: Say) -> str:
    """A digest of what a model in SageMaker is now: its containers, and their data in S3.

    Args:
        existing: the account.
        found: the model's description.
        say: prints a line if data cannot be looked up.
    """
    uris = data_of_model(found)
    created = found.get("CreationTime")
    data = [identity_of_uri(existing, uri, say) for uri in uris]
    return digest_of([created.timestamp() if created else None, uris, data])


def data_that_is_served(existing: Existing, found: Answer) -> list[str]:
    """The URIs of the data of a model in SageMaker, or of the model package that it is made of.

    Args:
        existing: the account.
        found: the model's description.

    Raises:
        DeploymentError: if the model package is gone.
    """
    package = (found.get("PrimaryContainer") or {}).get("ModelPackageName")
    if not package:
        return data_of_model(found)
    described = existing.need(package_look_up(str(package)))
    inference = {} if described is UNKNOWN else described.get("InferenceSpecification") or {}
    return data_of_model({"Containers": inference.get("Containers", [])})


def data_of_model(found: Answer) -> list[str]:
    """The URIs of the data of a model in SageMaker, of all its containers.

    Args:
        found: the model's description.
    """
    containers = [found.get("PrimaryContainer") or {}, *found.get("Containers", [])]
    sources = [one.get("ModelDataSource", {}).get("S3DataSource", {}) for one in containers]
    uris = [
        # Data that are not compressed are a prefix.
        one.get("ModelDataUrl") or source.get("S3Uri")
        for one, source in zip(containers, sources, strict=True)
    ]
    return [str(uri) for uri in uris if uri]
