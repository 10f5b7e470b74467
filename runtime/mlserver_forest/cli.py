"""The command ``forest``: what a person calls."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

_COMMANDS = {
    "delete": "mlserver_forest.deployment.cli.delete:delete",
    "deploy": "mlserver_forest.deployment.cli.deploy:deploy",
    "doctor": "mlserver_forest.deployment.doctor.cli:doctor",
    "drift": "mlserver_forest.drift.cli:drift",
    "fit": "mlserver_forest.deployment.cli.fit:fit",
    "hyperparameters": "mlserver_forest.training.hyperparameters.cli:hyperparameters",
    "invoke": "mlserver_forest.deployment.cli.invoke:invoke",
    "list": "mlserver_forest.deployment.cli.listing:list_",
    "logs": "mlserver_forest.deployment.cli.status:logs",
    "open": "mlserver_forest.serving.opening:open_",
    "pack": "mlserver_forest.packing.cli:pack",
    "push": "mlserver_forest.deployment.cli.push:push",
    "quickstart": "mlserver_forest.quickstart:quickstart",
    "rollback": "mlserver_forest.deployment.cli.rollback:rollback",
    "serve": "mlserver_forest.serving.cli:serve",
    "status": "mlserver_forest.deployment.cli.status:status",
    "stop": "mlserver_forest.deployment.cli.rollback:stop",
    "train": "mlserver_forest.training.cli:train",
    "transform": "mlserver_forest.deployment.cli.transform:transform",
    "tune": "mlserver_forest.deployment.cli.tune:tune",
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
    """What ``fit`` and ``tune`` ask before they ask AWS: deployment knows no training."""
    from mlserver_forest.training.hyperparameters import parse

    parse(raw)


@click.command(cls=_LazyGroup)
@click.version_option(package_name="mlserver-forest")
@click.pass_context
def forest(context: click.Context) -> None:
    """Train tree ensembles and serve them on SageMaker's contract and the V2 protocol."""
    context.obj = _check_hyperparameters
