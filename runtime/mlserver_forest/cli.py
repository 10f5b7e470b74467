"""The command ``forest``: what a person calls."""

import importlib
from typing import Any

import click

_COMMANDS = {
    "doctor": "mlserver_forest.deployment.doctor.cli:doctor",
    "hyperparameters": "mlserver_forest.training.hyperparameters.cli:hyperparameters",
    "pack": "mlserver_forest.packing.cli:pack",
    "quickstart": "mlserver_forest.quickstart:quickstart",
    "serve": "mlserver_forest.serving.cli:serve",
    "train": "mlserver_forest.training.cli:train",
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


@click.command(cls=_LazyGroup)
@click.version_option(package_name="mlserver-forest")
def forest() -> None:
    """Train tree ensembles and serve them on SageMaker's contract and the V2 protocol."""
