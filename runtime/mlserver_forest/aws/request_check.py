"""Requests are held against AWS's own model of the service before any call is made.

botocore checks types and required members only. Its models also have patterns, enumerations, bounds
and lengths, which AWS enforces, and which ``service_limits.py`` completes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlserver_forest.aws.service_limits import ITEMS, MORE_LIMITS, describe_value
from mlserver_forest.aws.step import Call, Plan
from mlserver_forest.errors import DeploymentError

# A value that only AWS knows, such as <ARN of iris>.
_ANY_NAME = re.compile(r"<[^<>]+>")


# Compares a value with its shape.
_Check = Callable[[Any, Any, str], Iterator["InvalidValue"]]


class ServiceModels(Protocol):
    """AWS's models of its services."""

    def input_shape(self, service: str, operation: str) -> Any:
        """The shape of an operation's request (botocore's), or None if it has no members."""


@dataclass(frozen=True)
class InvalidValue:
    """A value that AWS would refuse.

    Attributes:
        call: the operation, and the path of the member in its request.
        value: what came, or None if a required member is missing.
        expected: what AWS takes, in words.
    """

    call: str
    value: Any
    expected: str


class InvalidRequest(DeploymentError):
    """AWS would refuse some values of a request.

    Attributes:
        faults: the values, each once.
    """

    def __init__(self, faults: Sequence[InvalidValue]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(describe_fault(one) for one in self.faults))


def describe_fault(fault: InvalidValue, options: Sequence[str] = ()) -> str:
    """A sentence with the place, the value and what was expected.

    Args:
        fault: the value.
        options: the command's options that the value comes from; if there are none, the place is
            the member of the request.
    """
    where = " or ".join(options) or fault.call
    came = "is missing" if fault.value is None else _shortened(fault.value)
    return f"{where} {came}: expected {fault.expected}"


def check_plan(plan: Plan, models: ServiceModels, *, is_dry_run: bool) -> None:
    """Check every call of a plan.

    Args:
        plan: the steps.
        models: AWS's models of its services.
        is_dry_run: whether any text in angle brackets stands for a value that only AWS knows;
            otherwise, only those do that a step takes from earlier answers.

    Raises:
        InvalidRequest: with all the values that AWS would refuse.
    """
    faults: dict[tuple[str, str], InvalidValue] = {}
    for step in plan:
        unknown = _ANY_NAME if is_dry_run else _names(step.given)
        # What was found is there, so that AWS has accepted it once.
        for call in step.action.calls() if step.found is None else ():
            body = {"Body": b""} if "body_from" in call else {}
            request = {**call["request"], **body}
            # A call that is repeated has names for what the calls before it find.
            walker = _Walker(_ANY_NAME if "repeated" in call else unknown)
            for fault in walker.faults_of(models, call["service"], call["operation"], request):
                faults.setdefault((repr(fault.value), fault.expected), fault)
    if faults:
        raise InvalidRequest(list(faults.values()))


def check_call(call: Call, models: ServiceModels) -> None:
    """Check one call, all of whose values are known.

    Raises:
        InvalidRequest: with all the values that AWS would refuse.
    """
    faults = list(_Walker(None).faults_of(models, call.service, call.operation, call.request))
    if faults:
        raise InvalidRequest(faults)


def _names(given: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"<{re.escape(name)}>" for name in given)) if given else None


@dataclass(frozen=True)
class _Walker:
    """Walks a request along its shapes.

    Attributes:
        unknown: matches in text that is not known yet, or None if everything is known.
    """

    unknown: re.Pattern[str] | None

    def faults_of(
        self, models: ServiceModels, service: str, operation: str, request: Mapping[str, Any]
    ) -> Iterator[InvalidValue]:
        """Everything that AWS would refuse in a request."""
        shape = models.input_shape(service, operation)
        if shape is not None:
            yield from self._value(shape, request, operation)

    def _value(self, shape: Any, value: Any, where: str) -> Iterator[InvalidValue]:
        if self.unknown and isinstance(value, str) and self.unknown.search(value):
            return
        inner: Mapping[str, _Check] = {
            "structure": self._structure,
            "list": self._list,
            "map": self._map,
        }
        check = inner.get(shape.type_name) or _LEAVES.get(shape.type_name, _nothing)
        faults = list(check(shape, value, where))
        yield from faults
        limit = MORE_LIMITS.get(shape.name) or MORE_LIMITS.get(_ending(where))
        if limit and not faults and not limit.accepts(value):
            yield InvalidValue(where, value, limit.expected)

    def _structure(
        self, shape: Any, value: Mapping[str, Any], where: str
    ) -> Iterator[InvalidValue]:
        for name in shape.required_members:
            if name not in value:
                yield InvalidValue(f"{where}.{name}", None, "a value, which AWS requires")
        for name, one in value.items():
            if name in shape.members:
                yield from self._value(shape.members[name], one, f"{where}.{name}")
            else:
                known = ", ".join(shape.members)
                yield InvalidValue(f"{where}.{name}", one, f"one of the members {known}")

    def _list(self, shape: Any, value: Sequence[Any], where: str) -> Iterator[InvalidValue]:
        yield from _length(shape, value, where, ITEMS.get(shape.name, "items"))
        for one in value:
            yield from self._value(shape.member, one, where)

    def _map(self, shape: Any, value: Mapping[str, Any], where: str) -> Iterator[InvalidValue]:
        yield from _length(shape, value, where, "items")
        for key, one in value.items():
            yield from self._value(shape.key, key, where)
            yield from self._value(shape.value, one, f"{where}.{key}")


def _ending(where: str) -> str:
    """The last two names of a path."""
    return ".".join(where.split(".")[-2:])


def _nothing(shape: Any, value: Any, where: str) -> Iterator[InvalidValue]:
    """Bytes, times and truth values have no bounds."""
    return iter(())


def _string(shape: Any, value: str, where: str) -> Iterator[InvalidValue]:
    words = shape.metadata.get("enum")
    if words and value not in words:
        yield InvalidValue(where, value, describe_value(shape.name, value, words=words))
        return
    if faults := list(_length(shape, value, where, "characters")):
        yield from faults
        return
    pattern = python_pattern(shape.metadata.get("pattern", ""))
    if pattern and not re.fullmatch(pattern, value, re.DOTALL):
        yield InvalidValue(where, value, describe_value(shape.name, value, pattern=pattern))


def _number(shape: Any, value: float, where: str) -> Iterator[InvalidValue]:
    least, most = _bounds(shape)
    if not (least is None or value >= least) or not (most is None or value <= most):
        yield InvalidValue(where, value, _between(least, most))


def _length(shape: Any, value: Any, where: str, unit: str) -> Iterator[InvalidValue]:
    least, most = _bounds(shape)
    if (most is not None and len(value) > most) or (least is not None and len(value) < least):
        yield InvalidValue(where, value, f"{_between(least, most)} {unit}, not {len(value)}")


def _bounds(shape: Any) -> tuple[Any, Any]:
    return shape.metadata.get("min"), shape.metadata.get("max")


def _between(least: Any, most: Any) -> str:
    if most is None:
        return f"at least {least}"
    return f"{least} to {most}" if least is not None else f"at most {most}"


_LEAVES: Mapping[str, _Check] = {
    "string": _string,
    **dict.fromkeys(("integer", "long", "float", "double"), _number),
}

# AWS's patterns are Java's. Python has no classes by Unicode's properties; \w has the letters and
# digits of all scripts.
_SEPARATORS = r" \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_JAVA = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": _SEPARATORS,
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{ASCII}": r"\x00-\x7f",
    r"\p{Print}": r"\x20-\x7e",
}
_CLASS_OR_PROPERTY = re.compile(r"\[(?:\\.|[^\]\\])*\]|\\p\{\w+\}")


def python_pattern(pattern: str) -> str:
    """The pattern in Python's spelling; empty if Python cannot spell it."""
    # Ranges of UTF-16's surrogates are the characters above U+FFFF.
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff")
    # The end of the text cannot be repeated; CustomerMetadataKey's pattern has such a slip.
    pattern = re.sub(r"\$\{[0-9]+,[0-9]+\}$", "", pattern)
    pattern = _CLASS_OR_PROPERTY.sub(_in_python, pattern).replace(r"\z", r"\Z")
    try:
        re.compile(pattern)
    except re.error:
        return ""
    return pattern


def _in_python(found: re.Match[str]) -> str:
    text = found[0]
    for java, python in _JAVA.items():
        text = text.replace(java, python)
    return text if text.startswith(("[", r"\p")) else f"[{text}]"


def _shortened(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shortened(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({len(value)} items)"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(value)} characters)"
