"""The parts of an endpoint's configuration, each with the members that SageMaker names."""

from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.steps import given
from mlserver_forest.formats.registry import FORMATS


@dataclass(frozen=True)
class Variant:
    """Instances that are there all the time."""

    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    volume_gb: int | None = None
    startup_timeout: int | None = None
    download_timeout: int | None = None

    def request(self) -> dict[str, Any]:
        return given(
            InstanceType=self.instance_type,
            InitialInstanceCount=self.instance_count,
            InitialVariantWeight=1.0,
            VolumeSizeInGB=self.volume_gb,
            ContainerStartupHealthCheckTimeoutInSeconds=self.startup_timeout,
            ModelDataDownloadTimeoutInSeconds=self.download_timeout,
        )


@dataclass(frozen=True)
class Serverless:
    """Memory in steps of 1,024 MB, and calls at a time."""

    memory_mb: int = 2048
    concurrency: int = 5
    provisioned: int | None = None

    def request(self) -> dict[str, Any]:
        config = given(
            MemorySizeInMB=self.memory_mb,
            MaxConcurrency=self.concurrency,
            ProvisionedConcurrency=self.provisioned,
        )
        return {"InitialVariantWeight": 1.0, "ServerlessConfig": config}


@dataclass(frozen=True)
class Async:
    """Answers that are written to S3."""

    output: str
    failures: str = ""
    concurrency: int | None = None
    success_topic: str = ""
    error_topic: str = ""

    def request(self, kms_key: str) -> dict[str, Any]:
        topics = given(SuccessTopic=self.success_topic, ErrorTopic=self.error_topic)
        where = given(
            S3OutputPath=self.output,
            S3FailurePath=self.failures,
            KmsKeyId=kms_key,
            NotificationConfig=topics,
        )
        client = given(MaxConcurrentInvocationsPerInstance=self.concurrency)
        return given(OutputConfig=where, ClientConfig=client)


@dataclass(frozen=True)
class Capture:
    """Requests and answers, written to S3 for Model Monitor."""

    destination: str
    percent: int = 100

    def request(self, kms_key: str) -> dict[str, Any]:
        # Anything else is captured as Base64.
        text = {
            f"{kind}ContentTypes": [f.media_type for f in FORMATS if f.captured_as == kind]
            for kind in ("Csv", "Json")
        }
        return given(
            EnableCapture=True,
            InitialSamplingPercentage=self.percent,
            DestinationS3Uri=self.destination,
            KmsKeyId=kms_key,
            CaptureOptions=[{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            CaptureContentTypeHeader=text,
        )


@dataclass(frozen=True)
class Traffic:
    """How an update moves the calls from the old instances (blue) to the new ones (green).

    Attributes:
        kind: all-at-once, canary or linear.
        percent: of the capacity, in the first or in each step.
        wait: seconds between steps, and before the old instances end.
        alarms: CloudWatch alarms that bring the old ones back.
    """

    kind: str = "all-at-once"
    percent: int = 10
    wait: int = 0
    alarms: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        size = {"Type": "CAPACITY_PERCENT", "Value": self.percent}
        sizes = {"canary": {"CanarySize": size}, "linear": {"LinearStepSize": size}}
        routing = {
            "Type": self.kind.upper().replace("-", "_"),
            "WaitIntervalInSeconds": self.wait,
            **sizes.get(self.kind, {}),
        }
        alarms = {"Alarms": [{"AlarmName": name} for name in self.alarms]}
        return given(
            BlueGreenUpdatePolicy={
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": self.wait,
            },
            AutoRollbackConfiguration=alarms if self.alarms else None,
        )
