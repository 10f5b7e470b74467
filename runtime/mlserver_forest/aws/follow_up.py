"""Commands that are printed work as they are printed: they name the region and the profile.

A message says ``forest status iris``. If the command that prints it was given ``--region`` or
``--profile``, the printed command needs the same options, wherever the message comes from.
"""

import re
import shlex

# The commands that take --region and --profile, and those of the AWS command line.
FOREST_COMMANDS = (
    *("push", "fit", "tune", "deploy", "invoke", "transform", "status", "logs", "list"),
    *("rollback", "stop", "delete", "policy"),
)
_AWS_COMMANDS = ("ecr", "iam", "logs", "s3", "s3api", "sagemaker", "sso", "sts")
_FOREST = re.compile(rf"\bforest ({'|'.join(FOREST_COMMANDS)})\b")
_AWS = re.compile(rf"\baws ((?:{'|'.join(_AWS_COMMANDS)}) )")


def with_account(text: str, region: str | None, profile: str | None) -> str:
    """The text, with the options after the name of each command in it.

    Args:
        text: a message.
        region: the value of ``--region``, or None if it was not given.
        profile: the value of ``--profile``, or None if it was not given.
    """
    given = (("--region", region), ("--profile", profile))
    options = "".join(f" {name} {shlex.quote(value)}" for name, value in given if value)
    if not options:
        return text
    text = _FOREST.sub(lambda found: f"forest {found[1]}{options}", text)
    return _AWS.sub(lambda found: f"aws{options} {found[1]}", text)
