"""``forest approve`` and ``forest reject``."""

import tempfile
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.approve.package_comparison import PackageComparison, compare_packages
from mlserver_forest.aws.approve.plan import ApprovalDecision, find_decision, plan
from mlserver_forest.aws.model_group import (
    APPROVED,
    REJECTED,
    STATUS_WORDS,
    VersionName,
    read_version_name,
)
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.session import Session, command
from mlserver_forest.errors import DeploymentError

_SAMPLE = (
    click.option(
        "--sample",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Rows that both versions answer here, for comparison.",
    ),
    click.option(
        "--target",
        default="0",
        show_default=True,
        help="Where the target is in a CSV sample that does not name its columns.",
    ),
)


def _sample_options(run: Any) -> Any:
    for option in reversed(_SAMPLE):
        run = option(run)
    return run


@command
@click.argument("version", metavar="GROUP[@VERSION]")
@click.option("--reason", default="", help="Why; it is kept with the version.")
@_sample_options
def approve(session: Session, version: str, reason: str, sample: Path | None, target: str) -> None:
    """Approve a version, by default the newest pending one, so that GROUP@approved deploys it.

    First it is compared with the version that is approved now: the metrics, the drift of the
    training data, and the answers to a sample. Nothing that is in service changes.
    """
    _decide(session, version, APPROVED, reason, sample, target)


@command
@click.argument("version", metavar="GROUP[@VERSION]")
@click.option("--reason", required=True, help="Why; it is kept with the version.")
@_sample_options
def reject(session: Session, version: str, reason: str, sample: Path | None, target: str) -> None:
    """Reject a version, by default the newest pending one, so that it cannot be deployed.

    A version that was approved can be rejected, too: GROUP@approved is then the one before it.
    Nothing that is in service changes.
    """
    if not reason.strip():
        raise DeploymentError("--reason is empty; expected why the version is rejected")
    _decide(session, version, REJECTED, reason, sample, target)


def _decide(
    session: Session, version: str, status: str, reason: str, sample: Path | None, target: str
) -> None:
    name = read_version_name(version) or VersionName(checked_name(version))
    decision = find_decision(session.existing, name, status, " ".join(reason.split()))
    found = None
    if sample or not decision.is_made:
        found = _compared(session, decision, sample, target)
    if not decision.is_made:
        session.confirm(decision.question())
    if session.carry_out(plan(decision)) is None:
        return
    _report(session, decision, found)


def _compared(
    session: Session, decision: ApprovalDecision, sample: Path | None, target: str
) -> PackageComparison | None:
    """The comparison, whose lines are printed; a dry run does without the artifacts."""
    if session.dry_run:
        session.say("a dry run does not compare the versions")
        return None
    with tempfile.TemporaryDirectory(prefix="forest-approve-") as folder:
        found = compare_packages(
            session.aws, decision, sample, target, Path(folder), session.bar, session.say
        )
    if found is None:
        more = ", so that --sample has nothing to compare" if sample else ""
        session.say(f"no other version of {decision.name.group} is approved{more}")
        return None
    session.say_all(found.lines())
    return found


def _report(session: Session, decision: ApprovalDecision, found: PackageComparison | None) -> None:
    word = STATUS_WORDS[decision.status]
    already = " already" if decision.is_made else ""
    arn = decision.found["ModelPackageArn"] if decision.found else ""
    document = {
        "ModelPackageArn": arn,
        "ModelPackageVersion": int(decision.number),
        "ModelApprovalStatus": decision.status,
        "Comparison": found.as_json() if found else None,
    }
    line = f"version {decision.number} of {decision.name.group} is {word}{already}"
    session.result(document, [line, decision.afterwards()])
