"""A plan, done step by step: what is there is found, what was made is said when a step fails."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlserver_forest.aws.client import Aws, Refused
from mlserver_forest.aws.steps import Plan, Step
from mlserver_forest.aws.upload import Progress, is_there, upload
from mlserver_forest.aws.upload_plan import CHECKSUM
from mlserver_forest.errors import DeploymentError

Say = Callable[[str], None]
# Opens a progress bar for one file: its name and size -> what counts bytes.
Bar = Callable[[str, int], Any]


class Executor:
    """Does steps and remembers what exists because of them.

    Args:
        aws: the account.
        say: takes a line for the person who waits.
        bar: opens a progress bar.
    """

    def __init__(self, aws: Aws, say: Say, bar: Bar) -> None:
        self.aws = aws
        self.say = say
        self._bar = bar
        self._made: list[Step] = []

    def run(self, plan: Plan) -> dict[str, Any]:
        """The last step's answer, or what was found instead of doing it.

        Raises:
            DeploymentError: with what exists now and how to delete it.
        """
        answer: dict[str, Any] = {}
        with self.telling():
            for step in plan:
                answer = self._run(step)
        return answer

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Adds to an error what was made before it."""
        try:
            yield
        except (DeploymentError, KeyboardInterrupt) as error:
            if not self._made:
                raise
            reason = str(error) or "interrupted"
            raise DeploymentError(f"{reason}\n{what_exists(self._made)}") from error

    def _run(self, step: Step) -> dict[str, Any]:
        if step.file:
            return self._upload(step)
        found = self.aws.find(step.unless) if step.unless else None
        if found is None:
            return self._make(step)
        if step.otherwise is not None:
            return self.aws.do(step.otherwise)
        self.say(f"found {step.makes}")
        return found

    def _make(self, step: Step) -> dict[str, Any]:
        try:
            answer = self.aws.do(step.call)
        except Refused as error:
            # A cut connection makes botocore ask twice, and the second time the name is taken.
            found = self.aws.find(step.unless) if error.is_taken and step.unless else None
            if found is None:
                raise
            answer = found
        if step.makes:
            self._made.append(step)
            self.say(f"made {step.makes}")
        return answer

    def _upload(self, step: Step) -> dict[str, Any]:
        path = Path(step.file)
        size = path.stat().st_size
        found = self.aws.find(step.unless) if step.unless else None
        if found and is_there(found, size, step.call.request["Metadata"][CHECKSUM]):
            self.say(f"found {step.makes}")
            return found
        with self._bar(path.name, size) as bar:
            count: Progress = bar.update
            upload(self.aws, dict(step.call.request), path, count)
        self._made.append(step)
        self.say(f"uploaded {step.makes}")
        return {}


def what_exists(made: Sequence[Step]) -> str:
    """For the end of an error: nothing is left that the user does not know of."""
    lines = [f"  {step.makes} (remove it by: {step.removed_by})" for step in made]
    return "\n".join(["what exists now because of this command:", *lines])
