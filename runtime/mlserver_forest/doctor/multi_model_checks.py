"""A multi-model endpoint, whose models are loaded and unloaded at run time."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from mlserver_forest.doctor.endpoint_checks import Check
from mlserver_forest.doctor.http_client import Answer, ask
from mlserver_forest.doctor.sample import JSON, Sample
from mlserver_forest.doctor.target import RunningServer, Setting
from mlserver_forest.doctor.verdicts import CheckResult, failed, judged, passed, skipped

LABEL = "com.amazonaws.sagemaker.capabilities.multi-models"
SETTING = Setting(variables={"SAGEMAKER_MULTI_MODEL": "true"}, models=True)
# The names that SageMaker uses for models are opaque too.
_NAME = "d0c7" * 8
# The memory for the start. It is limited later, so that even small models fill it.
SCARCE = replace(SETTING, memory_mb=2048)
_LEFT_MB = 96
_PROVOKING_SECONDS = 60.0
_LOAD_SECONDS = 360.0


def why_not_offered(server: RunningServer) -> str | None:
    """Why a target without labels does not offer the multi-model API; None if it does."""
    answer = ask(server.port, "GET", "/models")
    return "not offered: GET /models answers 404" if answer.status == 404 else None


def _load(server: RunningServer, name: str) -> Answer:
    body = json.dumps({"model_name": name, "url": server.model_url}).encode()
    headers = {"Content-Type": JSON}
    return ask(server.port, "POST", "/models", body, headers, seconds=_LOAD_SECONDS)


def _invoke(server: RunningServer, sample: Sample) -> Answer:
    headers = {
        "Content-Type": sample.content_type,
        "X-Amzn-SageMaker-Target-Model": "doctor/model.tar.gz",
    }
    return ask(server.port, "POST", f"/models/{quote(_NAME)}/invoke", sample.body, headers)


def _names(answer: Answer) -> list[str] | None:
    """The names in a list of models; None if the answer is not such a list."""
    try:
        return [model["modelName"] for model in json.loads(answer.body)["models"]]
    except (ValueError, KeyError, TypeError):
        return None


def empty(server: RunningServer, sample: Sample) -> CheckResult:
    """Check the list of models before one is loaded."""
    answer = ask(server.port, "GET", "/models")
    return judged(answer.status == 200 and _names(answer) == [], str(answer))


def load(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that a model can be loaded, and is listed then."""
    answer = _load(server, _NAME)
    if answer.status != 200:
        return failed(str(answer))
    listed = ask(server.port, "GET", "/models")
    is_kept = listed.status == 200 and _names(listed) == [_NAME]
    return judged(is_kept, f"200 after {answer.seconds:.1f} s; then {listed}")


def load_twice(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that loading the same model again is a conflict."""
    answer = _load(server, _NAME)
    return judged(answer.status == 409, str(answer))


def invoke_one(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the loaded model answers."""
    answer = _invoke(server, sample)
    return judged(answer.is_success, str(answer))


def unload(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the model can be unloaded."""
    answer = ask(server.port, "DELETE", f"/models/{_NAME}", seconds=_LOAD_SECONDS)
    return judged(answer.status == 200, str(answer))


def gone(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the unloaded model is unknown, to invoke and to DELETE."""
    answers = [_invoke(server, sample), ask(server.port, "DELETE", f"/models/{_NAME}")]
    came = ", ".join(str(answer.status) for answer in answers)
    return judged(all(answer.status == 404 for answer in answers), f"invoke, DELETE: {came}")


def memory(server: RunningServer, sample: Sample) -> CheckResult:
    """Check that the server refuses models before its memory is full."""
    if not server.squeeze(_LEFT_MB):
        return skipped("could not be provoked: the engine does not limit memory")
    began, count = time.monotonic(), 0
    while time.monotonic() - began < _PROVOKING_SECONDS:
        answer = _load(server, f"{_NAME}{count}")
        if answer.status == 507:
            is_well = ask(server.port, "GET", "/ping").status == 200
            return judged(is_well, f"507 after {count} models in {_LEFT_MB} MB")
        if answer.status != 200:
            return failed(f"after {count} models in {_LEFT_MB} MB: {answer}")
        count += 1
    return skipped(f"could not be provoked: {count} models fit {_LEFT_MB} MB")


CHECKS: Mapping[str, Check] = {
    "multi-model-empty": empty,
    "multi-model-load": load,
    "multi-model-twice": load_twice,
    "multi-model-invoke": invoke_one,
    "multi-model-unload": unload,
    "multi-model-gone": gone,
}


def offered(labels: Mapping[str, str]) -> CheckResult:
    """Check that the image's labels declare the multi-model API."""
    if labels.get(LABEL) == "true":
        return passed(f"{LABEL}=true")
    return skipped("not offered: the label is missing")
