"""The outputs that a request chooses by name; ``named_outputs`` makes them."""

import re

from mlserver_forest.errors import InvalidInput

# ``outputs=a,b`` in the custom attributes; other attributes may follow it.
_PARAMETER = re.compile(r"(?:^|[;,&\s])outputs\s*=\s*\"?([^;&\"]*)")


def chosen(custom_attributes: str | None) -> tuple[str, ...]:
    """The outputs that a request names in X-Amzn-SageMaker-Custom-Attributes, if any.

    Raises:
        InvalidInput: if the parameter ``outputs`` names no output.
    """
    found = _PARAMETER.search(custom_attributes or "")
    if not found:
        return ()
    words = [word.strip().lower() for word in found[1].split(",")]
    # In ``outputs=a,b,trace=7`` the comma before ``trace`` ends the list.
    names = [word for word in words if word and "=" not in word]
    if not names:
        raise InvalidInput(
            "outputs= in X-Amzn-SageMaker-Custom-Attributes names no output; "
            "write for example outputs=predicted_label,probabilities"
        )
    return tuple(dict.fromkeys(names))
