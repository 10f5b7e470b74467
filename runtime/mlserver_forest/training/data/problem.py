"""What the owner of the data has to decide before they can be learned from."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlserver_forest.errors import InvalidData


@dataclass(frozen=True)
class Problem:
    """One decision.

    Attributes:
        text: a sentence without its period, with the ways to decide it.
        setting: the hyperparameter that decides it most likely as its owner means; empty if only
            other data would.
        values: the hyperparameter's value, or the items to add to it if it is a list.
    """

    text: str
    setting: str = ""
    values: tuple[str, ...] = ()


_PLAIN = re.compile(r"[^\s,;\[\]{}()\"'!\\]+")


def setting_of(values: Sequence[str]) -> str:
    """A list as a hyperparameter: separated by commas, or as JSON if that would be ambiguous."""
    is_plain = all(map(_PLAIN.fullmatch, values))
    return ",".join(values) if is_plain else json.dumps(list(values), ensure_ascii=False)


def refusal(problems: Iterable[Problem], notes: Iterable[str]) -> InvalidData:
    """The error that asks for all decisions at once.

    Args:
        problems: at least one.
        notes: sentences that may hold the reason.
    """
    problems = list(problems)
    texts = [problem.text for problem in problems]
    if len(texts) > 1:
        listed = "; ".join(f"({number}) {text}" for number, text in enumerate(texts, 1))
        texts = [f"{len(texts)} columns need a decision: {listed}"]
    error = InvalidData(". ".join([*texts, *notes]))
    error.settings = tuple(
        (problem.setting, value) for problem in problems for value in problem.values
    )
    return error
