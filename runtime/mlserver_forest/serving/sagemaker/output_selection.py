"""The outputs that a request chooses by name; ``named_outputs`` makes them."""

import re

from mlserver_forest.errors import InvalidInput

# ``outputs=a,b`` in the custom attributes; other attributes may follow it.
_PARAMETER = re.compile(r"(?:^|[;,&\s])outputs\s*=\s*\"?([^;&\"]*)", re.IGNORECASE)


def chosen(custom_attributes: str | None) -> tuple[str, ...]:
    """The outputs that a request names in X-Amzn-SageMaker-Custom-Attributes, if any.

    Raises:
        InvalidInput: if the parameter ``outputs`` names no output, or comes twice.
    """
    found = _PARAMETER.findall(custom_attributes or "")
    if not found:
        return ()
    if len(found) > 1:
        raise InvalidInput(
            "outputs= comes twice in X-Amzn-SageMaker-Custom-Attributes; write it once, for "
            "example outputs=predicted_label,probabilities"
        )
    words = [word.strip().lower() for word in found[0].split(",")]
    # In ``outputs=a,b,trace=7`` the comma before ``trace`` ends the list.
    names = [word for word in words if word and "=" not in word]
    if not names:
        raise InvalidInput(
            "outputs= in X-Amzn-SageMaker-Custom-Attributes names no output; "
            "write for example outputs=predicted_label,probabilities"
        )
    return tuple(dict.fromkeys(names))
