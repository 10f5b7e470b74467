"""A request, held against botocore's own model of the service: types, members, bounds, words."""

import re

import botocore.session
from botocore.validate import ParamValidator

_SESSION = botocore.session.get_session()
_MODELS = {}


def faults_of(call):
    """Everything that is wrong with {"service", "operation", "request"}, in words."""
    service = call["service"]
    if service not in _MODELS:
        _MODELS[service] = _SESSION.get_service_model(service)
    shape = _MODELS[service].operation_model(call["operation"]).input_shape
    report = ParamValidator().validate(call["request"], shape)
    faults = [report.generate_report()] if report.has_errors() else []
    return faults + list(_stricter(shape, call["request"], call["operation"]))


def _stricter(shape, value, where):
    """botocore's validator lets unknown words, patterns and upper bounds pass."""
    yield from _STRICTER.get(shape.type_name, lambda *_: ())(shape, value, where)


def _members(shape, value, where):
    for name, one in value.items():
        yield from _stricter(shape.members[name], one, f"{where}.{name}")


def _items(shape, value, where):
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{where} is longer than {shape.metadata['max']}"
    for number, one in enumerate(value):
        yield from _stricter(shape.member, one, f"{where}[{number}]")


def _pairs(shape, value, where):
    for key, one in value.items():
        yield from _stricter(shape.key, key, f"{where} {key}")
        yield from _stricter(shape.value, one, f"{where}.{key}")


def _too_large(shape, value, where):
    if value > shape.metadata.get("max", value):
        yield f"{where} is {value}, above {shape.metadata['max']}"


def _wrong_word(shape, value, where):
    words = shape.metadata.get("enum")
    if words and value not in words:
        yield f"{where} is {value!r}, none of AWS's words"
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{where} is longer than {shape.metadata['max']}"
    pattern = _in_python(shape.metadata.get("pattern", ""))
    if pattern and not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{where} is {value!r}, which {pattern} does not match"


def _in_python(pattern):
    """AWS's patterns are Java's, whose classes of characters Python spells otherwise."""
    java = {r"\p{L}\p{Z}\p{N}": r"\w\s", r"\p{ASCII}": r"[\x00-\x7f]"}
    pattern = re.sub(r"\$\{\d+,\d+\}$", "", pattern)  # A quantifier of the end: a slip of AWS's.
    for there, here in java.items():
        pattern = pattern.replace(there, here)
    # Ranges of UTF-16's surrogates, and what else Python cannot spell.
    return "" if r"\u" in pattern or r"\p" in pattern else pattern


_STRICTER = {
    "structure": _members,
    "list": _items,
    "map": _pairs,
    "string": _wrong_word,
    **dict.fromkeys(("integer", "long", "float", "double"), _too_large),
}
