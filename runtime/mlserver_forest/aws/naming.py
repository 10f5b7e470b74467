"""The names and tags of everything that this tool creates.

Names end in a digest of their content, so that the same command finds what it created before.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlserver_forest.errors import DeploymentError

# The beginning of this tool's tags, which users' tags cannot have. They are the tag on everything
# that this tool creates, and the tags for the endpoint that a model or a configuration was created
# for, the previous configuration of an endpoint, and the digests of the options that created a job
# and of its data in S3.
NAMESPACE = "mlserver-forest:"
OURS = (f"{NAMESPACE}created-by", "mlserver-forest")
FOR_ENDPOINT = f"{NAMESPACE}endpoint"
PREVIOUS = f"{NAMESPACE}previous"
REQUEST = f"{NAMESPACE}request"
DATA = f"{NAMESPACE}data"
# Version 0.1.0 wrote this tag instead of OURS.
OURS_BEFORE = ("created-by", "mlserver-forest")
# The part of a name that is a digest, if it depends on what only AWS knows.
UNKNOWN_DIGEST = "<digest>"
_PLACEHOLDER = re.compile(r"<(account|digest|digest of the|data in|model\.tar\.gz of)\b[^<>]*>")
# CreateModel, CreateEndpoint and CreateTrainingJob accept these names; tuning jobs accept at most
# 32 characters.
_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")


def tag_list(user: Sequence[tuple[str, str]], **ours: str) -> list[dict[str, str]]:
    """The tool's own tags, followed by the user's tags.

    Args:
        user: (key, value) pairs, whose keys do not begin with ``NAMESPACE``.
        ours: the tool's tags without their prefix, such as ``endpoint="iris"``; empty values are
            left out.
    """
    own = {f"{NAMESPACE}{name}": value for name, value in ours.items() if value}
    merged = {**dict(user), **dict([OURS]), **own}
    order = [OURS[0], *own, *(key for key, _ in user)]
    return [{"Key": key, "Value": merged[key]} for key in dict.fromkeys(order)]


def is_ours(tags: Mapping[str, str]) -> bool:
    """Whether a resource with these tags was created by this tool."""
    return any(tags.get(key) == value for key, value in (OURS, OURS_BEFORE))


def foreign_note(tags: Mapping[str, str]) -> str:
    """What a question adds to the name of a resource that this tool did not create, or nothing."""
    return "" if is_ours(tags) else " (which this tool did not create)"


def user_tags(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The user's tags among those of a resource."""
    return tuple(
        (key, value)
        for key, value in tags.items()
        if not key.startswith((NAMESPACE, "aws:")) and (key, value) != OURS_BEFORE
    )


def digest_of(document: Any) -> str:
    """Ten hexadecimal digits of a request: the same options give the same name.

    Returns:
        The digits, or ``UNKNOWN_DIGEST`` if the request contains placeholders for what only AWS
        knows.
    """
    text = json.dumps(document, sort_keys=True, default=str)
    if _PLACEHOLDER.search(text):
        return UNKNOWN_DIGEST
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def checked_name(name: str, longest: int = 63) -> str:
    """Return the name if SageMaker accepts it.

    Raises:
        DeploymentError: if it does not.
    """
    if not _NAME.fullmatch(name) or len(name) > longest:
        raise DeploymentError(
            f"{name!r} is not a name that SageMaker accepts; expected letters and digits, with "
            f"hyphens between them, and at most {longest} characters"
        )
    return name


def name_from(text: str, suffix: str, longest: int = 63) -> str:
    """A valid name: as much of ``text`` as fits before the suffix."""
    words = re.sub(r"[^a-zA-Z0-9-]+", "-", text).strip("-") or "forest"
    if suffix == UNKNOWN_DIGEST:
        return f"{words}-{suffix}"
    return checked_name(f"{words[: longest - len(suffix) - 1].strip('-')}-{suffix}", longest)


def name_with_end(name: str, end: str, longest: int = 63) -> str:
    """A valid name: as much of ``name`` as fits before its end, such as ``-2``."""
    if UNKNOWN_DIGEST in name + end:
        return name + end
    return checked_name(name[: longest - len(end)].rstrip("-") + end if end else name, longest)
