"""What all commands share: five options, the account, the console, and the form of errors."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.follow_up import with_account
from mlserver_forest.aws.given_options import check_given_values, options_with
from mlserver_forest.aws.interruption import Interruption, interruptible
from mlserver_forest.aws.json_output import error_document, to_json
from mlserver_forest.aws.json_usage_command import JsonUsageCommand
from mlserver_forest.aws.plan_failure import PlanFailed
from mlserver_forest.aws.request_check import (
    InvalidRequest,
    ServiceModels,
    check_plan,
    describe_fault,
)
from mlserver_forest.aws.step import Answer, Plan, plan_as_json
from mlserver_forest.errors import DeploymentError, ForestError
from mlserver_forest.optional_library import require

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws
    from mlserver_forest.aws.executor import Executor

_Run = TypeVar("_Run", bound=Callable[..., Any])

POLL = click.option(
    "--poll",
    default=10.0,
    show_default=True,
    type=FiniteNumber(0.05),
    help="Seconds between two checks of the state.",
)
WAIT = click.option("--wait/--no-wait", default=True, help="Follow it to the end.")


@dataclass(frozen=True)
class Session:
    """One run of a command.

    Attributes:
        region, profile: the region and the profile, or None for those that boto3 finds.
        dry_run: whether the steps are printed and not run.
        yes: whether to go on without asking.
        is_json: whether the result is printed as JSON.
    """

    region: str | None
    profile: str | None
    dry_run: bool
    yes: bool
    is_json: bool

    @cached_property
    def aws(self) -> "Aws":
        """The account, possibly without credentials."""
        require("boto3", "aws")
        from mlserver_forest.aws.client import Aws

        return Aws(self.region, self.profile)

    @cached_property
    def existing(self) -> Existing:
        """What exists; in a dry run without credentials it is unknown, which is not an error."""
        if not self.dry_run:
            if not self.aws.has_credentials():
                raise self.aws.no_credentials()
            return Existing(self.aws, note=self.say)
        try:
            return Existing(self.aws if self.aws.has_credentials() else None, self.say)
        except DeploymentError:
            return Existing(None)

    @cached_property
    def models(self) -> ServiceModels:
        """AWS's models of its services, which are there without an account and a region."""
        try:
            return self.aws.models
        except DeploymentError:
            from mlserver_forest.aws.client import BotocoreModels

            return BotocoreModels()

    def close(self) -> None:
        """Close the connections to AWS, if there are any."""
        if "aws" in self.__dict__:
            self.aws.close()

    def executor(self, values: Mapping[str, str] | None = None) -> "Executor":
        """Make an executor for this session's account.

        Args:
            values: values for the steps, in addition to those of earlier answers.
        """
        from mlserver_forest.aws.executor import Executor

        return Executor(self.aws, self, values)

    def carry_out(self, plan: Plan) -> list[Answer] | None:
        """Run the plan and return its answers; with --dry-run, print it and return None."""
        if self.dry_run:
            check_plan(plan, self.models, is_dry_run=True)
            click.echo(to_json(plan_as_json(plan), indent=2))
            return None
        return self.executor().run(plan)

    def say(self, line: str) -> None:
        """Print a line to standard error; standard output is for the result only."""
        click.echo(with_account(line, self.region, self.profile), err=True)

    def say_all(self, lines: Sequence[str]) -> None:
        """Print lines to standard error."""
        for line in lines:
            self.say(line)

    def show(self, line: str) -> None:
        """Print a line of the result, as JSON with --json."""
        click.echo(to_json({"message": line}) if self.is_json else line)

    def result(self, document: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Print the result: the document with --json, else the lines."""
        if self.is_json:
            click.echo(to_json(document, indent=2))
        else:
            for line in lines:
                click.echo(with_account(line, self.region, self.profile))

    def confirm(self, question: str) -> None:
        """Ask the user to confirm; a dry run changes nothing and does not ask.

        Raises:
            ForestError: if the user declines, or if nobody can answer.
        """
        if self.yes or self.dry_run:
            return
        if not sys.stdin.isatty():
            raise ForestError(f"{question} Nobody can answer here; add --yes")
        if not click.confirm(question, err=True):
            raise ForestError("nothing was done")

    def bar(self, name: str, size: int) -> Any:
        """A progress bar, if there is a terminal."""
        from tqdm import tqdm

        return tqdm(
            desc=name, total=size, unit="B", unit_scale=True, unit_divisor=1024, disable=None
        )


_OPTIONS = (
    click.option("--region", help="The AWS region; by default the configured one."),
    click.option("--profile", help="The profile in ~/.aws/config; by default the configured one."),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the calls that would be made as JSON; change nothing.",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation."),
    click.option("--json", "is_json", is_flag=True, help="Print the result as JSON."),
)


def command(run: _Run) -> click.Command:
    """Make a click command with the five options; errors are one line and an exit code."""

    @functools.wraps(run)
    def wrapped(
        region: str | None,
        profile: str | None,
        dry_run: bool,
        yes: bool,
        is_json: bool,
        **options: Any,
    ) -> None:
        session = Session(region, profile, dry_run, yes, is_json)
        with interruptible() as interruption:
            try:
                check_given_values()
                run(session, **options)
            except BrokenPipeError:
                raise
            except (ForestError, OSError, KeyboardInterrupt) as error:
                _report(session, error, interruption)
                sys.exit(interruption.exit_code or 1)
            finally:
                session.close()

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    name = run.__name__.strip("_").replace("_", "-")
    made: click.Command = click.command(name=name, cls=JsonUsageCommand)(decorated)
    return made


def _report(session: Session, error: BaseException, interruption: Interruption) -> None:
    """Print an error as one line to standard error, and with --json as a document, too."""
    name = click.get_current_context().info_name
    if isinstance(error, InvalidRequest):
        message = _describe_faults(error)
    else:
        message = str(error) or "interrupted"
    cause = error.cause if isinstance(error, PlanFailed) else error
    if isinstance(cause, Refused) and cause.is_denied:
        first, newline, rest = message.partition("\n")
        message = f"{first} (forest policy --for {name} lists what it needs){newline}{rest}"
    if session.is_json:
        is_interrupted = bool(interruption.number)
        document = to_json(error_document(error, message, is_interrupted=is_interrupted))
        click.echo(with_account(document, session.region, session.profile))
    line = with_account(message, session.region, session.profile)
    click.echo(f"forest {name}: {line}", err=True)


def _describe_faults(error: InvalidRequest) -> str:
    """One line about all values, with the options that they come from."""
    lines: dict[tuple[Any, ...], str] = {}
    for one in error.faults:
        options = options_with(one.value)
        # An option can be in several members, such as the prefixes below a bucket.
        lines.setdefault((options or one.call, one.expected), describe_fault(one, options))
    count = f"{len(lines)} invalid values: " if len(lines) > 1 else ""
    return count + "; ".join(lines.values())
