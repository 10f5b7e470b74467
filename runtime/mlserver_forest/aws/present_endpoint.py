"""What an existing endpoint is like: its configuration, tags and autoscaling, a variant's model.

An update starts from this, so that it changes only what is asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.endpoint import (
    check_alive,
    configuration_look_up,
    pending_configuration,
    variant_names,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.naming import DATA, user_tags
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, find_scaling
from mlserver_forest.aws.step import Answer, Request
from mlserver_forest.aws.traffic_shares import (
    all_variants,
    describe_traffic,
    shares_of,
    variant_named,
)
from mlserver_forest.errors import DeploymentError

# The members of descriptions that CreateEndpointConfig and CreateModel take, too.
CONFIGURATION_MEMBERS = (
    *("ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig", "KmsKeyId"),
    *("AsyncInferenceConfig", "ExplainerConfig", "ExecutionRoleArn", "VpcConfig"),
    *("EnableNetworkIsolation", "MetricsConfig"),
)
MODEL_MEMBERS = ("PrimaryContainer", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")


@dataclass(frozen=True)
class PresentEndpoint:
    """An endpoint, and the variant from which an update starts.

    Attributes:
        found: its description.
        name: the name of its configuration, or of the one that an update is bringing.
        configuration: the configuration as CreateEndpointConfig takes it, without name and tags.
        variant_name: the variant that the update is about, which may be new.
        start_name: the variant from which it starts: the same one or, for a new one, the production
            variant with the most traffic.
        model_name: the name of that variant's model.
        model: the model as CreateModel takes it, without name and tags.
        data: what the artifact was when the model was created (``SageMakerModel.data``).
        tags: the endpoint's tags.
        scaling: the autoscaling of all variants.
    """

    found: Answer
    name: str
    configuration: Request
    variant_name: str
    start_name: str
    model_name: str
    model: Request
    data: str
    tags: Mapping[str, str]
    scaling: Scaling

    @property
    def variant(self) -> dict[str, Any]:
        """The variant from which an update starts."""
        return variant_named(self.configuration, self.start_name)

    @property
    def is_new(self) -> bool:
        """Whether the endpoint does not have the variant yet."""
        return self.variant_name != self.start_name

    @property
    def shares(self) -> dict[str, float]:
        """The percentage of the traffic that each production variant takes now, by name."""
        return shares_of(self.configuration, self.found)

    @property
    def own_scaling(self) -> Scaling:
        """The autoscaling of the variant that the update is about."""
        return self.scaling.of_variants({self.variant_name})

    def instance_count(self, variant: Mapping[str, Any]) -> int:
        """The number of instances that one of the endpoint's variants has now."""
        name = variant["VariantName"]
        now = {one["VariantName"]: one for one in all_variants(self.found)}.get(name, {})
        return int(now.get("DesiredInstanceCount") or variant.get("InitialInstanceCount", 1))

    @property
    def container(self) -> dict[str, Any]:
        """The only container of the model."""
        return dict(self.model["PrimaryContainer"])

    @property
    def user_tags(self) -> tuple[tuple[str, str], ...]:
        """The endpoint's tags without this tool's own."""
        return user_tags(self.tags)

    @property
    def in_effect(self) -> frozenset[str]:
        """The options of ``forest deploy`` whose effect the endpoint has."""
        capture = self.configuration.get("DataCaptureConfig", {})
        effects = {
            "--serverless": "ServerlessConfig" in self.variant,
            "--async": "AsyncInferenceConfig" in self.configuration,
            "--multi-model": self.container.get("Mode") == "MultiModel",
            "--capture": bool(capture.get("EnableCapture")),
            "--autoscale": bool(self.own_scaling.targets),
        }
        return frozenset(option for option, has_it in effects.items() if has_it)


def find_present(
    existing: Existing, endpoint: str, variant: str = ""
) -> PresentEndpoint | Unknown | None:
    """Find an endpoint that an update can start from.

    Args:
        existing: the account.
        endpoint: its name.
        variant: the variant that the update is about, which may be new; empty for the only one.

    Returns:
        What it is like, UNKNOWN, or None if there is no such endpoint.

    Raises:
        DeploymentError: if it cannot be updated, or is of a form that this tool does not update.
    """
    found = existing.find(ENDPOINT.look_up(endpoint))
    if found is None or found is UNKNOWN:
        return found
    check_alive(found)
    name = pending_configuration(found) or str(found["EndpointConfigName"])
    configuration = existing.find(configuration_look_up(name))
    if configuration is UNKNOWN:
        return UNKNOWN
    if configuration is None:
        raise _gone(endpoint, f"configuration {name}")
    start = _start(endpoint, configuration, found, variant)
    model_name = str(variant_named(configuration, start)["ModelName"])
    model = existing.find(model_look_up(model_name))
    if model is UNKNOWN:
        return UNKNOWN
    if model is None:
        raise _gone(endpoint, f"model {model_name}")
    tags = tags_of(existing, found[ENDPOINT.arn])
    return PresentEndpoint(
        found=found,
        name=name,
        configuration=only(configuration, CONFIGURATION_MEMBERS),
        variant_name=variant or start,
        start_name=start,
        model_name=model_name,
        model=_one_container(endpoint, model),
        data=tags_of(existing, model["ModelArn"]).get(DATA, ""),
        tags=tags,
        scaling=find_scaling(existing, endpoint, variant_names(found, configuration)),
    )


def _gone(endpoint: str, what: str) -> DeploymentError:
    return DeploymentError(
        f"{what} of endpoint {endpoint} was deleted, so what the endpoint is like cannot be kept; "
        f"deploy under another --name, or forest delete {endpoint} first"
    )


def _start(endpoint: str, configuration: Answer, found: Answer, variant: str) -> str:
    """The name of the variant from which an update starts."""
    names = [str(one["VariantName"]) for one in all_variants(configuration)]
    shares = shares_of(configuration, found)
    if not variant and len(shares) > 1:
        raise DeploymentError(
            f"endpoint {endpoint} has {len(shares)} variants "
            f"({describe_traffic(configuration, found)}); --variant NAME says which one is meant, "
            f"and forest promote {endpoint} NAME makes one the only one"
        )
    start = variant if variant in names else max(shares, key=shares.__getitem__)
    if not variant_named(configuration, start).get("ModelName"):
        raise DeploymentError(
            f"endpoint {endpoint} runs inference components, which forest deploy does not update; "
            "use UpdateInferenceComponent, or deploy under another --name"
        )
    return start


def _one_container(endpoint: str, model: Answer) -> dict[str, Any]:
    members = only(model, MODEL_MEMBERS)
    containers = model.get("Containers") or []
    if not members.get("PrimaryContainer"):
        if len(containers) != 1:
            raise DeploymentError(
                f"endpoint {endpoint} is an inference pipeline of {len(containers)} containers, "
                "which forest deploy does not update; deploy under another --name"
            )
        members["PrimaryContainer"] = containers[0]
    return members


def only(answer: Answer, names: Iterable[str]) -> dict[str, Any]:
    """The members of these names that say something."""
    return {name: answer[name] for name in names if answer.get(name) not in (None, "", [], {})}
