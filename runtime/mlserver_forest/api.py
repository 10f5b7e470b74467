"""The Python API of ``mlserver_forest``: load a model, pack one, or train one."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from mlserver_forest.artifact import model_directory
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack import packing
from mlserver_forest.importers.pack.pipeline_answers import ask_sample, require_plain_columns
from mlserver_forest.importers.pack.proof import SourceAnswers, ask, compare, hard_rows
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.local.kept_folder import KeptFolder
from mlserver_forest.local.local_model import LocalModel as Model
from mlserver_forest.model.compile_ahead import compile_jobs, jobs_of_model, tell
from mlserver_forest.model.row_matrix import matrix_from

__all__ = ["Model", "load", "pack", "train"]


def load(directory: str | PathLike[str]) -> Model:
    """Load the model of a model directory, to use it in this process.

    Args:
        directory: what ``train`` or ``forest pack`` wrote.

    Raises:
        InvalidArtifact: if there is no model, it is damaged, or it is a pickle.

    Example:
        ``mlserver_forest.load("ml/model").predict(frame)``
    """
    return Model.of(directory)


def train(
    frame: Any,
    target: str,
    *,
    algorithm: str | None = None,
    interval: float | None = None,
    validation: Any = None,
    test: Any = None,
    ignore: Sequence[str] = (),
    out: str | PathLike[str] | None = None,
    name: str | None = None,
    say: Callable[[str], None] | None = print,
    **hyperparameters: Any,
) -> Model:
    """Train a model on a data frame, as ``forest train`` does on a file.

    Args:
        frame: rows with named columns: a data frame (pandas, Polars), an Arrow table, a mapping
            from names to columns, a list of mappings; or the path of a file or a folder.
        target: the column to predict.
        algorithm: such as "lightgbm"; "random_forest" by default. "all", or several names
            separated by commas, are compared on the same folds, and the best one is trained.
        interval: the share of new rows whose target the intervals should contain, such as 0.9.
        validation: rows to evaluate on, and to stop boosting early; without them, some rows of
            ``frame`` are held out.
        test: rows to evaluate on at the end.
        ignore: columns to leave out.
        out: the folder for ``model`` and ``output/data/report.html``, as in ``forest train --out``;
            without it, they last as long as the model that is returned, unless it is saved.
        name: the model's name on the V2 protocol; by default that of the first file, or "forest"
            for a data frame.
        say: is called with each line of the log; None for silence.
        hyperparameters: others, such as ``n_estimators=200``; see docs/hyperparameters.md.

    Returns:
        The model; a notebook shows its card, metrics and importances.

    Raises:
        InvalidData: naming the row, and all that has to be decided about the columns.
        InvalidHyperparameters: naming every one that is unknown or out of range.
        InvalidEnvironment: if a folder cannot be written, or a library is missing.

    Example:
        ``model = train(cars, target="mpg", algorithm="lightgbm", interval=0.9)``
    """
    from mlserver_forest.local.frame_training import train_frame

    return train_frame(
        frame,
        target=target,
        name=name,
        out=out,
        validation=validation,
        test=test,
        options={
            "algorithm": algorithm,
            "interval": interval,
            "ignore": ignore,
            "hyperparameters": hyperparameters,
        },
        say=say or _silent,
    )


def pack(
    estimator: Any,
    directory: str | PathLike[str] | None = None,
    *,
    sample: Any = None,
    feature_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
    name: str = "forest",
) -> Model:
    """Turn a fitted estimator into a model directory, proven to answer as the estimator does.

    Args:
        estimator: a fitted tree ensemble of scikit-learn, XGBoost, LightGBM or CatBoost, a
            booster, or a pipeline of scikit-learn around one, which then reads raw rows.
        directory: the folder to write; made if missing. An earlier model in it is replaced. Without
            it, the files last as long as the model that is returned, unless it is saved.
        sample: (n_samples, n_features) rows to compare besides the generated ones; see
            ``Model.predict``. A pipeline is asked about them as they are.
        feature_names: other names for the features, in the order of their columns.
        class_names: other names for the classes, in the estimator's order.
        name: the model's name on the V2 protocol.

    Returns:
        The model, loaded from the directory.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
        InvalidArtifact: if the packed model answers any row differently; then nothing is written.
        InvalidInput: if the sample is not what the model reads.
        InvalidEnvironment: if the directory cannot be written.
    """
    found = import_estimator(estimator)
    model = packing.renamed(found, feature_names, class_names)
    compile_jobs(jobs_of_model(model.forest, {}, reads=False), tell)
    importer = importer_of(estimator)
    assert importer is not None, "import_estimator refuses other libraries"  # noqa: S101
    rows = None if sample is None else matrix_from(sample, found.schema)
    answers = ask(importer, estimator, model, hard_rows(model, rows))
    if rows is not None and importer.pipelines and importer.pipelines.describe(estimator):
        own = ask_sample(importer.pipelines, estimator, sample, model.schema)
        proof = compare(model, SourceAnswers.of(rows, own, answers.tolerance))
        require_plain_columns(found, sample, proof.n_different)
        packing.require_agreement(proof)
    folder = KeptFolder("forest-pack-")
    draft = folder.path / "model"
    packing.write(model, importer, answers, draft, name=name)
    packing.require_agreement(packing.prove(draft, answers))
    if directory is None:
        return Model.of(draft, folder)
    model_directory.copy(draft, Path(directory))
    return load(directory)


def _silent(_: str) -> None:
    """Say nothing."""
