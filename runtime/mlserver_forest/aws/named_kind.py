"""The option --kind: a name may belong to an endpoint and to jobs at the same time."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mlserver_forest.aws.resource_kinds import Kind, Named
from mlserver_forest.errors import DeploymentError

_Run = TypeVar("_Run", bound=Callable[..., Any])


def kind_option(kinds: Sequence[Kind]) -> Callable[[_Run], _Run]:
    """The option that names one of some kinds."""
    words = [kind.word for kind in kinds]
    return click.option("--kind", type=click.Choice(words), help="Only what is of this kind.")


def kinds_of(kinds: Sequence[Kind], word: str | None) -> tuple[Kind, ...]:
    """The kinds that the option names: one, or all if it was not given."""
    return tuple(kind for kind in kinds if word in {None, kind.word})


def only_one(found: Named, name: str, doing: str) -> None:
    """Refuse to choose between several.

    Args:
        found: what exists.
        name: its name.
        doing: what one of them is wanted for, such as "stopped".

    Raises:
        DeploymentError: if there are several.
    """
    if len(found) > 1:
        nouns = " and a ".join(kind.noun for kind, _ in found)
        words = " or ".join(f"--kind {kind.word}" for kind, _ in found)
        raise DeploymentError(
            f"there are a {nouns} {name}, and one can be {doing} at a time; add {words}"
        )
