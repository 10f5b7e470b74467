"""Model package groups and their versions: ``GROUP@3`` and ``GROUP@approved`` on a command line."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.naming import checked_name, tag_list
from mlserver_forest.aws.step import Answer, Call, Step
from mlserver_forest.errors import DeploymentError

APPROVED, REJECTED, PENDING = "Approved", "Rejected", "PendingManualApproval"
# How a person reads a status.
STATUS_WORDS = {APPROVED: "approved", REJECTED: "rejected", PENDING: "pending"}
_NEWEST_APPROVED = "approved"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

Say = Callable[[str], None]


@dataclass(frozen=True)
class VersionName:
    """A version of a model package group, as it is typed.

    Attributes:
        group: the group's name.
        version: its number, "approved" for the newest that is approved, or empty for the newest.
    """

    group: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.group}@{self.version}" if self.version else self.group


def read_version_name(text: str) -> VersionName | None:
    """Read GROUP@VERSION; None if the text does not have that form, or is a path that exists.

    Raises:
        DeploymentError: if the group's name is none that SageMaker accepts, or if what follows the
            @ is neither a number nor "approved".
    """
    group, at, version = text.partition("@")
    if not at or "/" in text or Path(text).exists():
        return None
    checked_name(group)
    if version != _NEWEST_APPROVED and not _NUMBER.fullmatch(version):
        raise DeploymentError(
            f"{text}: {version!r} is not a version; expected {group}@approved, or a number, such "
            f"as {group}@1 (forest list --group {group})"
        )
    return VersionName(group, version)


def resolve_version(existing: Existing, model: str, region: str, say: Say) -> str:
    """The ARN of the model package that GROUP@VERSION names; any other MODEL as it is.

    Args:
        existing: the account.
        model: MODEL on a command line.
        region: the region that is used.
        say: prints a line about the version.

    Raises:
        DeploymentError: if there is no such version.
    """
    name = read_version_name(model)
    if name is None:
        return model
    found = find_version(existing, name)
    if found is UNKNOWN:
        number = "<newest approved version>" if name.version == _NEWEST_APPROVED else name.version
        return f"arn:aws:sagemaker:{region}:<account>:model-package/{name.group}/{number}"
    text = found.get("ModelPackageDescription", "")
    say(f"{model} is version {found['ModelPackageVersion']}{f': {text}' if text else ''}")
    return str(found["ModelPackageArn"])


def group_look_up(group: str) -> Call:
    """The call that describes a group."""
    return Call("sagemaker", "DescribeModelPackageGroup", {"ModelPackageGroupName": group})


def group_step(existing: Existing, group: str, tags: Sequence[tuple[str, str]] = ()) -> Step:
    """The step that creates a group unless it exists.

    Args:
        existing: the account.
        group: its name.
        tags: the user's tags.
    """
    request = {"ModelPackageGroupName": group, "Tags": tag_list(tags)}
    return existing.settle(
        Step(
            Call("sagemaker", "CreateModelPackageGroup", request),
            found_by=group_look_up(group),
            makes=f"model package group {group}",
            removed_by=f"forest delete {group} --kind model-package-group",
        )
    )


def package_look_up(arn: str) -> Call:
    """The call that describes a version by its ARN."""
    return Call("sagemaker", "DescribeModelPackage", {"ModelPackageName": arn})


def versions_call(group: str) -> Call:
    """The call that lists the versions of a group."""
    request = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending"}
    return Call("sagemaker", "ListModelPackages", request, items="ModelPackageSummaryList")


def find_versions(existing: Existing, group: str) -> list[Answer] | Unknown:
    """The summaries of a group's versions, newest first; empty if there is no such group."""
    call = versions_call(group)
    if existing.find(call) is UNKNOWN:
        return UNKNOWN
    return sorted(existing.items(call), key=lambda one: -int(one["ModelPackageVersion"]))


def find_version(existing: Existing, name: VersionName) -> Answer | Unknown:
    """The summary of a version.

    Raises:
        DeploymentError: naming what there is instead, and the command that approves a version.
    """
    found = find_versions(existing, name.group)
    if found is UNKNOWN:
        return UNKNOWN
    if not found:
        raise DeploymentError(
            f"there is no model package group {name.group} with versions in {existing.region}; "
            "forest list --group shows the groups"
        )
    if not name.version:
        return found[0]
    if name.version == _NEWEST_APPROVED:
        return _newest_approved(name.group, found)
    for one in found:
        if str(one["ModelPackageVersion"]) == name.version:
            return one
    numbers = ", ".join(str(one["ModelPackageVersion"]) for one in found[:10])
    raise DeploymentError(
        f"model package group {name.group} does not have a version {name.version}; the newest are "
        f"{numbers} (forest list --group {name.group})"
    )


def approved_version(found: Sequence[Answer]) -> Answer | None:
    """The newest approved one of some versions, newest first; None if none is."""
    return next((one for one in found if one.get("ModelApprovalStatus") == APPROVED), None)


def _newest_approved(group: str, found: Sequence[Answer]) -> Answer:
    if approved := approved_version(found):
        return approved
    pending = (one for one in found if one.get("ModelApprovalStatus") == PENDING)
    newest = next(pending, None)
    if newest is None:
        raise DeploymentError(
            f"no version of model package group {group} is approved, and none is pending; "
            f"forest register MODEL --group {group} adds one"
        )
    number, text = newest["ModelPackageVersion"], newest.get("ModelPackageDescription", "")
    raise DeploymentError(
        f"no version of model package group {group} is approved; the newest pending one is "
        f"{number}{f' ({text})' if text else ''}: forest approve {group}@{number}"
    )
