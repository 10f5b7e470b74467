"""What a command will do, as data: ``--dry-run`` prints it, and ``aws/executor.py`` runs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

Request = Mapping[str, Any]
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One operation of one service, with the names of botocore's service models.

    Attributes:
        service: botocore's name of the service, such as ``application-autoscaling``.
        operation: such as ``CreateModel``.
        request: the operation's members.
        items: for an operation that answers in pages, the member of the answer that holds the
            items; the answer is then ``{items: [the items of all pages]}``.
        most: the number of items after which no more pages are read, or 0 to read all.
    """

    service: str
    operation: str
    request: Request
    items: str = ""
    most: int = 0

    def as_json(self) -> dict[str, Any]:
        """The call as --dry-run prints it."""
        return {"service": self.service, "operation": self.operation, "request": self.request}

    def calls(self) -> list[dict[str, Any]]:
        return [self.as_json()]


class Action(Protocol):
    """What a step does: a ``Call``, or something that consists of several calls."""

    def calls(self) -> list[dict[str, Any]]:
        """What ``--dry-run`` prints; a call with ``repeated`` may be made any number of times."""


@dataclass(frozen=True)
class Send:
    """A call whose Body is a local file; the Body of its answer is read to the end.

    Attributes:
        call: the call without its Body.
        file: the path of the file; ``-`` is standard input.
    """

    call: Call
    file: str

    def calls(self) -> list[dict[str, Any]]:
        return [{**self.call.as_json(), "body_from": self.file}]


@dataclass(frozen=True)
class Command:
    """A docker command.

    Attributes:
        arguments: the command line; it never contains a secret.
        password: what is written to its standard input, or empty.
        is_query: whether its output is the answer, ``{"stdout": text}``; otherwise its output
            goes to standard error.
    """

    arguments: tuple[str, ...]
    password: str = ""
    is_query: bool = False

    def calls(self) -> list[dict[str, Any]]:
        return []


@dataclass(frozen=True)
class Step:
    """An action, and the conditions under which it is left out.

    Attributes:
        action: what is done.
        found_by: the look-up that finds what the step makes.
        found: the result of that look-up; if there is one, the step does nothing.
        unless: the step is left out if this look-up, made just before, finds something.
        only_if: the step is left out if this look-up, made just before, finds nothing.
        when: a text with the condition if it could not be looked up, in dry runs only.
        given: the names of the values that come from the answers of earlier steps; the action
            contains ``<name>`` in their place.
        gives: turns the answer into values by name, for later steps.
        makes: a text that says what exists afterwards; empty if nothing is kept.
        removed_by: the command that removes it again.
        removes: a text that says what is gone afterwards.
        says: the message that is printed afterwards.
        may_be_missing: whether it is fine if the resource does not exist.
        if_refused: the message that is printed if AWS refuses, instead of an error.
        even_if_failed: whether the step is run even if a job before it has failed.
    """

    action: Action
    found_by: Call | None = None
    found: Answer | None = None
    unless: Call | None = None
    only_if: Call | None = None
    when: str = ""
    given: tuple[str, ...] = ()
    gives: Callable[[Answer], Mapping[str, str]] | None = None
    makes: str = ""
    removed_by: str = ""
    removes: str = ""
    says: str = ""
    may_be_missing: bool = False
    if_refused: str = ""
    even_if_failed: bool = False

    def filled(self, values: Mapping[str, str]) -> "Step":
        """The same step with the values of earlier answers in place of ``<name>``."""
        here = {name: values[name] for name in self.given if name in values}
        if not here:
            return self
        return replace(
            self,
            action=fill(self.action, here),
            unless=fill(self.unless, here),
            says=fill(self.says, here),
        )

    def as_json(self) -> list[dict[str, Any]]:
        """The calls that the step makes, with the conditions that are not known yet."""
        if self.found is not None:
            return []
        conditions: dict[str, Any] = {}
        if self.unless:
            conditions["unless_found_by"] = self.unless.as_json()
        if self.only_if:
            conditions["only_if_found_by"] = self.only_if.as_json()
        if self.when:
            conditions["when"] = self.when
        if self.given:
            conditions["given"] = list(self.given)
        return [{**call, **conditions} for call in self.action.calls()]


Plan = tuple[Step, ...]


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """What ``--dry-run`` prints: the calls to AWS, and docker commands if there are any."""
    commands = [list(step.action.arguments) for step in plan if isinstance(step.action, Command)]
    printed: dict[str, Any] = {"calls": [call for step in plan for call in step.as_json()]}
    return {**printed, "commands": commands} if commands else printed


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """Replace every ``<name>`` in the strings of a value, however deeply they are nested."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"<{name}>", text)
        return value
    if isinstance(value, Mapping):
        return {key: fill(one, values) for key, one in value.items()}
    if isinstance(value, Sequence):
        return type(value)(fill(one, values) for one in value)  # type: ignore[call-arg]  # list, tuple
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: fill(getattr(value, one.name), values) for one in fields(value)}
        return replace(value, **changed)
    return value


def members(**values: Any) -> dict[str, Any]:
    """A request's members without those that are None or empty."""
    return {name: value for name, value in values.items() if value not in (None, "", (), [], {})}
