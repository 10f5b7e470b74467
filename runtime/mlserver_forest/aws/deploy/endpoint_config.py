"""The parts of an endpoint's configuration; each makes the members that SageMaker expects."""

from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.step import members
from mlserver_forest.formats.registry import FORMATS


@dataclass(frozen=True)
class Variant:
    """Instances that run all the time. Timeouts are in seconds, or None for the default."""

    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    volume_gb: int | None = None
    startup_timeout: int | None = None
    download_timeout: int | None = None

    def request(self) -> dict[str, Any]:
        """The members of a production variant."""
        return members(
            InstanceType=self.instance_type,
            InitialInstanceCount=self.instance_count,
            InitialVariantWeight=1.0,
            VolumeSizeInGB=self.volume_gb,
            ContainerStartupHealthCheckTimeoutInSeconds=self.startup_timeout,
            ModelDataDownloadTimeoutInSeconds=self.download_timeout,
        )


@dataclass(frozen=True)
class Serverless:
    """A serverless endpoint: memory in steps of 1,024 MB, and the number of concurrent calls."""

    memory_mb: int = 2048
    concurrency: int = 5
    provisioned: int | None = None

    def request(self) -> dict[str, Any]:
        """The members of a production variant."""
        config = members(
            MemorySizeInMB=self.memory_mb,
            MaxConcurrency=self.concurrency,
            ProvisionedConcurrency=self.provisioned,
        )
        return {"InitialVariantWeight": 1.0, "ServerlessConfig": config}


@dataclass(frozen=True)
class Async:
    """S3 prefixes for answers and failures, and SNS topics for notifications."""

    output: str
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

    destination: str
    percent: int = 100

    def request(self, kms_key: str) -> dict[str, Any]:
        """The member DataCaptureConfig; ``kms_key`` encrypts the captured data, or is empty."""
        # SageMaker captures all other media types as Base64.
        text = {
            f"{kind}ContentTypes": [f.media_type for f in FORMATS if f.captured_as == kind]
            for kind in ("Csv", "Json")
        }
        return members(
            EnableCapture=True,
            InitialSamplingPercentage=self.percent,
            DestinationS3Uri=self.destination,
            KmsKeyId=kms_key,
            CaptureOptions=[{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            CaptureContentTypeHeader=text,
        )


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
