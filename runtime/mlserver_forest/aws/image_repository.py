"""The image's repository in ECR: its name, and which of its images was pushed last.

ECR says when an image first came (``imagePushedAt``), and not when it was pushed again, nor for
which processors it is. So each push adds a tag with the platforms and the time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
_PUSHED = re.compile(r"pushed-(?P<platforms>(?:[a-z0-9]+-)*)(?P<time>[0-9]{8}T[0-9.]+Z)")
_TIME = "%Y%m%dT%H%M%S.%fZ"
_OS = "linux/"


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


def pushed_tag(platforms: Iterable[str], time: str) -> str:
    """The tag that a push adds, such as ``pushed-amd64-20260501T120000.000000Z``.

    Args:
        platforms: those of the image, such as linux/amd64.
        time: from ``push_time``, or a placeholder.
    """
    names = "".join(f"{one.removeprefix(_OS)}-" for one in platforms)
    return f"pushed-{names}{time}"


def push_time(now: datetime) -> str:
    """The time of a push as its tag has it; ``now`` is in UTC."""
    return now.strftime(_TIME)


def last_pushed(
    images: Iterable[Mapping[str, Any]], platform: str = ""
) -> Mapping[str, Any] | None:
    """The image that was pushed last, or None if there is none for the platform.

    Args:
        images: some of the imageDetails that DescribeImages answers with.
        platform: such as linux/amd64, or empty for any.
    """
    fitting = [one for one in images if runs_on(one, platform)]
    return max(fitting, key=_last_time, default=None)


def runs_on(image: Mapping[str, Any], platform: str) -> bool:
    """Whether an image is for a platform, as far as it is known.

    Images that others pushed do not say it, nor those of earlier versions.

    Args:
        image: one of the imageDetails that DescribeImages answers with.
        platform: such as linux/amd64, or empty for any.
    """
    known = {_OS + name for names, _ in _pushes(image) for name in names}
    return not platform or not known or platform in known


def _last_time(image: Mapping[str, Any]) -> datetime:
    first: datetime = image["imagePushedAt"]
    return max([first, *(time for _, time in _pushes(image))])


def _pushes(image: Mapping[str, Any]) -> Iterator[tuple[list[str], datetime]]:
    """The processors (such as amd64) and the time in each tag that a push added."""
    for found in filter(None, map(_PUSHED.fullmatch, image.get("imageTags") or ())):
        names = [name for name in found["platforms"].split("-") if name]
        with suppress(ValueError):
            yield names, datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC)
