"""Servers with restrictions: ports, privileges, writable folders, memory."""

from collections.abc import Mapping

from mlserver_forest.doctor.endpoint_checks import Check, invoke
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import RunningServer, Setting
from mlserver_forest.doctor.verdicts import CheckResult, failed, judged, passed, skipped

PIPELINE_LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
# An inference pipeline: several containers on one host, each with its own ports.
PIPELINE = Setting(in_pipeline=True)
# The least memory of a serverless endpoint.
_SERVERLESS_MB = 1024

CONFINED: Mapping[str, Setting] = {
    "read-only-model": Setting(read_only_model=True),
    "read-only-root": Setting(read_only_model=True, read_only_root=True),
    "unprivileged": Setting(read_only_model=True, unprivileged=True),
    "no-shared-memory": Setting(read_only_model=True, no_shared_memory=True),
    "no-home": Setting(read_only_model=True, no_home=True),
    "serverless": Setting(
        read_only_model=True,
        read_only_root=True,
        unprivileged=True,
        no_shared_memory=True,
        no_home=True,
        memory_mb=_SERVERLESS_MB,
    ),
}


def ports_in_range(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the ports on which the server listens, besides the one that it was given."""
    sockets = server.listening()
    if sockets is None or server.safe_range is None:
        return skipped("its ports cannot be determined from here")
    low, high = server.safe_range
    ports = {one.port for one in sockets}
    outside = [one for one in ports if one != server.inner_port and not low <= one <= high]
    came = f"listens on {', '.join(map(str, sorted(ports)))}; the range is {low}-{high}"
    return judged(not outside, came)


def serves(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the server answers, and writes nothing to the model directory."""
    answer = invoke(server, sample)
    if written := server.written():
        return failed(f"changed {', '.join(written[:3])}")
    return judged(answer.is_success, str(answer))


def pipeline_offered(labels: Mapping[str, str]) -> CheckResult:
    """Check that the image's labels declare that it can be part of a pipeline."""
    if labels.get(PIPELINE_LABEL) == "true":
        return passed(f"{PIPELINE_LABEL}=true")
    return skipped("not offered: the label is missing")


PIPELINE_CHECKS: Mapping[str, Check] = {"pipeline-range": ports_in_range}
