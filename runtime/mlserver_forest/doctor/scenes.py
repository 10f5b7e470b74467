"""A scene: a server in a setting, and what it is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlserver_forest.doctor.check_results import Finding, Outcome, failed, passed, skipped
from mlserver_forest.doctor.endpoint_checks import Check
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import Patient, Server, Setting, wait_until_ready


def _is_offered(server: Server) -> str | None:
    return None


@dataclass(frozen=True)
class Scene:
    """A server in a setting, and what it is asked.

    Attributes:
        title: what is looked at, in a word or two.
        checks: rule -> check, in the order in which they are made.
        start: the rule that says that it starts, or None where all checks say so.
        why_not_offered: asked first; a reason takes the place of all verdicts.
    """

    title: str
    setting: Setting
    checks: Mapping[str, Check]
    start: str | None = None
    why_not_offered: Callable[[Server], str | None] = _is_offered

    @property
    def rules(self) -> list[str]:
        return [*([self.start] if self.start else []), *self.checks]

    def without(self, rules: frozenset[str]) -> "Scene":
        kept = {rule: check for rule, check in self.checks.items() if rule not in rules}
        return replace(self, checks=kept)

    def all_skipped(self, reason: str) -> list[Finding]:
        return [Finding(rule, skipped(reason)) for rule in self.rules]


def play(scene: Scene, patient: Patient, sample: Sample, seconds: float) -> list[Finding]:
    """Start a server, ask it everything, end it; a server that does not start is a finding."""
    if reason := patient.why_not(scene.setting):
        return scene.all_skipped(reason)
    try:
        with patient.serving(scene.setting) as server:
            took = wait_until_ready(server, seconds)
            if reason := scene.why_not_offered(server):
                return scene.all_skipped(reason)
            return _asked(scene, server, sample, took)
    except FileNotFoundError as error:
        return scene.all_skipped(str(error))
    except OSError as error:
        return _did_not_start(scene, str(error))


def _asked(scene: Scene, server: Server, sample: Sample, took: float) -> list[Finding]:
    start = [Finding(scene.start, passed(f"200 after {took:.1f} s"))] if scene.start else []
    return [
        *start,
        *(Finding(rule, _tried(check, server, sample)) for rule, check in scene.checks.items()),
    ]


def _tried(check: Check, server: Server, sample: Sample) -> Outcome:
    """No answer is a failure; if the server has ended, that is why."""
    try:
        return check(server, sample)
    except OSError as error:
        code = server.exit_code()
        if code is None:
            return failed(str(error))
        return failed(f"the server ended with exit code {code}: {server.last_words()}")


def _did_not_start(scene: Scene, reason: str) -> list[Finding]:
    if scene.start is None:
        return [Finding(rule, failed(reason)) for rule in scene.checks]
    rest = [Finding(rule, skipped("the server did not start")) for rule in scene.checks]
    return [Finding(scene.start, failed(reason)), *rest]
