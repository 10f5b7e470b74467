"""MLflow's deployment target ``forest``: ``mlflow deployments create -t forest -m models:/...``.

A model is packed and deployed by the same commands that a person types: ``forest deploy``,
``status``, ``list``, ``invoke`` and ``delete``. Each option of theirs is a key of ``-C``.
MLflow calls ``target_help``, ``run_local`` and the client (mlflow/deployments/base.py).
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_ALREADY_EXISTS

from mlserver_forest.aws.delete.cli import delete
from mlserver_forest.aws.deploy.cli import deploy
from mlserver_forest.aws.invoke.cli import invoke
from mlserver_forest.aws.list.cli import list_
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.status.cli import status
from mlserver_forest.mlflow.command_options import describe_options, names_variant, words_of
from mlserver_forest.mlflow.deployed_endpoint import (
    account,
    check_deployed,
    is_asynchronous,
    is_deployed,
    model_of,
)
from mlserver_forest.mlflow.json_command import failing, run_command
from mlserver_forest.mlflow.model_uri import FLAVOR
from mlserver_forest.mlflow.packed_models import packed_model, packed_models
from mlserver_forest.mlflow.request_body import body_of
from mlserver_forest.serving.cli import serve

_KIND = ("--kind", ENDPOINT.noun)
_HELP = """\
Deploys to Amazon SageMaker, as the command forest deploy does.

Target URI: forest, or forest:/REGION.

Model URI: models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/PATH of a model with the flavor
mlserver_forest, sklearn, xgboost, lightgbm, catboost or onnx, which is packed without running any
of its code; or anything that forest deploy takes, such as s3://BUCKET/model.tar.gz. With
-C multi-model=true, several of them may be given with commas between them, and --name NAME/MODEL
asks one of them.

Each option of forest deploy is a key of -C, without the dashes. A flag takes true or false, an
option that can be repeated a JSON list: -C 'env=["A=1", "B=2"]'.

"""


def target_help() -> str:
    """What ``mlflow deployments help -t forest`` prints."""
    return _HELP + "\n".join(describe_options(deploy))


def run_local(
    name: str, model_uri: str, flavor: str | None = None, config: Mapping[str, Any] | None = None
) -> None:
    """Serve a model on this machine until Ctrl-C, as ``forest serve`` does.

    Args:
        name: of the deployment, which the model is called.
        model_uri: as in ``create_deployment``.
        flavor: see ``create_deployment``.
        config: options of ``forest serve``, such as ``port``.

    Raises:
        MlflowException: if the model cannot be packed or served.
    """
    with failing(), tempfile.TemporaryDirectory(prefix="forest-mlflow-") as folder:
        directory = packed_model(model_uri, Path(folder), name, flavor)
        words = [str(directory), *words_of(serve, config)]
        # -P: a module in the working directory must not take the place of another.
        run = "from mlserver_forest.cli import forest; forest()"
        command = [sys.executable, "-P", "-c", run, "serve", *words]
        code = 0
        with suppress(KeyboardInterrupt):  # The server gets Ctrl-C, too, and is waited for.
            code = subprocess.run(command, check=False).returncode  # noqa: S603  # our own command
    if code > 0:
        raise MlflowException(f"forest serve ended with {code}; its reason is above")


class ForestDeploymentClient(BaseDeploymentClient):  # type: ignore[misc]  # MLflow has no types
    """Endpoints on SageMaker that serve models of MLflow."""

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Make an endpoint.

        Args:
            name: of the endpoint.
            model_uri: see ``target_help``.
            flavor: one that the model must have; None for any that can be packed.
            config: options of ``forest deploy`` by name.
            endpoint: is not for this target.

        Returns:
            What ``forest deploy --json`` prints, with ``name`` and ``flavor``.

        Raises:
            MlflowException: if it exists already, or with the reason of ``forest deploy``.
        """
        _refuse_endpoint(endpoint)
        with failing():
            with account(*self._place(config)) as existing:
                is_there = is_deployed(existing, name)
            if is_there:
                raise MlflowException(
                    f"endpoint {name} exists already; change it with mlflow deployments update "
                    f"-t forest --name {name} -m {model_uri}",
                    error_code=RESOURCE_ALREADY_EXISTS,
                )
            return self._deploy(name, model_uri, flavor, config)

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Change an endpoint; what no option changes stays as it is.

        Args:
            name: of the endpoint.
            model_uri: as in ``create_deployment``; None for the model that it has, or that the
                variant of the option ``variant`` has.
            flavor: as in ``create_deployment``.
            config: as in ``create_deployment``.
            endpoint: is not for this target.

        Returns:
            As ``create_deployment``.

        Raises:
            MlflowException: if there is no such endpoint, or with the reason of ``forest deploy``.
        """
        _refuse_endpoint(endpoint)
        if flavor and not model_uri:
            raise MlflowException(
                "a flavor is for a new model; give --model-uri, too, or leave --flavor out",
                error_code=INVALID_PARAMETER_VALUE,
            )
        with failing():
            with account(*self._place(config)) as existing:
                check_deployed(existing, name)
                # A variant that is named keeps its model.
                kept = "" if model_uri or names_variant(config) else model_of(existing, name)
            return self._deploy(name, model_uri or kept, flavor, config)

    def delete_deployment(
        self, name: str, config: Mapping[str, Any] | None = None, endpoint: str | None = None
    ) -> None:
        """Delete an endpoint with its configurations and models, if it is there.

        Args:
            name: of the endpoint.
            config: options of ``forest delete`` by name.
            endpoint: is not for this target.

        Raises:
            MlflowException: with the reason of ``forest delete``.
        """
        _refuse_endpoint(endpoint)
        with failing():
            options = words_of(delete, self._with_region(config))
            run_command(delete, name, "--missing-ok", *options)

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """The endpoints that this tool has made, as ``forest list --json`` shows them.

        Raises:
            MlflowException: with the reason of ``forest list``.
        """
        _refuse_endpoint(endpoint)
        with failing():
            found = run_command(list_, *words_of(list_, self._with_region(None)))["found"]
        return [one for one in found if one["kind"] == ENDPOINT.noun]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        """The state of an endpoint, as ``forest status --json`` shows it, with ``name``.

        Raises:
            MlflowException: if there is no such endpoint.
        """
        _refuse_endpoint(endpoint)
        with failing():
            options = words_of(status, self._with_region(None))
            return {"name": name, **run_command(status, name, *_KIND, *options)}

    def predict(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> PredictionsResponse:
        """Ask an endpoint.

        Args:
            deployment_name: the endpoint; ENDPOINT/MODEL for a model of a multi-model endpoint.
            inputs: rows: a data frame, an array, or a document in one of MLflow's shapes.
            endpoint: the endpoint, in place of ``deployment_name``.

        Returns:
            The answer, whose ``get_predictions()`` is a data frame.

        Raises:
            MlflowException: with the reason of ``forest invoke``, or of the model.
        """
        name, _, model = str(deployment_name or endpoint or "").partition("/")
        with failing(), tempfile.TemporaryDirectory(prefix="forest-mlflow-") as folder:
            body = body_of(inputs)
            path = Path(folder, "rows")
            path.write_bytes(body.content)
            options = ["--content-type", body.media_type, "--accept", "application/json"]
            options += ["--target-model", f"{model}.tar.gz"] if model else []
            with account(*self._place(None)) as existing:
                options += ["--async"] if is_asynchronous(existing, name) else []
            options += words_of(invoke, self._with_region(None))
            answer = run_command(invoke, name, str(path), *options)
        return PredictionsResponse.from_json(answer["Body"])

    def _deploy(
        self, name: str, model_uri: str, flavor: str | None, config: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        options = words_of(deploy, self._with_region(config))
        with tempfile.TemporaryDirectory(prefix="forest-mlflow-") as folder:
            pack = packed_models if "--multi-model" in options else packed_model
            model = (pack(model_uri, Path(folder), name, flavor),) if model_uri else ()
            document = run_command(deploy, *model, "--name", name, *options)
        return {"name": name, "flavor": flavor or FLAVOR, **document}

    def _with_region(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """The options, with the region of the target's URI."""
        region = str(self.target_uri).partition(":")[2].strip("/")
        return {**({"region": region} if region else {}), **(config or {})}

    def _place(self, config: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
        found = self._with_region(config)
        return found.get("region"), found.get("profile")


def _refuse_endpoint(endpoint: str | None) -> None:
    """Refuse what this target does not have: a deployment is an endpoint."""
    if endpoint:
        raise MlflowException(
            f"--endpoint {endpoint}: a deployment of this target is an endpoint itself; name it "
            "with --name",
            error_code=INVALID_PARAMETER_VALUE,
        )
