"""What exists in the account, as far as plans need to know."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Protocol

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.parallel_calls import in_parallel
from mlserver_forest.aws.request_check import InvalidRequest
from mlserver_forest.aws.step import Answer, Call, Step
from mlserver_forest.errors import DeploymentError


class Unknown(Enum):
    """The answer to a look-up that cannot be made."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Found = Answer | Unknown | None


class Reader(Protocol):
    """An account from which resources can be read."""

    @property
    def region(self) -> str: ...

    def find(self, call: Call) -> Answer | None:
        """The answer to a look-up, or None if the resource does not exist."""

    def call(self, call: Call) -> Answer:
        """The answer; raises an error if the resource does not exist."""


class Existing:
    """What exists in the account; each look-up is made once.

    Args:
        reader: the account, or None if it cannot be read; every answer is then UNKNOWN.
        note: prints a line about a look-up that is optional and was refused.
        say: prints a line; given for a dry run. A look-up that fails is then not an error: a line
            is printed, and this answer and all later ones are UNKNOWN.

    Attributes:
        region: the account's region, or empty if it cannot be read.
    """

    def __init__(
        self,
        reader: Reader | None,
        say: Callable[[str], None] | None = None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.region = reader.region if reader else ""
        self._reader = reader
        self._say = say
        self._note = note
        self._answers: dict[str, Found] = {}

    def find(self, call: Call, *, instead: str = "", optional: str = "") -> Found:
        """The answer to a look-up, None if the resource does not exist, or UNKNOWN.

        Args:
            call: the look-up.
            instead: what the user can do without the permission, for the error.
            optional: what is not known without the permission, if the command can do without it:
                a line is then noted, and the answer is UNKNOWN.

        Raises:
            DeploymentError: if AWS refuses, unless this is a dry run.
        """
        key = _key(call)
        if key not in self._answers:
            self._answers[key] = self._ask(call, instead, optional)
        return self._answers[key]

    def find_together(self, calls: Sequence[Call]) -> None:
        """Make look-ups in several threads, so that ``find`` has their answers.

        Raises:
            DeploymentError: if AWS refuses, unless this is a dry run.
        """
        if self._reader is not None and calls:
            # The first one alone: if AWS does not answer, nothing else is asked.
            self.find(calls[0])
            in_parallel(self.find, calls[1:])

    def need(self, call: Call, *, instead: str = "") -> Answer | Unknown:
        """The answer to a look-up of a resource that must exist.

        Args:
            call: the look-up.
            instead: as in ``find``.

        Raises:
            DeploymentError: if it does not exist, or if AWS refuses.
        """
        found = self.find(call, instead=instead)
        if found is None and self._reader is not None:
            # A second call raises AWS's own error message.
            return self._reader.call(call)
        return UNKNOWN if found is None else found

    def items(self, call: Call, *, instead: str = "", optional: str = "") -> list[Any]:
        """The items of a listing; empty if they are unknown.

        Args:
            call: the listing.
            instead: as in ``find``.
            optional: as in ``find``.
        """
        found = self.find(call, instead=instead, optional=optional)
        return [] if found is None or found is UNKNOWN else list(found[call.items])

    def settle(self, step: Step, is_same: Callable[[Answer], bool] = lambda found: True) -> Step:
        """Look up whether the result of a step exists, and adapt the step.

        Args:
            step: a step with ``found_by``.
            is_same: returns whether what was found is what the step would create.
        """
        if step.found_by is None:
            return step
        found = self.find(step.found_by)
        if found is UNKNOWN:
            return replace(step, unless=step.found_by)
        return replace(step, found=found) if found and is_same(found) else step

    def _ask(self, call: Call, instead: str, optional: str) -> Found:
        if self._reader is None:
            return UNKNOWN
        try:
            return self._reader.find(call)
        except InvalidRequest:
            raise
        except DeploymentError as error:
            denied = error if isinstance(error, Refused) and error.is_denied else None
            if denied and optional:
                self._note(f"{optional} is unknown: {error}")
                return UNKNOWN
            if self._say is None:
                raise (denied.with_advice(instead) if denied and instead else error) from error
            self._say(f"what exists is unknown, because AWS did not answer: {error}")
            self._reader = None
            return UNKNOWN


def _key(call: Call) -> str:
    return json.dumps(call.as_json(), sort_keys=True, default=str)
