"""What is said of text that is no JSON."""

import re

import orjson

from mlserver_forest.errors import InvalidInput

_NO_JSON_NUMBER = re.compile(r"-?(nan|inf)", re.IGNORECASE)


def not_json(error: orjson.JSONDecodeError, what: str, place: str = "") -> InvalidInput:
    """The parser's complaint, with the way out where a number is none.

    Args:
        error: the complaint.
        what: the text that was parsed.
        place: of the fault, if the text was not the whole of what the sender knows.
    """
    place = place or f"line {error.lineno} column {error.colno} (char {error.pos})"
    hint = ""
    if _NO_JSON_NUMBER.match(error.doc, error.pos):
        hint = "; JSON has no NaN and no Infinity: send null for a missing value"
    return InvalidInput(f"{what} is not JSON: {error.msg}: {place}{hint}")


def bytes_before(error: orjson.JSONDecodeError) -> int:
    """The bytes of text before the fault; 0 where the text is not UTF-8."""
    return len(error.doc[: error.pos].encode())
