"""What all commands share: five options, the account, the console, and the form of errors."""

import functools
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.follow_up import with_account
from mlserver_forest.aws.step import Answer, Plan, plan_as_json
from mlserver_forest.errors import DeploymentError, ForestError
from mlserver_forest.optional_library import require

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws
    from mlserver_forest.aws.executor import Executor

_Command = TypeVar("_Command", bound=Callable[..., Any])

POLL = click.option(
    "--poll",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.05),
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
            return Existing(self.aws)
        try:
            return Existing(self.aws if self.aws.has_credentials() else None, self.say)
        except DeploymentError:
            return Existing(None)

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
            click.echo(json.dumps(plan_as_json(plan), indent=2))
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
        click.echo(json.dumps({"message": line}) if self.is_json else line)

    def result(self, document: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Print the result: the document with --json, else the lines."""
        if self.is_json:
            click.echo(json.dumps(finite(document), indent=2, default=str))
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


def finite(value: Any) -> Any:
    """The value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


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


def command(run: _Command) -> click.Command:
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
        name = click.get_current_context().info_name
        try:
            run(session, **options)
        except (ForestError, OSError) as error:
            click.echo(f"forest {name}: {with_account(str(error), region, profile)}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(f"forest {name}: interrupted", err=True)
            sys.exit(130)
        finally:
            session.close()

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    made: click.Command = click.command(name=run.__name__.strip("_").replace("_", "-"))(decorated)
    return made
