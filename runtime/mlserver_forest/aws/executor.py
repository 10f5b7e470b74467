"""Runs a plan step by step; if a step fails, the error says what the others have created."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from mlserver_forest.aws import docker
from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.captured_data import ReadCaptured, read_captured
from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.download import AwaitObject, Download, await_object, download
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.log_tail import ReadLog, read_log
from mlserver_forest.aws.parallel_calls import in_parallel
from mlserver_forest.aws.pipeline.execution import FollowExecution, follow_execution
from mlserver_forest.aws.plan_failure import PlanFailed, outcome_of
from mlserver_forest.aws.request_check import check_plan
from mlserver_forest.aws.step import Action, Answer, Call, Command, Plan, Send, Step
from mlserver_forest.aws.upload import Upload, upload
from mlserver_forest.aws.waiter import EndedBadly, Wait, wait
from mlserver_forest.errors import DeploymentError


class Console(Protocol):
    """The user's console."""

    def say(self, line: str) -> None:
        """Print a line about what is happening."""

    def show(self, line: str) -> None:
        """Print a line of the result."""

    def bar(self, name: str, size: int) -> Any:
        """A progress bar for a file: a context whose ``update`` counts bytes."""


class Executor:
    """Runs steps and records what they have created.

    Args:
        aws: the account.
        console: prints what is happening.
        values: values for the steps, by name, in addition to those of earlier answers.

    Attributes:
        values: all values so far, by name.
    """

    def __init__(self, aws: Aws, console: Console, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self._aws = aws
        self._console = console
        self._say = console.say
        # What was created, and what was run; a step that was left out is in neither.
        self._made: list[Step] = []
        self._done: list[Step] = []
        self._notes: set[str] = set()
        # A look-up that was a step is not made again as the condition of another.
        self._existing = Existing(aws, note=console.say)

    def run(self, plan: Plan) -> list[Answer]:
        """Run all steps.

        Returns:
            The answer of each step, or what was found instead; empty for a step that was left out.

        Raises:
            InvalidRequest: before anything is done, if AWS would refuse values of any step.
            DeploymentError: naming what exists now and how to remove it, or what is left to remove.
        """
        check_plan(plan, self._aws.models, is_dry_run=False)
        answers: list[Answer] = []
        with self._explaining_failures(plan, answers):
            for is_small, steps in groupby(plan, _is_small_upload):
                if is_small:
                    answers.extend(self._upload_together(list(steps)))
                else:
                    answers.extend(self._run(step) for step in steps)
        return answers

    def _upload_together(self, steps: Sequence[Step]) -> list[Answer]:
        """Upload small files in several threads, with one bar for all of them."""
        wanted = [step.action for step in steps if isinstance(step.action, Upload)]
        name = f"{len(wanted)} files" if len(wanted) > 1 else Path(wanted[0].file).name
        with self._console.bar(name, sum(one.size for one in wanted)) as bar:

            def send(step: Step) -> None:
                if isinstance(step.action, Upload):
                    upload(self._aws, step.action, bar.update)
                    self._made.append(step)

            in_parallel(send, steps)
        for step in steps:
            self._say(f"uploaded {step.makes}")
        return [{} for _ in steps]

    @contextmanager
    def _explaining_failures(self, plan: Plan, answers: Sequence[Answer]) -> Iterator[None]:
        try:
            yield
        except (DeploymentError, KeyboardInterrupt) as error:
            rest = plan[len(answers) :]
            if isinstance(error, EndedBadly):
                for step in rest:
                    if step.even_if_failed:
                        self._run(step)
            outcome = outcome_of(self._made, self._done, rest)
            if not outcome.lines():
                raise
            raise PlanFailed(error, outcome) from error

    def _run(self, template: Step) -> Answer:
        step = template.filled(self.values)
        if step.found is not None:
            self._say(f"found {step.makes}")
            answer: Answer | None = step.found
        elif self._is_left_out(step):
            return {}
        else:
            answer = self._do(step)
        if step.gives and answer:
            self.values |= step.gives(answer)
        if step.says and answer is not None:
            self._say(step.filled(self.values).says)
        return answer or {}

    def _is_left_out(self, step: Step) -> bool:
        if step.unless and self._existing.find(step.unless) is not None:
            return True
        return bool(step.only_if and self._existing.find(step.only_if) is None)

    def _do(self, step: Step) -> Answer | None:
        if isinstance(step.action, Wait) and step.action.kind.is_job:
            # A job that was created is kept, whether it succeeds or not.
            self._made.clear()
        try:
            answer = self._perform(step)
        except Refused as error:
            if not step.if_refused:
                raise
            if step.if_refused not in self._notes:
                self._say(f"{step.if_refused}: {error}")
            self._notes.add(step.if_refused)
            return None
        self._done.append(step)
        if step.makes:
            self._made.append(step)
            self._say(f"{'uploaded' if isinstance(step.action, Upload) else 'made'} {step.makes}")
        if step.removes and answer is not None:
            self._say(f"deleted {step.removes}")
        return answer

    def _perform(self, step: Step) -> Answer | None:
        if not isinstance(step.action, Call):
            return _ACTIONS[type(step.action)](self._aws, self._console, step.action)
        if step.may_be_missing:
            found = self._existing.find(step.action)
            return None if found is UNKNOWN else found
        try:
            return self._aws.call(step.action)
        except Refused as error:
            # If an answer is lost, botocore calls again, and the name is then taken.
            found = self._aws.find(step.found_by) if error.is_taken and step.found_by else None
            if found is None:
                raise
            return found


def _is_small_upload(step: Step) -> bool:
    """Whether it is a file that is sent in one piece, whatever else there is."""
    conditions = step.found is not None or step.unless or step.only_if or step.given
    return isinstance(step.action, Upload) and not step.action.is_in_parts and not conditions


def _send(aws: Aws, console: Console, action: Send) -> Answer:
    return aws.send(action.call, _read(action.file))


def _upload(aws: Aws, console: Console, action: Upload) -> Answer:
    with console.bar(Path(action.file).name, action.size) as bar:
        upload(aws, action, bar.update)
    return {}


def _download(aws: Aws, console: Console, action: Download) -> Answer:
    return {"Paths": download(aws, action, console.bar)}


def _await_object(aws: Aws, console: Console, action: AwaitObject) -> Answer:
    return {"Body": await_object(aws, action)}


def _read_log(aws: Aws, console: Console, action: ReadLog) -> Answer:
    read_log(aws, action, console.show, console.say)
    return {}


def _wait(aws: Aws, console: Console, action: Wait) -> Answer:
    return wait(aws, action, console.say)


def _follow_execution(aws: Aws, console: Console, action: FollowExecution) -> Answer:
    return follow_execution(aws, action, console.say)


def _read_captured(aws: Aws, console: Console, action: ReadCaptured) -> Answer:
    return read_captured(aws, action)


def _command(aws: Aws, console: Console, action: Command) -> Answer:
    if action.is_query:
        return {"stdout": docker.query(action.arguments)}
    docker.run(action.arguments, action.password or None)
    return {}


_ACTIONS: Mapping[type[Action], Callable[[Aws, Console, Any], Answer]] = {
    Send: _send,
    Upload: _upload,
    Download: _download,
    AwaitObject: _await_object,
    ReadLog: _read_log,
    ReadCaptured: _read_captured,
    Wait: _wait,
    FollowExecution: _follow_execution,
    Command: _command,
}


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DeploymentError(f"{file}: {error.strerror}") from error
