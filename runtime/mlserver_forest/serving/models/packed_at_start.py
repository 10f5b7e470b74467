"""A folder with the model of another library, packed for as long as the server needs to load it.

Files that are read without running any code (importers/registry.py) are packed into a temporary
folder, which is removed once the model is loaded; anything else is refused with the command that
mends it.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter

from mlserver_forest.artifact.model_directory import SETTINGS_FILE
from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator, format_value
from mlserver_forest.serving.models.unpacked_folder import visible

logger = logging.getLogger(__name__)

_MOST_SHOWN = 6
# SageMaker unpacks them; what else is in them, such as code, must not be passed over.
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".mar")
_NEEDS_TRUST = "--trust-pickle"


@contextmanager
def packed_at_start(directory: Path, timeout_seconds: float | None = None) -> Iterator[Path]:
    """The packed model of a folder, while the block lasts.

    Args:
        directory: a folder without model-settings.json, by its real path.
        timeout_seconds: how long packing may take; None for as long as it takes.

    Raises:
        InvalidArtifact: naming what lies there and what to do.
        TimedOut: if packing takes too long.
    """
    with _temporary_folder() as folder:
        yield _pack(directory, folder, timeout_seconds)


def _pack(directory: Path, folder: Path, timeout_seconds: float | None) -> Path:
    from mlserver_forest.importers.pack.child_process import DRAFT, PackRequest
    from mlserver_forest.importers.pack.draft import prove_draft, write_draft
    from mlserver_forest.importers.pack.packing import require_agreement

    started = perf_counter()
    for path in visible(directory):
        if path.name.lower().endswith(_ARCHIVES):
            raise _refusal(directory, f"{path.name} is an archive; unpack it there")
    request = PackRequest(
        path=str(directory),
        folder=str(folder),
        name=name_after(directory),
        sample=None,
        feature_names=(),
        class_names=(),
        trust_pickle=False,
    )
    try:
        report = write_draft(request, logger.info, timeout_seconds)
    except UnsupportedEstimator as error:
        raise _refusal(directory, str(error)) from error
    if report.tolerance is None:
        raise _refusal(directory, f"it would stay a pickle, see {_NEEDS_TRUST}")
    proof = prove_draft(folder, report.tolerance)
    require_agreement(proof)
    logger.info(
        "%s has no %s, so it was packed for this start in %.1f s (%s; %s, compared with %s); "
        "forest pack %s --out NEW_FOLDER does it once for all",
        directory, SETTINGS_FILE, perf_counter() - started, report.summary, proof, report.source,
        directory,
    )  # fmt: skip
    if report.note:
        logger.info("%s: %s", directory, report.note)
    return folder / DRAFT


def _refusal(directory: Path, reason: str) -> InvalidArtifact:
    names = [path.name for path in islice(visible(directory), _MOST_SHOWN + 1)]
    shown = ", ".join(map(format_value, names[:_MOST_SHOWN]))
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    # Without the switch, the command would be refused as this folder is.
    is_refused = _NEEDS_TRUST not in reason
    source, trust = ("FILE", "") if is_refused else (directory, f" {_NEEDS_TRUST}")
    return InvalidArtifact(
        f"{directory} has no {SETTINGS_FILE}; it holds {shown}{more}, which cannot be packed at "
        f"start: {reason}. To serve a model of yours, pack it: forest pack {source} --out "
        f"NEW_FOLDER{trust}"
    )


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="forest-serve-")
    except OSError as error:
        raise InvalidArtifact(
            f"a model without {SETTINGS_FILE} is packed in a temporary folder, and none can be "
            f"written ({error.strerror}); mount one at /tmp, or pack the model before, with "
            "forest pack"
        ) from error
    with folder as name:
        yield Path(name)
