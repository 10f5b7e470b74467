"""The names and tags of everything that this tool creates.

Names end in a digest of their content, so that the same command finds what it created before.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from mlserver_forest.errors import DeploymentError

# The tag on everything that this tool creates, and the tags for the endpoint that a model or a
# configuration was created for, the previous configuration of an endpoint, and the digest of the
# request that created a job.
OURS = ("created-by", "mlserver-forest")
FOR_ENDPOINT = "mlserver-forest:endpoint"
PREVIOUS = "mlserver-forest:previous"
REQUEST = "mlserver-forest:request"
# CreateModel, CreateEndpoint and CreateTrainingJob accept these names; tuning jobs accept at most
# 32 characters.
_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")


def tag_list(user: Sequence[tuple[str, str]], **ours: str) -> list[dict[str, str]]:
    """The tool's own tags, followed by the user's tags.

    Args:
        user: (key, value) pairs; they replace the tool's own tags with the same key.
        ours: the tool's tags without their prefix, such as ``endpoint="iris"``.
    """
    merged = {OURS[0]: OURS[1], **{f"mlserver-forest:{name}": ours[name] for name in ours}}
    merged.update(user)
    return [{"Key": key, "Value": value} for key, value in merged.items()]


def digest_of(document: Any) -> str:
    """Ten hexadecimal digits of a request: the same options give the same name."""
    text = json.dumps(document, sort_keys=True, default=str)
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
    return checked_name(f"{words[: longest - len(suffix) - 1].strip('-')}-{suffix}", longest)
