"""``forest delete`` of a version in the model registry, or of a group with all its versions."""

from dataclasses import dataclass

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.delete.plan import NothingToDelete
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.model_group import (
    STATUS_WORDS,
    VersionName,
    find_version,
    find_versions,
    group_look_up,
    package_look_up,
)
from mlserver_forest.aws.naming import is_ours
from mlserver_forest.aws.resource_kinds import tags_of
from mlserver_forest.aws.sagemaker_model import data_of_model
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.errors import DeploymentError

# What --kind may name beside the kinds of ``plan.KINDS``.
GROUP_KIND = "model-package-group"


@dataclass(frozen=True)
class Registered:
    """Versions of a group, and the group if it goes, too.

    Attributes:
        group: the group's name.
        versions: the ARN of each version, and its status in words.
        is_whole: whether the group itself is deleted.
        stays: texts that name what is not deleted.
    """

    group: str
    versions: tuple[tuple[str, str], ...]
    is_whole: bool = False
    stays: tuple[str, ...] = ()

    def describe(self) -> str:
        """Everything that is deleted, for the question to the user."""
        versions = ", ".join(
            f"version {arn.rpartition('/')[2]} ({status})" for arn, status in self.versions
        )
        if not self.is_whole:
            return f"{versions} of {self.group}"
        return f"model package group {self.group}{f' with {versions}' if versions else ''}"


def find_registered(existing: Existing, name: VersionName, *, foreign: bool) -> Registered:
    """Find a version, or a group with its versions if the name has no version.

    Args:
        existing: the account.
        name: the version or the group.
        foreign: whether a group may be deleted that this tool did not create.

    Raises:
        NothingToDelete: if it does not exist.
        DeploymentError: if it may not be deleted.
    """
    if name.version:
        try:
            found = find_version(existing, name)
        except Refused:
            raise
        except DeploymentError as error:
            raise NothingToDelete(str(error)) from error
        if found is UNKNOWN:
            return Registered(name.group, ((f"<ARN of {name}>", "unknown"),))
        return Registered(name.group, (_named(found),), stays=_what_stays(existing, [found]))
    group = existing.find(group_look_up(name.group))
    if group is UNKNOWN:
        return Registered(name.group, (("<ARN of each version>", "unknown"),), is_whole=True)
    if group is None:
        raise NothingToDelete(
            f"there is no model package group {name.group}; forest list --group shows the groups"
        )
    if not foreign and not is_ours(tags_of(existing, str(group["ModelPackageGroupArn"]))):
        raise DeploymentError(
            f"model package group {name.group} was not created by this tool; add --any to delete it"
        )
    versions = find_versions(existing, name.group)
    known = [] if versions is UNKNOWN else versions
    stays = _what_stays(existing, known)
    return Registered(name.group, tuple(map(_named, known)), is_whole=True, stays=stays)


def registered_plan(found: Registered) -> Plan:
    """The steps: the versions, and then the group, which AWS deletes only if it is empty."""
    versions = (
        Step(
            Call("sagemaker", "DeleteModelPackage", {"ModelPackageName": arn}),
            may_be_missing=True,
            removes=f"version {arn.rpartition('/')[2]} of {found.group}",
        )
        for arn, _ in found.versions
    )
    if not found.is_whole:
        return tuple(versions)
    call = Call("sagemaker", "DeleteModelPackageGroup", {"ModelPackageGroupName": found.group})
    gone = Step(call, may_be_missing=True, removes=f"model package group {found.group}")
    return (*versions, gone)


def _named(version: Answer) -> tuple[str, str]:
    status = str(version.get("ModelApprovalStatus"))
    return str(version["ModelPackageArn"]), STATUS_WORDS.get(status, status)


def _what_stays(existing: Existing, versions: list[Answer]) -> tuple[str, ...]:
    found = []
    for one in versions:
        described = existing.find(package_look_up(str(one["ModelPackageArn"])))
        if described is None or described is UNKNOWN:
            continue
        inference = described.get("InferenceSpecification") or {}
        found += data_of_model({"Containers": inference.get("Containers", [])})
    return tuple(f"the model in {uri}" for uri in dict.fromkeys(found))
