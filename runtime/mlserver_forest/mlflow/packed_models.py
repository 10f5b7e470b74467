"""Models that MLflow keeps, packed for ``forest deploy``."""

from pathlib import Path

import click

from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.errors import ForestError
from mlserver_forest.importers.pack.child_process import PackRequest
from mlserver_forest.importers.pack.mlflow_model import MLMODEL, MOST_BYTES, flavours_in
from mlserver_forest.importers.pack.pack_run import run_pack
from mlserver_forest.mlflow.model_uri import download_model, is_mlflow_uri, name_in_uri


def packed_model(model_uri: str, folder: Path, name: str, flavor: str | None = None) -> str:
    """Pack one model.

    Args:
        model_uri: the URI of a model of MLflow, or the path of its folder; anything else is left to
            ``forest deploy``.
        folder: an existing folder for the files.
        name: the model's name on the V2 protocol.
        flavor: one that the model must have; None for any.

    Returns:
        The path of the model directory, or the URI as it is.

    Raises:
        ForestError: if it cannot be downloaded or packed, or does not have the flavor.
    """
    if is_mlflow_uri(model_uri):
        target = folder / "mlflow"
        target.mkdir()
        source = download_model(model_uri, target)
    elif (Path(model_uri) / MLMODEL).is_file():
        source = Path(model_uri)
    elif flavor:
        raise ForestError(f"{model_uri} is not a model of MLflow; leave --flavor out")
    else:
        return model_uri
    _check_flavor(source, model_uri, flavor)
    draft, out = folder / "draft", folder / "model"
    draft.mkdir()
    request = PackRequest(
        path=str(source.resolve()),
        folder=str(draft),
        name=name_after(name),
        sample=None,
        feature_names=(),
        class_names=(),
        trust_pickle=False,
    )
    run_pack(request, out, _say, _say)
    return str(out)


def packed_models(model_uris: str, folder: Path, name: str, flavor: str | None = None) -> str:
    """Pack the models of a multi-model endpoint.

    Args:
        model_uris: URIs with commas between them; anything else is left to ``forest deploy``.
        folder: an existing folder for the files.
        name: of the endpoint.
        flavor: one that all of them must have; None for any.

    Returns:
        The path of a folder with a model directory for each, by the model's name; or the text as it
        is.

    Raises:
        ForestError: as ``packed_model``, or if two of them have the same name.
    """
    uris = [uri.strip() for uri in model_uris.split(",")]
    if not all(map(is_mlflow_uri, uris)):
        return model_uris
    models = folder / "models"
    models.mkdir()
    for uri in uris:
        name = name_after(name_in_uri(uri))
        if (models / name).exists():
            raise ForestError(f"two of the models {model_uris} are called {name}; give one of them")
        draft = folder / f"of-{name}"
        draft.mkdir()
        Path(packed_model(uri, draft, name, flavor)).rename(models / name)
    return str(models)


def _check_flavor(source: Path, model_uri: str, flavor: str | None) -> None:
    with (source / MLMODEL).open("rb") as file:
        flavors = flavours_in(file.read(MOST_BYTES).decode("utf-8", "replace"))
    if flavor and flavor not in flavors:
        raise ForestError(
            f"{model_uri} does not have the flavor {flavor}; it has {', '.join(flavors)}: leave "
            "--flavor out"
        )


def _say(line: str) -> None:
    click.echo(line, err=True)
