"""``forest approve`` and ``forest reject``: the status of a version, and who set it and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.model_group import (
    APPROVED,
    PENDING,
    STATUS_WORDS,
    VersionName,
    approved_version,
    find_version,
    find_versions,
    package_look_up,
)
from mlserver_forest.aws.package_metadata import decision_metadata, find_caller
from mlserver_forest.aws.step import Answer, Call, Plan, Step, members
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class ApprovalDecision:
    """A version, the decision about it, and the version that is approved now.

    Attributes:
        name: the version as it was typed.
        status: what it becomes.
        reason: why, or empty.
        found: the version's description, or None if it is unknown.
        approved: the description of the newest other version that is approved, or None.
        caller: the ARN of whoever decides, or empty.
    """

    name: VersionName
    status: str
    reason: str = ""
    found: Answer | None = None
    approved: Answer | None = None
    caller: str = ""

    @property
    def number(self) -> str:
        """The version's number."""
        return str(self.found["ModelPackageVersion"]) if self.found else self.name.version

    @property
    def is_made(self) -> bool:
        """Whether the version has this status already, and there is no new reason."""
        found = self.found or {}
        is_same = found.get("ModelApprovalStatus") == self.status
        return is_same and self.reason in {"", found.get("ApprovalDescription", "")}

    def question(self) -> str:
        """The question before the decision."""
        verb = "Approve" if self.status == APPROVED else "Reject"
        group, now = self.name.group, self.approved
        other = f"version {now['ModelPackageVersion']}" if now else "no other version"
        is_now = self.found and self.found.get("ModelApprovalStatus")
        status = STATUS_WORDS.get(str(is_now), "of unknown status")
        return f"{verb} version {self.number} of {group}, which is {status} ({other} is approved)?"

    def afterwards(self) -> str:
        """The version that GROUP@approved is then."""
        others = [int(self.approved["ModelPackageVersion"])] if self.approved else []
        mine = [int(self.number)] if self.status == APPROVED and self.number.isdigit() else []
        group = self.name.group
        if not others + mine:
            return f"no version of {group} is approved now"
        return f"{group}@approved is version {max(others + mine)}"


def find_decision(
    existing: Existing, name: VersionName, status: str, reason: str
) -> ApprovalDecision:
    """Find the version that is decided about: the one that is named, or the newest pending one.

    Raises:
        DeploymentError: if there is no such version.
    """
    caller = find_caller(existing)
    versions = find_versions(existing, name.group)
    if versions is UNKNOWN:
        return ApprovalDecision(name, status, reason, caller=caller)
    chosen = find_version(existing, name)
    if not name.version:
        chosen = _newest_pending(name.group, versions)
    arn = str({} if chosen is UNKNOWN else chosen["ModelPackageArn"])
    others = [one for one in versions if one["ModelPackageArn"] != arn]
    approved = approved_version(others)
    return ApprovalDecision(
        name,
        status,
        reason,
        _described(existing, arn),
        _described(existing, str(approved["ModelPackageArn"])) if approved else None,
        caller,
    )


def plan(decision: ApprovalDecision) -> Plan:
    """The step that sets the status; none if the version has it."""
    if decision.is_made:
        return ()
    found = decision.found or {}
    metadata: Mapping[str, str] = found.get("CustomerMetadataProperties") or {}
    request: dict[str, Any] = members(
        ModelPackageArn=found.get("ModelPackageArn", f"<ARN of {decision.name}>"),
        ModelApprovalStatus=decision.status,
        ApprovalDescription=decision.reason,
        # All of it, because it is nowhere said that AWS keeps what a request leaves out.
        CustomerMetadataProperties={**metadata, **decision_metadata(decision.caller)},
    )
    return (Step(Call("sagemaker", "UpdateModelPackage", request)),)


def _newest_pending(group: str, versions: list[Answer]) -> Answer:
    for one in versions:
        if one.get("ModelApprovalStatus") == PENDING:
            return one
    newest = versions[0]
    status = str(newest.get("ModelApprovalStatus"))
    raise DeploymentError(
        f"no version of {group} is pending; the newest, {newest['ModelPackageVersion']}, is "
        f"{STATUS_WORDS.get(status, status)}: name a version, such as "
        f"{group}@{newest['ModelPackageVersion']} (forest list --group {group})"
    )


def _described(existing: Existing, arn: str) -> Answer | None:
    found = existing.need(package_look_up(arn))
    return None if found is UNKNOWN else found
