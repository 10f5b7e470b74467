"""The examination: scenes in a row, each of which starts a server and checks it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlserver_forest.doctor import (
    batch_checks,
    endpoint_checks,
    multi_model_checks,
    restricted_checks,
)
from mlserver_forest.doctor.consequences import because_of
from mlserver_forest.doctor.endpoint_checks import Check
from mlserver_forest.doctor.readiness import wait_until_ready
from mlserver_forest.doctor.rules import START_SECONDS
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import DoctorTarget, RunningServer, Setting, StartFailure
from mlserver_forest.doctor.verdicts import CheckResult, DoctorFinding, failed, passed, skipped

# Later starts may take this many times as long as the first, and at least this many seconds.
# Of waiting for the end of a process that answers no more, and the number of them.
_MOMENT, _MOMENTS = 0.05, 10
_LEAST_START_SECONDS = 60.0
_SLOWER = 4
_NO_LABELS = "a model directory has no labels"
_LEFT_OUT = "left out by --skip"


def _offered(server: RunningServer) -> None:
    """Assume that a feature is offered."""


@dataclass(frozen=True)
class Scene:
    """A server in a setting, and its checks.

    Attributes:
        title: a short name for messages.
        setting: the surroundings of the server.
        checks: the checks by rule, in the order in which they run.
        start: the rule that the server starts, or None if the checks cover that.
        why_not_offered: is called first; if it returns a reason, all checks are skipped with it.
    """

    title: str
    setting: Setting
    checks: Mapping[str, Check]
    start: str | None = None
    why_not_offered: Callable[[RunningServer], str | None] = _offered

    @property
    def rules(self) -> list[str]:
        """The names of all rules that the scene checks."""
        return [*([self.start] if self.start else []), *self.checks]

    def without(self, rules: frozenset[str]) -> "Scene":
        """The scene without the checks of some rules."""
        kept = {rule: check for rule, check in self.checks.items() if rule not in rules}
        return replace(self, checks=kept)

    def all_skipped(self, reason: str) -> list[DoctorFinding]:
        """Findings that skip all of its rules, with the reason."""
        return [DoctorFinding(rule, skipped(reason)) for rule in self.rules]


_HOSTING = Scene("real-time hosting", Setting(), endpoint_checks.CHECKS, start="start")
_BATCH = Scene("batch transform", batch_checks.SETTING, batch_checks.CHECKS, start="batch-start")
_MULTI_MODEL = Scene(
    "a multi-model endpoint",
    multi_model_checks.SETTING,
    multi_model_checks.CHECKS,
    start="multi-model-ping",
    why_not_offered=multi_model_checks.why_not_offered,
)
_MEMORY = Scene(
    "a multi-model endpoint that is short of memory",
    multi_model_checks.SCARCE,
    {"multi-model-memory": multi_model_checks.memory},
    why_not_offered=multi_model_checks.why_not_offered,
)
_PIPELINE = Scene(
    "an inference pipeline",
    restricted_checks.PIPELINE,
    restricted_checks.PIPELINE_CHECKS,
    start="pipeline-port",
)
_ENDING = Scene("SIGTERM", Setting(), endpoint_checks.SIGTERM_CHECKS)
_CONFINED = [
    Scene(rule.replace("-", " "), setting, {rule: restricted_checks.serves})
    for rule, setting in restricted_checks.CONFINED.items()
]


@dataclass
class Examination:
    """All scenes in a row, on one target.

    Attributes:
        sample: the request for the model.
        left_out: the rules that are not checked.
        start_seconds: how long a start may take.
        notice: is called with what is checked next.
    """

    target: DoctorTarget
    sample: Sample
    left_out: frozenset[str] = frozenset()
    start_seconds: float = START_SECONDS
    notice: Callable[[str], None] = lambda text: None
    _moot: str | None = None
    _broken: dict[str, CheckResult] = field(default_factory=dict)

    def run(self) -> Iterator[DoctorFinding]:
        """Run all scenes; if not even the first server starts, no other is started."""
        began = time.monotonic()
        first = self._play(_HOSTING)
        yield from first
        if first[0].result.verdict == "FAIL":
            self._moot = "not tried because start fails"
        slower = _SLOWER * (time.monotonic() - began)
        self.start_seconds = min(self.start_seconds, max(_LEAST_START_SECONDS, slower))
        yield from self._play(_BATCH)
        yield from self._labelled(
            "multi-model-label", multi_model_checks.offered, _MULTI_MODEL, _MEMORY
        )
        yield from self._labelled("pipeline-label", restricted_checks.pipeline_offered, _PIPELINE)
        for scene in (_ENDING, *_CONFINED):
            yield from self._play(scene)

    def _labelled(
        self, rule: str, offered: Callable[..., CheckResult], *scenes: Scene
    ) -> Iterator[DoctorFinding]:
        """Run the scenes about a feature that an image declares with a label."""
        labels = self.target.labels
        label = skipped(_NO_LABELS) if labels is None else offered(labels)
        yield DoctorFinding(rule, label)
        for scene in scenes:
            if labels is not None and label.verdict == "SKIP":
                yield from scene.all_skipped(label.came)
            else:
                yield from self._play(scene)

    def _play(self, scene: Scene) -> list[DoctorFinding]:
        if self._moot:
            return scene.all_skipped(self._moot)
        left_out = [rule for rule in scene.rules if rule in self.left_out]
        skips = [DoctorFinding(rule, skipped(_LEFT_OUT)) for rule in left_out]
        if len(left_out) == len(scene.rules):
            return skips
        known = {rule: because_of(rule, self._broken) for rule in scene.checks}
        if scene.start is None and all(known.values()):
            return [DoctorFinding(rule, one) for rule, one in known.items() if one]
        if not self.target.why_not(scene.setting):
            self.notice(scene.title)
        found = self._played(scene.without(self.left_out))
        return [one for one in found if one.check not in self.left_out] + skips

    def _played(self, scene: Scene) -> list[DoctorFinding]:
        """Start a server, run all checks, and stop it; a failure to start is a finding too."""
        if reason := self.target.why_not(scene.setting):
            return scene.all_skipped(reason)
        try:
            with self.target.serving(scene.setting) as server:
                took = wait_until_ready(server, self.start_seconds)
                if reason := scene.why_not_offered(server):
                    return scene.all_skipped(reason)
                return self._asked(scene, server, took)
        except FileNotFoundError as error:
            return scene.all_skipped(str(error))
        except OSError as error:
            return self._did_not_start(scene, error)

    def _asked(self, scene: Scene, server: RunningServer, took: float) -> list[DoctorFinding]:
        findings = []
        if scene.start:
            findings.append(DoctorFinding(scene.start, passed(f"200 after {took:.1f} s")))
        dead: str | None = None
        for rule, check in scene.checks.items():
            result = because_of(rule, self._broken)
            if result is None and dead:
                result = skipped(f"not tried because the server had exited in {dead}")
            if result is None:
                result = self._tried(rule, check, server)
                dead = rule if result.verdict == "FAIL" and _has_exited(scene, server) else None
            findings.append(DoctorFinding(rule, result))
        return findings

    def _tried(self, rule: str, check: Check, server: RunningServer) -> CheckResult:
        """Run a check; no answer is a failure, and a server that has exited is its reason."""
        try:
            result = check(server, self.sample)
        except OSError as error:
            code = _exit_code(server)
            ended = None if code is None else server.ended(code)
            result = failed(f"the server {ended}", ended.advice) if ended else failed(str(error))
        if result.verdict == "FAIL":
            self._broken[rule] = result
        return result

    def _did_not_start(self, scene: Scene, error: OSError) -> list[DoctorFinding]:
        result = failed(str(error), error.advice if isinstance(error, StartFailure) else "")
        if scene.start is None:
            rules, rest = list(scene.checks), []
        else:
            rules, rest = [scene.start], list(scene.checks)
        self._broken |= dict.fromkeys(rules, result)
        untried = skipped(f"not tried because {rules[0]} fails")
        return [
            *(DoctorFinding(rule, result) for rule in rules),
            *(DoctorFinding(rule, untried) for rule in rest),
        ]


def _has_exited(scene: Scene, server: RunningServer) -> bool:
    """Whether the server has ended, which no check of the scene should bring about."""
    return scene is not _ENDING and _exit_code(server) is not None


def _exit_code(server: RunningServer) -> int | None:
    """Its exit code, now or in a moment: connections are closed before a process has ended."""
    for _ in range(_MOMENTS):
        if (code := server.exit_code()) is not None:
            return code
        time.sleep(_MOMENT)
    return None
