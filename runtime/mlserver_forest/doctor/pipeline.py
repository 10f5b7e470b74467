"""An inference pipeline: several containers on one host, each with its ports."""

from collections.abc import Mapping

from mlserver_forest.doctor.check_results import Outcome, judged, passed, skipped
from mlserver_forest.doctor.endpoint_checks import Check
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import Server, Setting

LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
SETTING = Setting(in_pipeline=True)


def ports_in_range(server: Server, sample: Sample) -> Outcome:
    ports = server.listening()
    if ports is None or server.safe_range is None:
        return skipped("its ports cannot be seen from here")
    low, high = server.safe_range
    outside = [one for one in ports if one != server.inner_port and not low <= one <= high]
    came = f"listens on {', '.join(map(str, sorted(ports)))}; the range is {low}-{high}"
    return judged(not outside, came)


CHECKS: Mapping[str, Check] = {"pipeline-range": ports_in_range}


def offered(labels: Mapping[str, str]) -> Outcome:
    if labels.get(LABEL) == "true":
        return passed(f"{LABEL}=true")
    return skipped("not offered: the label is missing")
