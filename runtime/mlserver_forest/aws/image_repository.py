"""The image's repository in ECR: its name, and which of its images was pushed last.

ECR says when an image first came (``imagePushedAt``), and not when it was pushed again. So each
push adds a tag with its time.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mlserver_forest.errors import DeploymentError

# AmazonSageMakerFullAccess lets a user push to repositories with "sagemaker" in their name.
REPOSITORY = "sagemaker-mlserver-forest"
# The default of earlier versions, whose images are still found.
EARLIER_REPOSITORY = "mlserver-forest"

# Both as in ECR's API reference (CreateRepository, ImageIdentifier).
_NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
_SHORTEST, _LONGEST = 2, 256
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PUSHED = "pushed-%Y%m%dT%H%M%S.%fZ"


def check_repository(name: str) -> None:
    """Check the name of a repository.

    Raises:
        DeploymentError: with the rule and a name that keeps it.
    """
    if _NAME.fullmatch(name) and _SHORTEST <= len(name) <= _LONGEST:
        return
    likely = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST]
    example = likely if len(likely) >= _SHORTEST else REPOSITORY
    raise DeploymentError(
        f"--repository {name!r}: expected {_SHORTEST} to {_LONGEST} lower-case letters and digits, "
        f"with single . _ - or / between them, such as {example}"
    )


def check_tag(tag: str) -> None:
    """Check a tag.

    Raises:
        DeploymentError: with the rule.
    """
    if tag and not _TAG.fullmatch(tag):
        raise DeploymentError(
            f"--tag {tag!r}: expected at most 128 letters, digits and . _ -, the first of them "
            "not . or -"
        )


def pushed_tag(now: datetime) -> str:
    """The tag that a push at a time adds; ``now`` is in UTC."""
    return now.strftime(_PUSHED)


def last_pushed(images: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The image that was pushed last.

    Args:
        images: some of the imageDetails that DescribeImages answers with.
    """
    return max(images, key=_last_time)


def _last_time(image: Mapping[str, Any]) -> datetime:
    first: datetime = image["imagePushedAt"]
    times = [_time_of(tag) for tag in image.get("imageTags") or ()]
    return max([first, *filter(None, times)])


def _time_of(tag: str) -> datetime | None:
    """When a push added this tag; None for any other tag."""
    try:
        return datetime.strptime(tag, _PUSHED).replace(tzinfo=UTC)
    except ValueError:
        return None
