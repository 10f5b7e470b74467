"""What every command shares: its five options, the account, the console, and how it fails."""

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.step import Answer, Plan, plan_as_json
from mlserver_forest.errors import DeploymentError, ForestError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws
    from mlserver_forest.aws.executor import Executor

_Command = TypeVar("_Command", bound=Callable[..., Any])

POLL = click.option(
    "--poll",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.05),
    help="Seconds between two looks at the state.",
)
WAIT = click.option("--wait/--no-wait", default=True, help="Follow it to its end.")


@dataclass(frozen=True)
class Session:
    """One run of a command.

    Attributes:
        region, profile: or None for what boto3 finds.
        dry_run: print the steps and run none.
        yes: do not ask.
        is_json: whether the result is printed as JSON.
    """

    region: str | None
    profile: str | None
    dry_run: bool
    yes: bool
    is_json: bool

    @cached_property
    def aws(self) -> "Aws":
        """The account; there may be no credentials."""
        from mlserver_forest.aws.client import Aws

        return Aws(self.region, self.profile)

    @cached_property
    def existing(self) -> Existing:
        """What exists; unknown in a dry run without credentials, which is no error."""
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
        """Runs plans in this session's account.

        Args:
            values: what steps are given beside earlier answers.
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
        """Tell the person who waits; standard output is for the result alone."""
        click.echo(line, err=True)

    def show(self, line: str) -> None:
        """Print a line of the result, as JSON with --json."""
        click.echo(json.dumps({"message": line}) if self.is_json else line)

    def result(self, document: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Print the result: the document with --json, else the lines."""
        if self.is_json:
            click.echo(json.dumps(document, indent=2, default=str))
        else:
            for line in lines:
                click.echo(line)

    def confirm(self, question: str) -> None:
        """Go on only if the person agrees; a dry run changes nothing and does not ask.

        Raises:
            ForestError: if not, or if nobody is there to be asked.
        """
        if self.yes or self.dry_run:
            return
        if not sys.stdin.isatty():
            raise ForestError(f"{question} Nobody can answer here; add --yes")
        if not click.confirm(question, err=True):
            raise ForestError("nothing was done")

    def bar(self, name: str, size: int) -> Any:
        """A progress bar, where somebody can see one."""
        from tqdm import tqdm

        return tqdm(
            desc=name, total=size, unit="B", unit_scale=True, unit_divisor=1024, disable=None
        )


_OPTIONS = (
    click.option("--region", help="AWS region; by default the configured one."),
    click.option("--profile", help="Profile of ~/.aws/config; by default the configured one."),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print as JSON the calls that would be made; change nothing.",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    click.option("--json", "is_json", is_flag=True, help="Print the result as JSON."),
)


def command(run: _Command) -> click.Command:
    """A click command with the five options, whose errors are one line and an exit code."""

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
            click.echo(f"forest {name}: {error}", err=True)
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
