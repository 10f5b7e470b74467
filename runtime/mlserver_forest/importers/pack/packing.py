"""An estimator in memory -> a model directory, with the answers that prove it."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator, format_value
from mlserver_forest.importers.pack.proof import Proof, SourceAnswers, compare
from mlserver_forest.importers.registry import Importer
from mlserver_forest.model.model import Model

_SELF_TEST_ROWS = 17


def renamed(model: Model, feature_names: Sequence[str], class_names: Sequence[str]) -> Model:
    """The model with other names for its features and classes; empty ones change nothing.

    Raises:
        UnsupportedEstimator: if there are more or fewer names than features or classes.
    """
    schema = model.schema
    for given, own, what in (
        (feature_names, schema.feature_names, "feature names"),
        (class_names, schema.classes, "class names"),
    ):
        if given and len(given) != len(own):
            raise UnsupportedEstimator(
                f"{len(given)} {what} were given, but the model has {len(own)}: "
                f"{format_value(list(own[:8]))}"
            )
    names = tuple(feature_names) or schema.feature_names
    new_name = dict(zip(schema.feature_names, names, strict=True))
    schema = replace(
        schema,
        feature_names=names,
        categories={new_name[name]: found for name, found in schema.categories.items()},
        ranges={new_name[name]: found for name, found in schema.ranges.items()},
        required=frozenset(map(new_name.__getitem__, schema.required)),
        classes=tuple(class_names) or schema.classes,
    )
    return replace(model, schema=schema)


def write(
    model: Model, importer: Importer, answers: SourceAnswers, directory: Path, *, name: str
) -> None:
    """Write a model directory. ``prove`` says whether it agrees with the library.

    Args:
        model: the packed model.
        importer: its library, whose name is recorded.
        answers: the answers it has to give; some of their rows become the self-test.
        directory: the folder to write.
        name: the model's name on the V2 protocol.
    """
    rows = answers.x[np.linspace(0, len(answers.x) - 1, _SELF_TEST_ROWS).astype(int)]
    model_directory.save(
        directory,
        model,
        name=name,
        versions=[
            f"mlserver-forest/{version('mlserver-forest')}",
            f"{importer.distribution}/{answers.written_by or importer.version}",
            f"numpy/{version('numpy')}",
        ],
        self_test=(rows, model.forest.predict(rows).values),
    )


def prove(directory: Path, answers: SourceAnswers) -> Proof:
    """Load a model directory as a server would, and compare it with its library's answers.

    Raises:
        InvalidArtifact: if the directory is damaged.
    """
    return compare(model_directory.load(directory), answers)


def require_agreement(proof: Proof) -> None:
    """Refuse a packed model that differs from its library.

    Raises:
        InvalidArtifact: if any row differs.
    """
    if proof.n_different:
        raise InvalidArtifact(
            f"the packed model does not answer as its library does ({proof}), so nothing was "
            "written; please report the library and its parameters"
        )
