"""From a model that somebody has to a model directory: draft, proof, and only then the files."""

from collections.abc import Callable
from pathlib import Path

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pack import mlflow_model, packing
from mlserver_forest.importers.pack.child_process import DRAFT, PackReport, PackRequest
from mlserver_forest.importers.pack.draft import prove_draft, write_draft

Say = Callable[[str], None]


def run_pack(request: PackRequest, out: Path, say: Say, tell: Say) -> None:
    """Pack a model.

    Args:
        request: the model; its ``folder`` gets the draft.
        out: the model directory to write; made if missing.
        say: is called with each line about the progress.
        tell: is called with each line of the result.

    Raises:
        UnsupportedEstimator: if the model cannot be packed.
        InvalidArtifact: if the packed model answers any row differently, or is damaged.
        InvalidEnvironment: if the directory cannot be written.
    """
    packed = mlflow_model.packed_directory(Path(request.path))
    if packed is not None:
        _copy_packed(request, packed, out, tell)
        return
    report = write_draft(request, say)
    _finish(report, Path(request.folder), out, tell)


def _copy_packed(request: PackRequest, packed: Path, out: Path, tell: Say) -> None:
    """Copy the model directory in an MLflow model of this package's flavor."""
    plain = PackRequest(
        request.path,
        request.folder,
        request.name,
        sample=None,
        feature_names=(),
        class_names=(),
        trust_pickle=False,
    )
    if request != plain:
        raise UnsupportedEstimator(
            "this is an MLflow model of the flavor mlserver_forest, which is packed "
            "already; give --out alone"
        )
    model_directory.load(packed.resolve())
    size = model_directory.copy(packed, out)
    tell("read an MLflow model of the flavor mlserver_forest, which is packed already")
    tell(f"wrote {out} ({size:,} bytes)")


def _finish(report: PackReport, folder: Path, out: Path, tell: Say) -> None:
    """Load the draft as a server would, compare, and only then write the directory."""
    tell(f"read {report.summary}{'; ' if report.note else ''}{report.note}")
    for line in report.columns:
        tell(f"  {line}")
    if report.tolerance is not None:
        proof = prove_draft(folder, report.tolerance)
        tell(f"{proof}, compared with {report.source}")
        packing.require_agreement(proof)
    if report.agreement:
        tell(report.agreement)
    size = model_directory.copy(folder / DRAFT, out)
    tell(f"wrote {out} ({size:,} bytes)")
    if report.tolerance is None:
        tell(
            "This is not a tree ensemble, so MLServer's scikit-learn runtime will serve it from a "
            "pickle; serving it needs FOREST_TRUST_CODE=true"
        )
