"""What a training job says, in the words of ``forest train``: options in place of settings.

The log and the errors of a job name hyperparameters and channels, as SageMaker does.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.data.problem import setting_of

# Hyperparameter -> the option that sets it; -p sets the others.
OPTIONS: Mapping[str, str] = {
    "target": "--target",
    "algorithm": "--algorithm",
    "ignore": "--ignore",
    "prediction_interval": "--interval",
}
# A list as JSON, or all up to white space without the punctuation of the sentence.
_VALUE = r"\[.*?\](?=[\s;,.:)]|$)|\S+?(?=[;,.:)]*(?:\s|$))"
_PHRASES = (
    (re.compile(r"add the column to ignore"), "leave the column out with --ignore"),
    (re.compile(r"name (it|them) in ignore"), r"leave \1 out with --ignore"),
    (re.compile(r"the hyperparameter ignore"), "--ignore"),
    (re.compile(r"name it in missing_values"), "name it in -p missing_values=..."),
    (re.compile(r"set target to another column"), "choose another column with --target"),
    (re.compile(r"channel 'training'"), "the data"),
    (re.compile(r"channel 'validation'"), "the data of --validation"),
    (re.compile(r"no validation channel"), "no --validation"),
    (re.compile(r"set the channel's ContentType"), "say it with --content-type"),
    (re.compile(r"set ContentType"), "set --content-type"),
)


def in_options(text: str) -> str:
    """A sentence of a job with the options of ``forest train`` in place of hyperparameters."""
    for pattern, instead in _PHRASES:
        text = pattern.sub(instead, text)
    names = _names()
    named = re.compile(rf"\bset ({names})(?![\w=])")
    text = named.sub(lambda found: f"set {OPTIONS.get(found[1]) or f'-p {found[1]}=...'}", text)
    return re.compile(rf"(?<![\w;.-])(?<!-p )({names})=({_VALUE})").sub(_as_option, text)


def command_line(
    given: Sequence[str], hyperparameters: Mapping[str, str], settings: Iterable[tuple[str, str]]
) -> str:
    """The command that decides what a job asked for.

    Args:
        given: the arguments of the command that asked, without hyperparameters.
        hyperparameters: those that ``-p`` gave.
        settings: names and values; several values of one name are items of a list.
    """
    words = ["forest", "train", *given]
    found: dict[str, list[str]] = {}
    for name, value in settings:
        if name in OPTIONS:
            words += [OPTIONS[name], value]
        elif value not in found.setdefault(name, []):
            found[name].append(value)
    for name, value in hyperparameters.items():
        items = [*_items(value), *found.pop(name)] if name in found else None
        words += ["-p", f"{name}={value if items is None else setting_of(items)}"]
    words += [
        word for name, items in found.items() for word in ("-p", f"{name}={setting_of(items)}")
    ]
    return shlex.join(words)


def _items(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except ValueError:
        return [item.strip() for item in text.split(",")]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _names() -> str:
    """A pattern of the names of all hyperparameters, the longest first."""
    names = {*JobHyperparameters.model_fields}.union(
        *(row.hyperparameters.model_fields for row in ALGORITHMS.values())
    )
    return "|".join(sorted(names, key=len, reverse=True))


def _as_option(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if name in OPTIONS:
        return f"{OPTIONS[name]} {shlex.quote(value)}"
    # What follows "..." is up to the reader.
    return f"-p {name}={value}" if value == "..." else f"-p {shlex.quote(f'{name}={value}')}"
