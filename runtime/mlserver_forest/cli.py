"""The command ``forest``, for people."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

_COMMANDS = {
    "delete": "mlserver_forest.aws.delete.cli:delete",
    "deploy": "mlserver_forest.aws.deploy.cli:deploy",
    "doctor": "mlserver_forest.doctor.cli:doctor",
    "drift": "mlserver_forest.reports.drift.cli:drift",
    "evaluate": "mlserver_forest.evaluation.command.cli:evaluate",
    "fit": "mlserver_forest.aws.fit.cli:fit",
    "hyperparameters": "mlserver_forest.training.algorithms.cli:hyperparameters",
    "invoke": "mlserver_forest.aws.invoke.cli:invoke",
    "list": "mlserver_forest.aws.list.cli:list_",
    "logs": "mlserver_forest.aws.logs.cli:logs",
    "open": "mlserver_forest.serving.playground.open:open_",
    "pack": "mlserver_forest.importers.pack.cli:pack",
    "push": "mlserver_forest.aws.push.cli:push",
    "quickstart": "mlserver_forest.quickstart:quickstart",
    "rollback": "mlserver_forest.aws.rollback.cli:rollback",
    "serve": "mlserver_forest.serving.cli:serve",
    "status": "mlserver_forest.aws.status.cli:status",
    "stop": "mlserver_forest.aws.stop.cli:stop",
    "train": "mlserver_forest.training.local_cli:train",
    "transform": "mlserver_forest.aws.transform.cli:transform",
    "tune": "mlserver_forest.aws.tune.cli:tune",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> Any:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


def _check_hyperparameters(raw: Mapping[str, str]) -> None:
    """Check the hyperparameters of ``fit`` and ``tune``, whose modules may not import training."""
    from mlserver_forest.training.algorithms.hyperparameters import parse

    parse(raw)


@click.command(cls=_LazyGroup)
@click.version_option(package_name="mlserver-forest")
@click.pass_context
def forest(context: click.Context) -> None:
    """Train tree ensembles and serve them on SageMaker's contract and the V2 protocol."""
    context.obj = _check_hyperparameters
