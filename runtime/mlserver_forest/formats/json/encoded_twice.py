"""JSON within a text of JSON, where the JSON itself was meant."""

from typing import Any


def encoded_twice(value: Any, place: str) -> str:
    """What is wrong with a text that holds JSON; empty for any other value.

    Args:
        value: of a member, or of the whole document.
        place: what the sentence calls it.
    """
    if not isinstance(value, str) or value.lstrip(' \n"\\')[:1] not in {"[", "{"}:
        return ""
    return (
        f"{place} is a text that holds JSON: it was encoded twice, as json=json.dumps(rows) does "
        "in requests and httpx; send the JSON itself"
    )
