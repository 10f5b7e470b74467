"""``forest list --group``: model package groups, or the versions of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.model_group import (
    STATUS_WORDS,
    approved_version,
    find_versions,
    package_look_up,
    versions_call,
)
from mlserver_forest.aws.package_metadata import DECIDED_AT, DECIDED_BY
from mlserver_forest.aws.parallel_calls import in_parallel
from mlserver_forest.aws.registered_metrics import Say, find_metrics
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

# The number of versions that are described, newest first.
MOST_DESCRIBED = 50
_GROUPS = Call(
    "sagemaker",
    "ListModelPackageGroups",
    {"SortBy": "CreationTime", "SortOrder": "Descending"},
    items="ModelPackageGroupSummaryList",
)


@dataclass(frozen=True)
class RegisteredTable:
    """Groups or versions.

    Attributes:
        calls: the calls that make the table, for a dry run in an unknown account.
        rows: what was found, for ``--json``.
        head: the names of the columns that a person reads.
        cells: a row of text for each.
        notes: lines about what is not shown.
    """

    calls: tuple[Call, ...]
    rows: tuple[Mapping[str, Any], ...] = ()
    head: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def list_groups(existing: Existing) -> RegisteredTable:
    """All groups of the account and region, the newest first."""
    groups = existing.items(_GROUPS)
    existing.find_together([versions_call(one["ModelPackageGroupName"]) for one in groups])
    rows = [_group_row(existing, one) for one in groups]
    cells = tuple(
        (
            row["group"],
            f"{row['versions']} versions",
            f"approved: {row['approved'] or 'none'}",
            _day(row["created"]),
            row["description"],
        )
        for row in rows
    )
    return RegisteredTable(
        (_GROUPS,), tuple(rows), ("group", "versions", "approved", "created", ""), cells
    )


def list_versions(existing: Existing, aws: "Aws", group: str, say: Say) -> RegisteredTable:
    """The versions of a group, the newest first.

    Args:
        existing: the account, for look-ups.
        aws: the account, from which the metrics of pipelines are read.
        group: the group's name.
        say: prints a line about what cannot be read.

    Raises:
        DeploymentError: if there is no such group, or if it has no versions.
    """
    found = find_versions(existing, group)
    if found is UNKNOWN:
        return RegisteredTable((versions_call(group),))
    if not found:
        raise DeploymentError(
            f"there is no model package group {group} with versions in {existing.region}; "
            "forest list --group shows the groups"
        )
    shown = found[:MOST_DESCRIBED]
    calls = [package_look_up(str(one["ModelPackageArn"])) for one in shown]
    try:
        existing.find_together(calls)
    except Refused as error:
        if error.is_general:
            raise
    known = [_known(existing, one, call) for one, call in zip(shown, calls, strict=True)]
    metrics = in_parallel(lambda one: find_metrics(aws, one, say), known)
    rows = [_version_row(one, found) for one, found in zip(known, metrics, strict=True)]
    older = len(found) - len(shown)
    return RegisteredTable(
        (versions_call(group),),
        tuple(rows),
        ("version", "status", "metric", "registered", "decided", "description"),
        tuple(map(_version_cells, rows)),
        (f"{older} older versions are not shown",) if older else (),
    )


def _group_row(existing: Existing, group: Answer) -> dict[str, Any]:
    name = str(group["ModelPackageGroupName"])
    versions = find_versions(existing, name)
    known = [] if versions is UNKNOWN else versions
    approved = approved_version(known)
    return {
        "group": name,
        "versions": len(known),
        "approved": int(approved["ModelPackageVersion"]) if approved else None,
        "created": group.get("CreationTime"),
        "description": group.get("ModelPackageGroupDescription") or "",
    }


def _known(existing: Existing, summary: Answer, call: Call) -> Answer:
    """The description of a version, or its summary if it may not be described."""
    try:
        answer = existing.find(call)
    except Refused:
        answer = None
    return summary if answer is None or answer is UNKNOWN else {**summary, **answer}


def _version_row(found: Answer, metrics: Mapping[str, float]) -> dict[str, Any]:
    metadata = found.get("CustomerMetadataProperties") or {}
    name = next(iter(metrics), "")
    status = str(found.get("ModelApprovalStatus", ""))
    return {
        "version": int(found["ModelPackageVersion"]),
        "arn": found["ModelPackageArn"],
        "status": STATUS_WORDS.get(status, status),
        "metric": name,
        "value": metrics.get(name),
        "metrics": metrics,
        "registered": found.get("CreationTime"),
        "registered_by": _who(found.get("CreatedBy") or {}),
        "decided": metadata.get(DECIDED_AT, ""),
        "decided_by": metadata.get(DECIDED_BY, ""),
        "reason": found.get("ApprovalDescription") or "",
        "description": found.get("ModelPackageDescription") or "",
        "git_revision": (found.get("MetadataProperties") or {}).get("CommitId", ""),
    }


def _version_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = "" if row["value"] is None else f"{row['metric']} {row['value']:.4g}"
    decided = " ".join(one for one in (row["decided"][:10], _short(row["decided_by"])) if one)
    registered = " ".join(
        one for one in (_day(row["registered"]), _short(row["registered_by"])) if one
    )
    texts = "; ".join(one for one in (row["description"], row["reason"]) if one)
    return (str(row["version"]), row["status"], value, registered, decided, texts)


def _who(created: Mapping[str, Any]) -> str:
    """Who made something: the ARN of an identity, or the name of a user profile of Studio."""
    identity = created.get("IamIdentity") or {}
    return str(identity.get("Arn") or created.get("UserProfileName") or "")


def _short(who: str) -> str:
    """The name at the end of an ARN."""
    return who.rpartition("/")[2] or who


def _day(when: Any) -> str:
    return f"{when:%Y-%m-%d}" if when else ""
