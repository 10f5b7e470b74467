"""The Python API of ``mlserver_forest``: load a model, or pack one."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlserver_forest.artifact import model_directory
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack import packing
from mlserver_forest.importers.pack.proof import SourceAnswers, ask, compare, hard_rows
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.model.model import Model
from mlserver_forest.model.row_matrix import matrix_from

__all__ = ["Model", "load", "pack"]


def load(directory: str | PathLike[str]) -> Model:
    """Load the model of a model directory, to use it in this process.

    Args:
        directory: what ``train`` or ``forest pack`` wrote.

    Raises:
        InvalidArtifact: if there is no model, it is damaged, or it is a pickle.
    """
    return model_directory.load(Path(directory))


def pack(
    estimator: Any,
    directory: str | PathLike[str],
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
        directory: the folder to write; made if missing. An earlier model in it is replaced.
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
    model = packing.renamed(import_estimator(estimator), feature_names, class_names)
    importer = importer_of(estimator)
    assert importer is not None, "import_estimator refuses other libraries"  # noqa: S101
    rows = None if sample is None else matrix_from(sample, model.schema)
    answers = ask(importer, estimator, model, hard_rows(model, rows))
    if rows is not None and importer.pipelines and importer.pipelines.describe(estimator):
        own = importer.pipelines.ask(estimator, sample, model.schema)
        packing.require_agreement(compare(model, SourceAnswers.of(rows, own, answers.tolerance)))
    with TemporaryDirectory(prefix="forest-pack-") as folder:
        draft = Path(folder) / "model"
        packing.write(model, importer, answers, draft, name=name)
        packing.require_agreement(packing.prove(draft, answers))
        model_directory.copy(draft, Path(directory))
    return load(directory)
