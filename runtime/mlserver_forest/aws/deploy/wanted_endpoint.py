"""The endpoint that ``forest deploy`` is asked for: what it has, and what the options change."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import (
    NEW_SERVERLESS,
    NEW_VARIANT,
    Async,
    Capture,
    Serverless,
    Traffic,
    Variant,
    new_capture,
    overlay,
    without_nothing,
)
from mlserver_forest.aws.deploy.wanted_variants import wanted_variants
from mlserver_forest.aws.endpoint import VARIANT, Change
from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.naming import digest_of, name_from
from mlserver_forest.aws.present_endpoint import PresentEndpoint
from mlserver_forest.aws.sagemaker_model import SageMakerModel
from mlserver_forest.aws.scaling import Autoscaling
from mlserver_forest.aws.step import members
from mlserver_forest.aws.storage import Storage
from mlserver_forest.aws.traffic_shares import VariantOption, variant_named
from mlserver_forest.errors import DeploymentError

# Members of a container that this tool sets itself; an update keeps all others.
_OWN = frozenset(
    {
        *("Image", "ModelDataUrl", "ModelDataSource", "ModelPackageName", "Environment"),
        *("Mode", "MultiModelConfig"),
    }
)


@dataclass(frozen=True)
class Deploy:
    """The options of ``forest deploy``, and what the endpoint is like.

    Attributes:
        endpoint: its name.
        variant: the instances; not used if ``serverless`` is given.
        target: the variant that is meant, or None for the only one.
        keeps_model: whether the variant keeps its model, because none was given.
        serverless, asynchronous, capture, traffic: what is asked for, or None.
        multi_model: whether the artifact is a prefix of many models.
        cache_models: whether models stay in memory between calls (multi-model), or None.
        autoscaling: the autoscaling that is asked for, or None.
        captures, scales: False to end the capture or the autoscaling of an existing endpoint.
        present: the endpoint, if it exists; an update keeps what is not asked for.
        is_reset: whether the update starts from the defaults instead.
        new_tags: those of the user's tags that an existing endpoint gets.
    """

    storage: Storage
    infrastructure: Infrastructure
    endpoint: str
    artifact: ModelData
    variant: Variant = field(default_factory=Variant)
    target: VariantOption | None = None
    keeps_model: bool = False
    serverless: Serverless | None = None
    asynchronous: Async | None = None
    capture: Capture | None = None
    traffic: Traffic | None = None
    multi_model: bool = False
    cache_models: bool | None = None
    autoscaling: Autoscaling | None = None
    captures: bool = True
    scales: bool = True
    present: PresentEndpoint | Unknown | None = None
    is_reset: bool = False
    new_tags: tuple[tuple[str, str], ...] = ()

    @property
    def there(self) -> PresentEndpoint | None:
        """The endpoint, if it exists and is known."""
        return None if self.present is UNKNOWN else self.present

    @property
    def kept(self) -> PresentEndpoint | None:
        """The endpoint from which an update starts."""
        return None if self.is_reset else self.there

    @property
    def variant_name(self) -> str:
        """The name of the variant that is meant."""
        if self.target:
            return self.target.name
        return self.there.variant_name if self.there else VARIANT

    @cached_property
    def model(self) -> SageMakerModel:
        """The model that the endpoint serves."""
        artifact, modes = self.artifact, tuple(_container_members(self).items())
        return SageMakerModel(
            self.endpoint,
            artifact.uri,
            self.infrastructure,
            self.endpoint,
            modes,
            artifact.identity,
        )

    @property
    def has_same_model(self) -> bool:
        """Whether the endpoint has this model already."""
        there = self.there
        return self.keeps_model or (
            there is not None
            and there.data == self.model.data
            and without_nothing(there.model) == without_nothing(self.model.request())
        )

    @property
    def model_name(self) -> str:
        """The name of the model."""
        if self.keeps_model and not self.there:
            return "<its model>"
        return self.there.model_name if self.there and self.has_same_model else self.model.name

    @cached_property
    def request(self) -> dict[str, Any]:
        """CreateEndpointConfig's request without name and tags."""
        return _configuration(self)

    @property
    def is_unchanged(self) -> bool:
        """Whether the endpoint has this configuration already."""
        there = self.there
        return there is not None and (
            without_nothing(there.configuration) == without_nothing(self.request)
        )

    @property
    def configuration(self) -> str:
        """The name of the endpoint's configuration, which ends in its digest."""
        if self.there and self.is_unchanged:
            return self.there.name
        return name_from(self.endpoint, digest_of(self.request))

    @property
    def instances(self) -> tuple[str, int]:
        """The type and the number of instances; the type of a serverless endpoint is empty."""
        variant = variant_named(self.request, self.variant_name)
        return variant.get("InstanceType", ""), variant.get("InitialInstanceCount", 0)

    @property
    def change(self) -> Change:
        """The variants before and after; before is empty if it is not known."""
        return Change(self.there.configuration if self.there else {}, self.request)

    @property
    def is_async(self) -> bool:
        """Whether calls are answered through S3."""
        return "AsyncInferenceConfig" in self.request


def _container_members(deploy: Deploy) -> dict[str, Any]:
    """The members of the container besides image, artifact and environment."""
    container = deploy.kept.container if deploy.kept else {}
    others = {name: value for name, value in container.items() if name not in _OWN}
    if not deploy.multi_model:
        return others
    settings = container.get("MultiModelConfig") or {"ModelCacheSetting": "Enabled"}
    if deploy.cache_models is not None:
        settings = {"ModelCacheSetting": "Enabled" if deploy.cache_models else "Disabled"}
    return {**others, "Mode": "MultiModel", "MultiModelConfig": settings}


def _configuration(deploy: Deploy) -> dict[str, Any]:
    base = deploy.kept.configuration if deploy.kept else {}
    # Only a key that is asked for, or that a new part needs, is written into a part.
    key = deploy.infrastructure.kms_key
    new_key = key if key != base.get("KmsKeyId", "") else ""
    variant = _variant(deploy)
    return members(
        **{
            **base,
            **wanted_variants(variant, base, deploy.kept, deploy.target),
            "DataCaptureConfig": _capture(deploy, base.get("DataCaptureConfig"), key, new_key),
            "AsyncInferenceConfig": _async(deploy, base.get("AsyncInferenceConfig"), key, new_key),
            # The key encrypts the disks of instances; serverless endpoints do not accept one.
            "KmsKeyId": "" if "ServerlessConfig" in variant else key,
        }
    )


def _variant(deploy: Deploy) -> dict[str, Any]:
    """The variant that is meant; that of an existing endpoint keeps its name."""
    base: dict[str, Any] = {"InitialVariantWeight": 1.0}
    if deploy.kept:
        base = deploy.kept.variant
    asked = deploy.variant.request()
    kinds: dict[str, Any]
    if deploy.serverless is not None:
        kinds = {"ServerlessConfig": _serverless(deploy.serverless, base.get("ServerlessConfig"))}
    elif "ServerlessConfig" in base and not deploy.variant.instance_type:
        kinds = {}
    else:
        base.pop("ServerlessConfig", None)
        least = deploy.autoscaling.least if deploy.autoscaling else 0
        count = max(least, NEW_VARIANT.instance_count or 1)
        new = replace(NEW_VARIANT, instance_count=count).request()
        kinds = {**new, **base, **asked} if "InstanceType" not in base else asked
    return {**base, **kinds, "VariantName": deploy.variant_name, "ModelName": deploy.model_name}


def _serverless(asked: Serverless, base: Any) -> dict[str, Any]:
    config = overlay(base or NEW_SERVERLESS.request(), asked.request())
    warm, most = config.get("ProvisionedConcurrency", 0), config["MaxConcurrency"]
    if warm > most:
        raise DeploymentError(
            f"--provisioned {warm} is more than the {most} concurrent calls; raise --concurrency"
        )
    return config


def _capture(
    deploy: Deploy, base: dict[str, Any] | None, key: str, new_key: str
) -> dict[str, Any] | None:
    if not deploy.captures:
        return None
    asked = deploy.capture
    if asked is None:
        return overlay(base, {"KmsKeyId": new_key}) if base and new_key else base
    if base:
        return overlay(base, asked.request(new_key))
    new = new_capture(deploy.storage.uri("captured", deploy.endpoint))
    return overlay(new, asked.request(key))


def _async(
    deploy: Deploy, base: dict[str, Any] | None, key: str, new_key: str
) -> dict[str, Any] | None:
    asked = deploy.asynchronous
    if asked is None:
        over = {"OutputConfig": {"KmsKeyId": new_key}}
        return overlay(base, over) if base and new_key else base
    if asked.output and not asked.failures:
        asked = replace(asked, failures=f"{asked.output.rstrip('/')}-failed")
    if base:
        return overlay(base, asked.request(new_key))
    output = deploy.storage.uri("answers", deploy.endpoint)
    new = Async(output, f"{output}-failed").request(key)
    return overlay(new, asked.request(key))
