"""What follows from a broken rule: which kinds of use it stops, and which checks tell no more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlserver_forest.doctor.verdicts import CheckResult, DoctorFinding, skipped

Use = Literal["works", "works, but", "does not work", "not offered", "not known"]

_SERVING = ("real-time", "serverless", "multi-model", "batch", "pipeline")
_SINGLE = ("real-time", "serverless", "batch", "pipeline")
KINDS = ("training", *_SERVING)

# The kinds of use that are impossible while a rule is broken.
_STOPS: Mapping[str, Sequence[str]] = {
    "train": ("training",),
    "start": _SERVING,
    "ping": _SERVING,
    "invocations": _SINGLE,
    "batch-start": ("batch",),
    "execution-parameters": ("batch",),
    "multi-model-ping": ("multi-model",),
    "multi-model-empty": ("multi-model",),
    "multi-model-load": ("multi-model",),
    "multi-model-invoke": ("multi-model",),
    "multi-model-unload": ("multi-model",),
    "pipeline-port": ("pipeline",),
    "read-only-root": ("serverless",),
    "unprivileged": ("serverless",),
    "no-shared-memory": ("serverless",),
    "no-home": ("serverless",),
    "serverless": ("serverless",),
}
# The kinds of use that go on, with the fault that the rule describes.
_HARMS: Mapping[str, Sequence[str]] = {
    "train-failure": ("training",),
    "ping-post": ("real-time",),
    "content-type": _SINGLE,
    "keep-alive": _SERVING,
    "chunked": ("batch",),
    "concurrent": ("real-time", "batch", "pipeline"),
    "unknown-route": ("real-time",),
    "unknown-type": _SINGLE,
    "garbage": _SINGLE,
    "survival": _SINGLE,
    "large-body": ("real-time", "batch"),
    "batch-one-record": ("batch",),
    "batch-records": ("batch",),
    "batch-newline": ("batch",),
    "multi-model-twice": ("multi-model",),
    "multi-model-gone": ("multi-model",),
    "multi-model-memory": ("multi-model",),
    "pipeline-range": ("pipeline",),
    "sigterm-answer": ("real-time",),
    "sigterm-exit": ("real-time",),
    "read-only-model": ("real-time", "multi-model"),
}
# The kinds that an image need not offer.
_OPTIONAL = frozenset({"multi-model", "pipeline"})
NOT_OFFERED = "not offered"

_CONFINED = ("read-only-model", "read-only-root", "unprivileged", "no-shared-memory", "no-home")
_VALID_ANSWER = (
    "content-type", "keep-alive", "chunked", "concurrent", "survival", "large-body",
    "batch-one-record", "batch-records", "batch-newline", "multi-model-invoke", "sigterm-answer",
    *_CONFINED, "serverless",
)  # fmt: skip
# The rules whose check says nothing new once another is broken: both have one cause.
_NEEDS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(_VALID_ANSWER, ("invocations",)),
    "batch-records": ("invocations", "batch-one-record"),
    "batch-newline": ("invocations", "batch-one-record", "batch-records"),
    "multi-model-twice": ("multi-model-load",),
    "multi-model-invoke": ("invocations", "multi-model-load"),
    "multi-model-unload": ("multi-model-load",),
    "multi-model-gone": ("multi-model-load", "multi-model-unload"),
    "multi-model-memory": ("multi-model-load",),
    "no-home": ("invocations", "read-only-model"),
    "read-only-root": ("invocations", "read-only-model"),
    "unprivileged": ("invocations", "read-only-model"),
    "no-shared-memory": ("invocations", "read-only-model"),
    "serverless": ("invocations", *_CONFINED),
}


@dataclass(frozen=True)
class KindVerdict:
    """Whether an image or a model directory can be used in one way, and why not.

    Attributes:
        kind: training, or a kind of endpoint or job.
        use: the verdict.
        cause: the name of the broken rule; empty if none is.
        reason: what was observed, or why nothing was.
    """

    kind: str
    use: Use
    cause: str = ""
    reason: str = ""


def because_of(rule: str, broken: Mapping[str, CheckResult]) -> CheckResult | None:
    """The result of a check that is not run because its answer is known.

    Args:
        rule: the rule that would be checked.
        broken: the results of the rules that were found to be broken.

    Returns:
        A skip that names the broken rule, or None if the check should run.
    """
    for cause in _NEEDS.get(rule, ()):
        if cause in broken:
            return skipped(f"not tried because {cause} fails")
    return None


def by_kind(findings: Iterable[DoctorFinding]) -> list[KindVerdict]:
    """The verdict on each kind of use.

    Args:
        findings: one for each rule, in the order of the rules.
    """
    results = {found.check: found.result for found in findings}
    return [_of_kind(kind, results) for kind in KINDS]


def _of_kind(kind: str, results: Mapping[str, CheckResult]) -> KindVerdict:
    if cause := _broken(kind, _STOPS, results):
        return KindVerdict(kind, "does not work", cause, results[cause].came)
    own = [results[rule] for rule, kinds in _STOPS.items() if kind in kinds and rule in results]
    lacking = [one for one in own if one.verdict == "SKIP" and not _is_optional(kind, one)]
    if lacking:
        prefix, is_left_out, reason = lacking[0].came.partition(f"{NOT_OFFERED}: ")
        use: Use = "not offered" if is_left_out and not prefix else "not known"
        return KindVerdict(kind, use, "", reason if use == "not offered" else lacking[0].came)
    if cause := _broken(kind, _HARMS, results):
        return KindVerdict(kind, "works, but", cause, results[cause].came)
    return KindVerdict(kind, "works")


def _broken(
    kind: str, table: Mapping[str, Sequence[str]], results: Mapping[str, CheckResult]
) -> str | None:
    """The first rule that is broken and concerns a kind."""
    for rule, result in results.items():
        if result.verdict == "FAIL" and kind in table.get(rule, ()):
            return rule
    return None


def _is_optional(kind: str, result: CheckResult) -> bool:
    """Whether a kind works without what was not offered."""
    return kind not in _OPTIONAL and result.came.startswith(NOT_OFFERED)
