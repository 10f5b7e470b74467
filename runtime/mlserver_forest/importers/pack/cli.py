"""The command ``forest pack``."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.errors import ForestError
from mlserver_forest.mlflow.model_uri import download_model, is_mlflow_uri, name_in_uri


class _Model(click.Path):
    """A file or folder that exists, or the URI of a model that MLflow keeps."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | Path:
        found = value if is_mlflow_uri(str(value)) else super().convert(value, param, ctx)
        return found if isinstance(found, str) else Path(str(found))


@click.command()
@click.argument("model", type=_Model(exists=True, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The model directory to write, such as ml/model.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file with rows to compare the answers on: the features, without the label.",
)
@click.option(
    "--expect",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV, Parquet or npy file with your own answers to the rows of --data.",
)
@click.option(
    "--prove-with",
    default="",
    metavar="PYTHON",
    help="An interpreter that has the model's library, to load the model and answer, such as "
    "old/bin/python or 'docker run -i IMAGE python'. It runs the code in a pickle.",
)
@click.option(
    "--rounds",
    type=click.Choice(["all", "best"]),
    default=None,
    help="Which rounds of a booster that stopped early answer.  [default: up to the best one]",
)
@click.option(
    "--missing",
    type=float,
    help="The number that an XGBoost model reads as missing beside NaN, if its file does not say.",
)
@click.option("--feature-names", default="", help="The features' names, separated by commas.")
@click.option("--class-names", default="", help="The classes' names in the model's order.")
@click.option("--name", help="The model's name in V2.  [default: that of the file]")
@click.option(
    "--extra",
    type=click.Choice(["error", "ignore"]),
    default="error",
    show_default=True,
    help="What named columns that are not features are to the server: an error, or skipped.",
)
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Run the code in a pickle that cannot be read otherwise; only if you trust its origin.",
)
def pack(
    model: str | Path,
    out: Path,
    data: Path | None,
    expect: Path | None,
    prove_with: str,
    rounds: str | None,
    missing: float | None,
    feature_names: str,
    class_names: str,
    name: str | None,
    extra: str,
    trust_pickle: bool,
) -> None:
    """Turn a model that you have into a model directory, and prove that it answers the same.

    MODEL is a joblib, pickle or skops file, an XGBoost UBJ, JSON or binary file, a LightGBM text
    file, a CatBoost cbm or JSON file, an ONNX file, or an archive or a folder that holds one of
    them, such as SageMaker's model.tar.gz or an MLflow model; or models:/NAME@ALIAS,
    models:/NAME/VERSION or runs:/ID/PATH, which MLflow downloads. Pickles of tree ensembles of
    scikit-learn 0.20 to 1.9, XGBoost, LightGBM and CatBoost, and of pipelines of scikit-learn
    around them, are read without running any code.
    """
    from mlserver_forest.importers.pack.child_process import PackRequest
    from mlserver_forest.importers.pack.pack_run import run_pack

    if expect and not data:
        raise click.UsageError("--expect needs --data, the rows that your answers are for")
    try:
        with tempfile.TemporaryDirectory(prefix="forest-pack-", dir=_temporary(out)) as folder:
            path, named = _found(model, Path(folder))
            request = PackRequest(
                path=str(path.resolve()),
                folder=folder,
                name=named if name is None else name,
                sample=str(data.resolve()) if data else None,
                feature_names=_split(feature_names),
                class_names=_split(class_names),
                trust_pickle=trust_pickle,
                expected=str(expect.resolve()) if expect else None,
                prove_with=prove_with,
                rounds=rounds or "",
                missing=missing,
                ignores_extra=extra == "ignore",
            )
            run_pack(request, out, _say, click.echo)
    except (ForestError, OSError) as error:
        click.echo(f"forest pack: {error}", err=True)
        sys.exit(1)


def _found(model: str | Path, folder: Path) -> tuple[Path, str]:
    """Where the model is on this disk, downloaded if need be, and the name for it."""
    if isinstance(model, Path):
        return model, name_after(model)
    target = folder / "mlflow"
    target.mkdir()
    return download_model(model, target), name_after(name_in_uri(model))


def _temporary(out: Path) -> Path:
    """The folder for temporary files; beside the result if nothing else can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return out.resolve().parent


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",")) if names else ()


def _say(line: str) -> None:
    click.echo(line, err=True)
