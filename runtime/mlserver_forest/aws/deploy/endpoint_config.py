"""The parts of an endpoint's configuration; each makes the members that are asked for.

A member that is None or empty is not asked for: an update keeps what the endpoint has, and a new
endpoint gets the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.step import members
from mlserver_forest.formats.registry import FORMATS


@dataclass(frozen=True)
class Variant:
    """Instances that run all the time. Timeouts are in seconds."""

    instance_type: str = ""
    instance_count: int | None = None
    volume_gb: int | None = None
    startup_timeout: int | None = None
    download_timeout: int | None = None

    def request(self) -> dict[str, Any]:
        """The members of a production variant."""
        return members(
            InstanceType=self.instance_type,
            InitialInstanceCount=self.instance_count,
            VolumeSizeInGB=self.volume_gb,
            ContainerStartupHealthCheckTimeoutInSeconds=self.startup_timeout,
            ModelDataDownloadTimeoutInSeconds=self.download_timeout,
        )


NEW_VARIANT = Variant("ml.m5.large", 1)


@dataclass(frozen=True)
class Serverless:
    """A serverless endpoint: memory in steps of 1,024 MB, and the number of concurrent calls."""

    memory_mb: int | None = None
    concurrency: int | None = None
    provisioned: int | None = None

    def request(self) -> dict[str, Any]:
        """The member ServerlessConfig of a production variant."""
        return members(
            MemorySizeInMB=self.memory_mb,
            MaxConcurrency=self.concurrency,
            ProvisionedConcurrency=self.provisioned,
        )


NEW_SERVERLESS = Serverless(2048, 5)


@dataclass(frozen=True)
class Async:
    """S3 prefixes for answers and failures, and SNS topics for notifications."""

    output: str = ""
    failures: str = ""
    concurrency: int | None = None
    success_topic: str = ""
    error_topic: str = ""

    def request(self, kms_key: str) -> dict[str, Any]:
        """The member AsyncInferenceConfig; ``kms_key`` encrypts the answers, or is empty."""
        topics = members(SuccessTopic=self.success_topic, ErrorTopic=self.error_topic)
        where = members(
            S3OutputPath=self.output,
            S3FailurePath=self.failures,
            KmsKeyId=kms_key,
            NotificationConfig=topics,
        )
        client = members(MaxConcurrentInvocationsPerInstance=self.concurrency)
        return members(OutputConfig=where, ClientConfig=client)


@dataclass(frozen=True)
class Capture:
    """The percentage of requests and answers that are written to S3 for Model Monitor."""

    destination: str = ""
    percent: int | None = None

    def request(self, kms_key: str) -> dict[str, Any]:
        """The members that are asked for; ``kms_key`` encrypts the captured data, or is empty."""
        return members(
            EnableCapture=True,
            InitialSamplingPercentage=self.percent,
            DestinationS3Uri=self.destination,
            KmsKeyId=kms_key,
        )


def new_capture(destination: str) -> dict[str, Any]:
    """The member DataCaptureConfig of an endpoint that did not capture anything before."""
    # SageMaker captures all other media types as Base64.
    text = {
        f"{kind}ContentTypes": [f.media_type for f in FORMATS if f.captured_as == kind]
        for kind in ("Csv", "Json")
    }
    return {
        **Capture(destination, 100).request(""),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": text,
    }


@dataclass(frozen=True)
class Traffic:
    """How an update moves the traffic from the old instances (blue) to the new ones (green).

    Attributes:
        kind: all-at-once, canary or linear.
        percent: the percentage of the capacity that moves first (canary) or in each step (linear).
        wait: seconds between steps, and before the old instances are stopped.
        alarms: CloudWatch alarms that roll the update back.
    """

    kind: str = "all-at-once"
    percent: int = 10
    wait: int = 0
    alarms: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """The member DeploymentConfig."""
        size = {"Type": "CAPACITY_PERCENT", "Value": self.percent}
        sizes = {"canary": {"CanarySize": size}, "linear": {"LinearStepSize": size}}
        routing = {
            "Type": self.kind.upper().replace("-", "_"),
            "WaitIntervalInSeconds": self.wait,
            **sizes.get(self.kind, {}),
        }
        alarms = {"Alarms": [{"AlarmName": name} for name in self.alarms]}
        return members(
            BlueGreenUpdatePolicy={
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": self.wait,
            },
            AutoRollbackConfiguration=alarms if self.alarms else None,
        )


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The members of ``base``, with those of ``over`` in their place, however deeply nested."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = overlay(below, value) if both else value  # type: ignore[arg-type]  # both
    return merged


def without_nothing(value: Any) -> Any:
    """A request without members that say nothing, such as false, so that two can be compared."""
    if isinstance(value, Mapping):
        kept = {name: without_nothing(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, "", [], {}, False)}
    if isinstance(value, list | tuple):
        return [without_nothing(one) for one in value]
    return value
