"""What every command shares: its five options, the console, and how it fails."""

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlserver_forest.aws.steps import Call, Step
from mlserver_forest.errors import ForestError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Session:
    """One run of a command.

    Attributes:
        region, profile: or None for what boto3 finds.
        dry_run: print the calls and make none.
        yes: do not ask.
        as_json: the result as JSON on stdout.
    """

    region: str | None
    profile: str | None
    dry_run: bool
    yes: bool
    as_json: bool

    @cached_property
    def aws(self) -> "Aws":
        from mlserver_forest.aws.client import Aws

        return Aws(self.region, self.profile)

    def say(self, line: str) -> None:
        """For the person who waits; stdout is for the result alone."""
        click.echo(line, err=True)

    def bar(self, name: str, size: int) -> Any:
        """A progress bar, where somebody can see one."""
        from tqdm import tqdm

        return tqdm(
            desc=name, total=size, unit="B", unit_scale=True, unit_divisor=1024, disable=None
        )

    def result(self, document: Mapping[str, Any], lines: Sequence[str]) -> None:
        """As JSON where that was asked for, else in words."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2, default=str))
        else:
            for line in lines:
                click.echo(line)

    def confirm(self, question: str) -> None:
        """Goes on only where the person agrees.

        Raises:
            ForestError: if not, or if nobody is there to be asked.
        """
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise ForestError(f"{question} Nobody can answer here; add --yes")
        if not click.confirm(question, err=True):
            raise ForestError("nothing was done")

    def show(self, calls: Sequence[Step | Call], **more: Any) -> None:
        """--dry-run's answer."""
        document = {"calls": [call.as_json() for call in calls], **more}
        click.echo(json.dumps(document, indent=2))


_OPTIONS = (
    click.option("--region", help="AWS region; by default the configured one."),
    click.option("--profile", help="Profile of ~/.aws/config; by default the configured one."),
    click.option("--dry-run", is_flag=True, help="Print the calls as JSON and make none."),
    click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)


def command(run: _Command) -> click.Command:
    """A click command with the five options, whose errors are one line and an exit code."""

    @functools.wraps(run)
    def wrapped(
        region: str | None,
        profile: str | None,
        dry_run: bool,
        yes: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        session = Session(region, profile, dry_run, yes, as_json)
        name = click.get_current_context().info_name
        try:
            run(session, **options)
        except (ForestError, OSError) as error:
            click.echo(f"forest {name}: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(f"forest {name}: interrupted", err=True)
            sys.exit(130)

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    # What decorators wrote on the function, functools.wraps has copied.
    made: click.Command = click.command(name=run.__name__.strip("_").replace("_", "-"))(decorated)
    return made
