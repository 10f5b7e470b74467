"""A batch transform job: its environment, and answers that can be joined."""

import json
from collections.abc import Mapping

from mlserver_forest.doctor.endpoint_checks import Check, invoke
from mlserver_forest.doctor.http_client import ask
from mlserver_forest.doctor.rules import PAYLOAD_MB
from mlserver_forest.doctor.sample import CSV, Sample
from mlserver_forest.doctor.target import RunningServer, Setting
from mlserver_forest.doctor.verdicts import CheckResult, failed, judged, passed, skipped

SETTING = Setting(
    variables={
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
    }
)
_STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
_RECORDS = 5


def execution_parameters(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the parameters that the container proposes, if it does so."""
    answer = ask(server.port, "GET", "/execution-parameters")
    if answer.status == 404:
        return skipped("not offered: 404, so the job's own parameters or the defaults apply")
    if answer.status != 200:
        return failed(str(answer))
    try:
        return _within_limits(json.loads(answer.body))
    except (ValueError, TypeError, AttributeError) as error:
        return failed(f"{answer} ({error})")


def _within_limits(document: dict[str, object]) -> CheckResult:
    """Check the product of the members; missing ones have CreateTransformJob's defaults."""
    payload = int(str(document.get("MaxPayloadInMB", 6)))
    transforms = int(str(document.get("MaxConcurrentTransforms", 1)))
    strategy = document.get("BatchStrategy", _STRATEGIES[0])
    is_kept = (
        0 <= payload <= PAYLOAD_MB
        and transforms >= 1
        and payload * transforms <= PAYLOAD_MB
        and strategy in _STRATEGIES
    )
    return judged(is_kept, json.dumps(document))


def one_record(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the answer to one record."""
    return _lines(server, sample, sample.record, 1)


def records(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the answer to a mini-batch of several records."""
    return _lines(server, sample, sample.records(_RECORDS), _RECORDS)


def newline(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the answer to a mini-batch that ends with a newline."""
    return _lines(server, sample, sample.records(_RECORDS) + b"\n", _RECORDS)


def _lines(server: RunningServer, sample: Sample, body: bytes, expected: int) -> CheckResult:
    """Check the number of lines for some records; the last line may end with a newline."""
    if not sample.has_lines:
        return skipped(f"{sample.content_type} has no lines to join")
    answer = invoke(server, sample, body, accept=CSV)
    if answer.status == 406:
        answer = invoke(server, sample, body)
    if not answer.is_success:
        return failed(str(answer))
    lines = answer.body.decode("utf-8", "replace").removesuffix("\n").split("\n")
    if any(not line.strip() for line in lines):
        return failed(f"a blank line: {answer}")
    came = f"{len(lines)} for {expected} in {answer.media_type or 'no type'}"
    return passed(came) if len(lines) == expected else failed(f"{came}: {answer}")


CHECKS: Mapping[str, Check] = {
    "execution-parameters": execution_parameters,
    "batch-one-record": one_record,
    "batch-records": records,
    "batch-newline": newline,
}
