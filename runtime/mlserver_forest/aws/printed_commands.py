"""Commands in messages, with the region and the profile that this command was given.

A message such as "follow it: forest status iris" is made where neither is known. A command works as
it is printed only if it looks where this one has looked.
"""

import re
import shlex

# The commands of this tool, and those of AWS's, that a message may name; not the start of an error,
# such as "forest fit: ...".
_COMMAND = re.compile(
    r"\bforest (?:push|fit|tune|deploy|autoscale|update|invoke|transform|status|logs|list|rollback"
    r"|stop|delete)\b(?![:-])"
    r"|\baws(?= (?:s3|s3api|sso) )"
)


def with_place(text: str, region: str | None, profile: str | None) -> str:
    """The text, in which each command has the options that say where it looks.

    Args:
        text: a message.
        region: the value of --region, or None if it was not given.
        profile: the value of --profile, or None if it was not given.
    """
    given = {"--region": region, "--profile": profile}
    words = [f"{name} {shlex.quote(value)}" for name, value in given.items() if value]
    if not words:
        return text
    return _COMMAND.sub(lambda found: " ".join((found[0], *words)), text)
