"""Which variables of a container hold a secret, as far as their names say so."""

import re

_NAMES = re.compile(r"(?i)passw|secret|token|credential|private|api_?key|access_?key|auth")
# CloudFormation's reference to a secret elsewhere.
_REFERENCE = "{{resolve:"


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a variable is not to be shown or written.

    Args:
        name: such as DB_PASSWORD.
        value: its value.
    """
    return bool(_NAMES.search(name)) or _REFERENCE in value
