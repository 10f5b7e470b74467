"""All scenes in a row."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlserver_forest.doctor import (
    batch_checks,
    confinement,
    endpoint_checks,
    multi_model_checks,
    pipeline,
    shutdown,
)
from mlserver_forest.doctor.check_results import Finding, Outcome, skipped
from mlserver_forest.doctor.rules import START_SECONDS
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.scenes import Scene, play
from mlserver_forest.doctor.target import Patient, Setting

# What a start may take once the first has shown how long it takes.
_LEAST_START_SECONDS = 60.0
_SLOWER = 4
_NO_LABELS = "a model directory has no labels"
_LEFT_OUT = "left out by --skip"

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
_PIPELINE = Scene("an inference pipeline", pipeline.SETTING, pipeline.CHECKS, start="pipeline-port")
_ENDING = Scene("SIGTERM", Setting(), shutdown.CHECKS)
_CONFINED = [
    Scene(rule.replace("-", " "), setting, {rule: confinement.serves})
    for rule, setting in confinement.SETTINGS.items()
]


@dataclass
class Examination:
    """Of one patient.

    Attributes:
        start_seconds: how long a start may take.
        left_out: rules that are not tried.
        notice: told what is looked at next.
    """

    patient: Patient
    sample: Sample
    left_out: frozenset[str] = frozenset()
    start_seconds: float = START_SECONDS
    notice: Callable[[str], None] = lambda text: None
    _moot: str | None = None

    def run(self) -> Iterator[Finding]:
        """Where not even the first server starts, no other is tried."""
        began = time.monotonic()
        first = self._play(_HOSTING)
        yield from first
        if first[0].outcome.verdict == "FAIL":
            self._moot = "not tried: the server does not start at all"
        slower = _SLOWER * (time.monotonic() - began)
        self.start_seconds = min(self.start_seconds, max(_LEAST_START_SECONDS, slower))
        yield from self._play(_BATCH)
        yield from self._labelled(
            "multi-model-label", multi_model_checks.offered, _MULTI_MODEL, _MEMORY
        )
        yield from self._labelled("pipeline-label", pipeline.offered, _PIPELINE)
        for scene in (_ENDING, *_CONFINED):
            yield from self._play(scene)

    def _labelled(
        self, rule: str, offered: Callable[..., Outcome], *scenes: Scene
    ) -> Iterator[Finding]:
        """Scenes that an image's label announces."""
        labels = self.patient.labels
        label = skipped(_NO_LABELS) if labels is None else offered(labels)
        yield Finding(rule, label)
        for scene in scenes:
            if labels is not None and label.verdict == "SKIP":
                yield from scene.all_skipped(label.came)
            else:
                yield from self._play(scene)

    def _play(self, scene: Scene) -> list[Finding]:
        if self._moot:
            return scene.all_skipped(self._moot)
        left_out = [rule for rule in scene.rules if rule in self.left_out]
        skips = [Finding(rule, skipped(_LEFT_OUT)) for rule in left_out]
        if len(left_out) == len(scene.rules):
            return skips
        if not self.patient.why_not(scene.setting):
            self.notice(scene.title)
        found = play(scene.without(self.left_out), self.patient, self.sample, self.start_seconds)
        return [one for one in found if one.check not in self.left_out] + skips
