"""What is to be called, as data: ``--dry-run`` prints it, ``aws/executor.py`` does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One operation of one service, in the words of botocore's service models."""

    service: str
    operation: str
    request: Request

    def as_json(self) -> dict[str, Any]:
        return {"service": self.service, "operation": self.operation, "request": self.request}


@dataclass(frozen=True)
class Step:
    """A call, and when it is left out.

    Attributes:
        call: what brings about that something exists.
        unless: the look-up that finds it; what is found is not made again.
        otherwise: what to call instead where it was found, or None for nothing.
        makes: what exists afterwards, in words; empty where nothing is kept.
        removed_by: the command that takes it away again.
        file: the local file whose bytes are the request's body.
    """

    call: Call
    unless: Call | None = None
    otherwise: Call | None = None
    makes: str = ""
    removed_by: str = ""
    file: str = ""

    def as_json(self) -> dict[str, Any]:
        shown = self.call.as_json()
        if self.file:
            shown["body_from"] = self.file
        if self.unless:
            shown["unless_found_by"] = self.unless.as_json()
        if self.otherwise:
            shown["where_found"] = self.otherwise.as_json()
        return shown


Plan = tuple[Step, ...]


def calls_of(plan: Sequence[Step]) -> list[Call]:
    """Every call that executing the plan may make."""
    return [
        call
        for step in plan
        for call in (step.unless, step.call, step.otherwise)
        if call is not None
    ]


def given(**members: Any) -> dict[str, Any]:
    """A request's members without those that were not asked for (None, empty)."""
    return {name: value for name, value in members.items() if value not in (None, "", (), [], {})}
