"""``forest compare``: the calls that read metrics and captured data of an endpoint's variants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mlserver_forest.aws.captured_data import ReadCaptured
from mlserver_forest.aws.endpoint import configuration_look_up, no_endpoint
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.step import Answer, Plan, Step
from mlserver_forest.aws.storage import split_uri
from mlserver_forest.aws.time_span import parse_span
from mlserver_forest.aws.traffic_shares import SHADOW, all_variants, sampled_share, shares_of
from mlserver_forest.aws.variant_metrics import metrics_call
from mlserver_forest.errors import DeploymentError

# CloudWatch keeps values of a minute for 15 days, and those of an hour for 455 days.
_LONGEST = timedelta(days=455)


@dataclass(frozen=True)
class ComparedEndpoint:
    """An endpoint whose variants are compared.

    Attributes:
        name: its name.
        shares: by variant, the percentage of the requests that it gets.
        shadow: the name of its shadow variant, or empty.
        capture_uri: the S3 prefix of its captured data, or empty if it captures nothing.
        percent: the percentage of requests that are captured.
        start, end: the period, in UTC.
        models: by variant, the name of its model.
        made: by variant, the time at which its model was made, in UTC, if it is known; what was
            answered before was the answer of another model.
    """

    name: str
    shares: dict[str, float]
    shadow: str
    capture_uri: str
    percent: int
    start: datetime
    end: datetime
    models: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def captured(self) -> str:
        """The S3 prefix below which the folders of its variants are."""
        return f"{self.capture_uri.rstrip('/')}/{self.name}"

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of all variants."""
        return tuple(self.shares)

    @property
    def baseline(self) -> str:
        """The production variant with the most traffic, with which the others are compared."""
        production = [name for name in self.shares if name != self.shadow]
        return max(production, key=self.shares.__getitem__)


def since_of(text: str) -> timedelta:
    """Read a length of time such as 30m, 6h or 1d.

    Raises:
        DeploymentError: if it is none.
    """
    return parse_span(text, _LONGEST)


def find_compared(
    existing: Existing, endpoint: str, since: timedelta, capture_uri: str
) -> ComparedEndpoint:
    """Find the endpoint's variants, and where its captured data are.

    Args:
        existing: the account.
        endpoint: its name.
        since: how long ago the period begins.
        capture_uri: the S3 prefix of captured data, or empty for the endpoint's own.

    Raises:
        DeploymentError: if there is no such endpoint.
    """
    # CloudWatch's values are those of whole minutes.
    end = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = existing.find(ENDPOINT.look_up(endpoint))
    if found is None:
        raise no_endpoint(endpoint, existing.region)
    configuration: Answer = {}
    if found is not UNKNOWN:
        described = existing.need(configuration_look_up(str(found["EndpointConfigName"])))
        configuration = {} if described is UNKNOWN else described
    if not configuration:
        uri = capture_uri or "s3://<its captured data>/<prefix>"
        return ComparedEndpoint(endpoint, {"<each variant>": 0}, "", uri, 100, end - since, end)
    capture = configuration.get("DataCaptureConfig") or {}
    shadow = next((str(one["VariantName"]) for one in configuration.get(SHADOW) or []), "")
    copies = {shadow: sampled_share(configuration)} if shadow else {}
    # A variant of inference components has no model of its own.
    models = {
        str(one["VariantName"]): str(one["ModelName"])
        for one in all_variants(configuration)
        if "ModelName" in one
    }
    return ComparedEndpoint(
        name=endpoint,
        shares={**shares_of(configuration, None if found is UNKNOWN else found), **copies},
        shadow=shadow,
        capture_uri=capture_uri or str(capture.get("DestinationS3Uri", "")),
        percent=int(capture.get("InitialSamplingPercentage", 100)),
        start=end - since,
        end=end,
        models=models,
        made=dict(_made(existing, models)),
    )


def _made(existing: Existing, models: Mapping[str, str]) -> Iterator[tuple[str, datetime]]:
    """When the model of each variant was made, in whole seconds, as captured data have them."""
    for variant, name in models.items():
        found = existing.find(model_look_up(name), optional=f"since when {name} answers")
        if found is not None and found is not UNKNOWN and "CreationTime" in found:
            yield variant, found["CreationTime"].astimezone(UTC).replace(microsecond=0)


def captured_prefixes(endpoint: ComparedEndpoint) -> tuple[str, ...]:
    """The S3 prefix of each variant's captured data; empty if there are none."""
    if not endpoint.capture_uri:
        return ()
    split_uri(endpoint.capture_uri)
    return tuple(f"{endpoint.captured}/{name}" for name in endpoint.variants)


def plan(endpoint: ComparedEndpoint) -> Plan:
    """The steps: the metrics, and the captured data if there are any.

    Args:
        endpoint: what is compared.
    """
    name, prefixes = endpoint.name, captured_prefixes(endpoint)
    metrics = metrics_call(name, endpoint.variants, endpoint.start, endpoint.end)
    captured = Step(
        ReadCaptured(prefixes, endpoint.start), if_refused=f"the answers of {name}: not known"
    )
    return (
        Step(metrics, if_refused=f"the latency and errors of {name}: not known"),
        *((captured,) if prefixes else ()),
    )


def check_variants(endpoint: ComparedEndpoint) -> None:
    """Check that there is something to compare.

    Raises:
        DeploymentError: if there is only one variant.
    """
    if len(endpoint.variants) == 1 and not endpoint.variants[0].startswith("<"):
        raise DeploymentError(
            f"endpoint {endpoint.name} has one variant, {endpoint.variants[0]}; forest deploy "
            f"MODEL --name {endpoint.name} --variant new=10% adds another one"
        )
