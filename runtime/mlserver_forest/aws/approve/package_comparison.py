"""What is known about the difference between two registered versions, before a decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserver_forest.artifact.unpacked_archive import unpack
from mlserver_forest.aws.approve.plan import ApprovalDecision
from mlserver_forest.aws.fetched_model import Bar, fetch_archive
from mlserver_forest.aws.registered_metrics import Say, find_metrics
from mlserver_forest.aws.step import Answer
from mlserver_forest.errors import DeploymentError, ForestError
from mlserver_forest.evaluation.text_table import text_table

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws


@dataclass(frozen=True)
class PackageComparison:
    """A version beside the one that is approved now.

    Attributes:
        approved, decided: their numbers.
        metrics: both values of each metric, None where a version does not have it.
        document: the comparison of the artifacts, for ``--json``.
        details: the same as lines.
    """

    approved: str
    decided: str
    metrics: Mapping[str, tuple[float | None, float | None]]
    document: Mapping[str, Any]
    details: tuple[str, ...]

    def lines(self) -> list[str]:
        """The comparison for a terminal."""
        head = f"version {self.decided}, compared with version {self.approved}, which is approved:"
        rows = [("metric", f"version {self.approved}", f"version {self.decided}", "")]
        for name, (before, after) in self.metrics.items():
            known = before is not None and after is not None
            difference = f"{(after or 0) - (before or 0):+.4g}" if known else ""
            rows.append((name, _text(before), _text(after), difference))
        none = ["metrics cannot be compared: none are registered"]
        table = text_table(rows) if self.metrics else none
        return [head, *(f"  {line}" for line in (*table, *self.details))]

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs."""
        metrics = {
            name: {"approved": before, "decided": after}
            for name, (before, after) in self.metrics.items()
        }
        return {"with_version": int(self.approved), "metrics": metrics, **self.document}


def compare_packages(
    aws: "Aws",
    decision: ApprovalDecision,
    sample: Path | None,
    target: str,
    folder: Path,
    bar: Bar,
    say: Say,
) -> PackageComparison | None:
    """Compare a version with the one that is approved now; None if there is none.

    Args:
        aws: the account, from which both artifacts are downloaded.
        decision: the version, and the approved one.
        sample: a file of rows that both answer, or None.
        target: the position of the target in a CSV file that does not name its columns.
        folder: where the artifacts are unpacked.
        bar: makes a progress bar.
        say: prints a line about what cannot be read.
    """
    if decision.found is None or decision.approved is None:
        return None
    before, after = (find_metrics(aws, one, say) for one in (decision.approved, decision.found))
    names = dict.fromkeys((*after, *before))
    document, details = _of_artifacts(aws, decision, sample, target, folder, bar)
    return PackageComparison(
        str(decision.approved["ModelPackageVersion"]),
        decision.number,
        {name: (before.get(name), after.get(name)) for name in names},
        document,
        tuple(details),
    )


def _of_artifacts(
    aws: "Aws", decision: ApprovalDecision, sample: Path | None, target: str, folder: Path, bar: Bar
) -> tuple[Mapping[str, Any], list[str]]:
    from mlserver_forest.reports.versions.version_comparison import compare_versions

    folders = []
    for name, package in (("approved", decision.approved), ("decided", decision.found)):
        try:
            folders.append(_fetched(aws, package or {}, folder / name, bar))
        except ForestError as error:
            why = f"training data and answers cannot be compared: {error}"
            return {"training_drift": str(error), "answers": str(error) if sample else None}, [why]
    found = compare_versions(folders[0], folders[1], sample, target)
    return found.as_json(), found.lines()


def _fetched(aws: "Aws", package: Answer, folder: Path, bar: Bar) -> Path:
    """The unpacked artifact of a version."""
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    uri = containers[0].get("ModelDataUrl", "") if len(containers) == 1 else ""
    if not uri:
        number = package.get("ModelPackageVersion")
        raise DeploymentError(f"version {number} does not have one model.tar.gz")
    return unpack(fetch_archive(aws, str(uri), folder, bar), folder / "model")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
