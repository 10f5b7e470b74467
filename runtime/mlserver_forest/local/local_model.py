"""A model with its directory: the model itself, and all that a person asks of it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.report_files import find_report, report_folder
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.local.kept_folder import KeptFolder
from mlserver_forest.local.notebook_card import html_of_model, is_target, text_of_model
from mlserver_forest.local.table_column import column_of, names_in
from mlserver_forest.model.compile_ahead import compile_jobs, jobs_of_model, preparing, tell
from mlserver_forest.model.model import Model
from mlserver_forest.model.outputs import RowBlock
from mlserver_forest.resources import n_cpus

if TYPE_CHECKING:
    from mlserver_forest.evaluation.evaluation_result import Evaluation
    from mlserver_forest.local.drift_report import DriftReport
    from mlserver_forest.local.notebook_page import NotebookPage
    from mlserver_forest.local.server_handle import ServerHandle

# Fewer rows are answered by the thread that asks, without waiting for those of others.
_FEW_ROWS = 16


@dataclass(frozen=True, eq=False, repr=False)
class LocalModel(Model):
    """A model of a directory, in this process. Immutable, and safe to share among threads.

    It answers as a server does, to the last bit, and needs no event loop. Many rows are answered
    with all CPUs, without Python's global lock. A copy is the same object; a pickle holds the path
    of the directory, and is loaded only if the same model is still there.

    Attributes:
        directory: the model directory.
        name: the model's name on the V2 protocol.
        versions: the libraries that made it, such as "scikit-learn/1.9.1".
        fingerprint: of the files, without the card.
        folder: what keeps a directory that is temporary; None for any other.
    """

    directory: Path = Path()
    name: str = ""
    versions: tuple[str, ...] = ()
    fingerprint: str = ""
    folder: KeptFolder | None = None
    _threads: KernelThreads = field(default_factory=lambda: KernelThreads(n_cpus()))

    @classmethod
    def of(cls, directory: str | PathLike[str], folder: KeptFolder | None = None) -> "LocalModel":
        """Load the model of a directory.

        Args:
            directory: what ``train`` or ``forest pack`` wrote.
            folder: what keeps the directory as long as the model is used.

        Raises:
            InvalidArtifact: if there is no model, it is damaged, or it is a pickle.
        """
        path = Path(directory).absolute()
        settings = model_directory.read_settings(path.resolve(), trust_code=False)
        model = model_directory.load(path, preparing(reads=False))
        parts = {one.name: getattr(model, one.name) for one in fields(Model)}
        return cls(
            **parts,
            directory=path,
            name=str(settings.get("name", "")),
            versions=tuple(map(str, settings.get("versions") or ())),
            fingerprint=_fingerprint(settings),
            folder=folder,
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in the order of the columns of a matrix."""
        return self.schema.feature_names

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels, in the order of the columns of ``predict_proba``; empty for a regression."""
        return self.schema.classes

    @property
    def target(self) -> str:
        """The name of the column that is predicted; empty if it is not known."""
        return self.card.target_name if self.card else ""

    def evaluate(self, frame: Any, target: Any = None, by: Any = None) -> "Evaluation":
        """Measure how good the model is on rows whose targets are known.

        Args:
            frame: rows as in ``predict``; other columns are skipped.
            target: the name of the column of labels or numbers, or (n_samples,) of them; None for
                the column that the model was trained to predict.
            by: a column by whose values the rows are divided, too, or (n_samples,) values.

        Returns:
            Metrics, calibration, the coverage of intervals, and segments; ``print`` shows tables.

        Raises:
            InvalidInput: naming the row and what came; if there is no column of that name.

        Example:
            ``model.evaluate(frame, by="region").metrics["accuracy"]``
        """
        from mlserver_forest.evaluation.model_evaluation import evaluate_model

        name = self._target_in(frame) if target is None else target
        by_name = by if isinstance(by, str) else ("by" if by is not None else "")
        return evaluate_model(
            self,
            self.matrix(frame, extra="ignore"),
            column_of(frame, name),
            target=name if isinstance(name, str) else "",
            by=by_name,
            by_values=() if by is None else column_of(frame, by),
            threads=self._threads,
        )

    def drift(self, recent: Any) -> "DriftReport":
        """Measure how far recent rows have drifted from the training rows.

        Args:
            recent: rows as in ``predict``; other columns are skipped.

        Returns:
            The drift of each feature; a notebook shows the page of ``forest drift``.

        Raises:
            InvalidInput: as in ``predict``.
            InvalidArtifact: if the model has no baseline of its training rows.
        """
        from mlserver_forest.local.drift_report import drift_of

        return drift_of(self, recent)

    def report(self) -> "NotebookPage":
        """The report of the training, which ``train`` writes beside the model directory.

        Returns:
            The page; a notebook shows it, and ``save(path)`` writes it.

        Raises:
            InvalidArtifact: if there is no report of this model.
        """
        from mlserver_forest.local.notebook_page import NotebookPage

        found = find_report(self.directory, self.card)
        if found is None:
            raise InvalidArtifact(
                f"there is no report of this model in {report_folder(self.directory)}; training "
                "writes one beside the model directory: load the model from where it was trained, "
                "or train it with out="
            )
        return NotebookPage(found.html)

    def save(self, directory: str | PathLike[str]) -> "LocalModel":
        """Write the model directory to another place, for ``serve`` and ``forest``.

        Args:
            directory: the folder; made if missing. An earlier model in it is replaced.

        Returns:
            The model of that directory.

        Raises:
            InvalidEnvironment: if it cannot be written.
        """
        target = Path(directory).absolute()
        if target.resolve() != self.directory.resolve():
            model_directory.copy(self.directory, target)
        return LocalModel.of(target)

    def serve(self, port: int | None = 8080) -> "ServerHandle":
        """Serve the model to this machine, in a process of its own that ends with this one.

        Args:
            port: of all routes; None for a free one.

        Returns:
            A handle with the ``url``, where the page to try the model is, and ``stop()``.

        Raises:
            InvalidEnvironment: if the server does not start, such as on a port that is taken.
        """
        from mlserver_forest.local.server_handle import ServerHandle

        compile_jobs(jobs_of_model(self.forest, {}), tell)
        return ServerHandle(self, self.directory, port)

    def __repr__(self) -> str:
        return text_of_model(self, self.name, self.directory)

    def _repr_html_(self) -> str:
        return str(html_of_model(self, self.name, self.directory))

    def __copy__(self) -> "LocalModel":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "LocalModel":
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _restored, (str(self.directory), self.fingerprint)

    def _block(self, x: NDArray[Any], threads: KernelThreads | None) -> RowBlock:
        if threads is None and len(x) >= _FEW_ROWS:
            threads = self._threads
        return super()._block(x, threads)

    def _target_in(self, frame: Any) -> str:
        names = names_in(frame)
        found = [name for name in names if is_target(self.card, name)]
        if found:
            return str(found[0])
        what = format_value(self.target) if self.target else "what it predicts"
        raise InvalidInput(
            f"the table does not have the model's target, {what}; name the column, as in "
            "evaluate(frame, target='label')"
        )


def _fingerprint(settings: dict[str, Any]) -> str:
    """Of what is served: the description without the card, and the checksum of the forest."""
    parameters = settings.get("parameters") or {}
    digest = (parameters.get("extra") or {}).get(model_directory.DIGEST_KEY)
    told = {**settings, "parameters": digest}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _restored(directory: str, fingerprint: str) -> LocalModel:
    """The model of a pickle.

    Raises:
        InvalidArtifact: if the directory is gone, or holds another model now.
    """
    try:
        model = LocalModel.of(directory)
    except InvalidArtifact as error:
        raise InvalidArtifact(
            f"a pickled model refers to {directory}, which cannot be loaded ({error}); save the "
            "model where it stays, with model.save(directory), and pickle what that returns"
        ) from error
    if model.fingerprint != fingerprint:
        raise InvalidArtifact(
            f"a pickled model refers to {directory}, which holds another model now; put the "
            "earlier model back, or load the new one with mlserver_forest.load"
        )
    return model
