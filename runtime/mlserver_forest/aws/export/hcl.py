"""Text of HashiCorp's configuration language (the specification of its native syntax)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BASIC = 0xFFFF
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class Expression:
    """Text that is written as it is, such as ``aws_sagemaker_model.model.name``."""

    text: str


@dataclass(frozen=True)
class NestedBlocks:
    """A nested block, or several of one type."""

    bodies: tuple[Mapping[str, Any], ...]


def quoted(text: str) -> str:
    """A string literal, in which ${ and %{ begin no template."""
    escaped = "".join(_ESCAPES.get(one, one) for one in text)
    escaped = "".join(one if one.isprintable() else _code(ord(one)) for one in escaped)
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def _code(point: int) -> str:
    return f"\\u{point:04x}" if point <= _BASIC else f"\\U{point:08x}"


def block(kind: str, labels: tuple[str, ...], body: Mapping[str, Any]) -> str:
    """A block.

    Args:
        kind: such as ``resource``.
        labels: such as the type and the name of a resource.
        body: attributes by name (text, numbers, truth values, lists, maps, ``Expression``) and
            ``NestedBlocks``.
    """
    head = " ".join((kind, *map(quoted, labels)))
    return "\n".join((f"{head} {{", *_lines(body, 1), "}"))


def _lines(body: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    attributes = {name: one for name, one in body.items() if not isinstance(one, NestedBlocks)}
    widest = max(map(len, attributes), default=0)
    for name, value in attributes.items():
        yield f"{indent}{name:{widest}} = {_value(value, depth)}"
    is_first = not attributes
    for name, value in body.items():
        for inner in value.bodies if isinstance(value, NestedBlocks) else ():
            yield from () if is_first else ("",)
            is_first = False
            yield f"{indent}{name} {{"
            yield from _lines(inner, depth + 1)
            yield f"{indent}}}"


def _key(name: str) -> str:
    """A key of a map; only a word needs no quotation marks."""
    return name if _WORD.fullmatch(name) else quoted(name)


def _value(value: Any, depth: int) -> str:
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inner = "  " * (depth + 1)
        pairs = (f"{inner}{_key(name)} = {_value(one, depth)}" for name, one in value.items())
        return "\n".join(("{", *pairs, "  " * depth + "}"))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one, depth) for one in value)}]"
    return quoted(str(value))
