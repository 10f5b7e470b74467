"""The command ``forest``, for people."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class _Entry:
    """A command, which is imported when it is called.

    Attributes:
        function: ``module:attribute``.
        example: a call that works, without ``forest`` and the command's name.
    """

    function: str
    example: str = ""


_HERE: Mapping[str, _Entry] = {
    "quickstart": _Entry("mlserver_forest.quickstart:quickstart"),
    "train": _Entry(
        "mlserver_forest.training.local_cli:train", "cars.csv --target mpg --interval 0.9"
    ),
    "hyperparameters": _Entry("mlserver_forest.training.algorithms.cli:hyperparameters", "common"),
    "pack": _Entry("mlserver_forest.importers.pack.cli:pack", "model.joblib --out ml/model"),
    "inspect": _Entry("mlserver_forest.reports.inspect.cli:inspect", "ml/model"),
    "predict": _Entry(
        "mlserver_forest.scoring.cli:predict", "ml/model rows.parquet --out answers.parquet"
    ),
    "evaluate": _Entry(
        "mlserver_forest.evaluation.command.cli:evaluate",
        "ml/model recent.csv --target mpg --by year",
    ),
    "drift": _Entry("mlserver_forest.reports.drift.cli:drift", "ml/model recent.csv"),
    "open": _Entry("mlserver_forest.serving.playground.open:open_", "ml/model"),
    "serve": _Entry("mlserver_forest.serving.cli:serve"),
    "doctor": _Entry("mlserver_forest.doctor.cli:doctor", "mlserver-forest"),
}
_SAGEMAKER: Mapping[str, _Entry] = {
    "push": _Entry("mlserver_forest.aws.push.cli:push", "--image mlserver-forest"),
    "fit": _Entry("mlserver_forest.aws.fit.cli:fit", "cars.csv -p target=mpg --role SageMaker"),
    "tune": _Entry(
        "mlserver_forest.aws.tune.cli:tune",
        "cars.csv -p target=mpg -r n_estimators=50:500 --role SageMaker",
    ),
    "deploy": _Entry(
        "mlserver_forest.aws.deploy.cli:deploy", "ml/model --name cars --role SageMaker"
    ),
    "register": _Entry("mlserver_forest.aws.register.cli:register", "ml/model --group cars"),
    "approve": _Entry("mlserver_forest.aws.approve.cli:approve", "cars --sample recent.csv"),
    "reject": _Entry("mlserver_forest.aws.approve.cli:reject", "cars@3 --reason worse"),
    "invoke": _Entry("mlserver_forest.aws.invoke.cli:invoke", "cars rows.csv"),
    "transform": _Entry(
        "mlserver_forest.aws.transform.cli:transform", "ml/model rows.csv --role SageMaker"
    ),
    "pipeline": _Entry(
        "mlserver_forest.aws.pipeline.cli:pipeline", "churn.toml --name churn --run"
    ),
    "status": _Entry("mlserver_forest.aws.status.cli:status", "cars"),
    "logs": _Entry("mlserver_forest.aws.logs.cli:logs", "cars --follow"),
    "list": _Entry("mlserver_forest.aws.list.cli:list_"),
    "rollback": _Entry("mlserver_forest.aws.rollback.cli:rollback", "cars"),
    "compare": _Entry("mlserver_forest.aws.compare.cli:compare", "cars --since 1d"),
    "promote": _Entry("mlserver_forest.aws.promote.cli:promote", "cars new"),
    "stop": _Entry("mlserver_forest.aws.stop.cli:stop", "cars-2026-01-31"),
    "delete": _Entry("mlserver_forest.aws.delete.cli:delete", "cars"),
    "cost": _Entry("mlserver_forest.aws.cost.cli:cost", "cars --measured 200"),
    "export": _Entry("mlserver_forest.aws.export.cli:export", "cars --terraform --out cars.tf"),
    "policy": _Entry("mlserver_forest.aws.policy.cli:policy", "--for fit,deploy"),
}
_GROUPS = {"On this machine": _HERE, "On SageMaker": _SAGEMAKER}
_COMMANDS = {**_HERE, **_SAGEMAKER}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> Any:
        if name not in _COMMANDS:
            return None
        entry = _COMMANDS[name]
        module, _, attribute = entry.function.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        call = f"forest {name} {entry.example}".rstrip()
        command.epilog = f"\b\nExample:\n  {call}"
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands in groups."""
        widest = max(map(len, _COMMANDS))
        for title, entries in _GROUPS.items():
            commands = ((name, self.get_command(context, name)) for name in entries)
            limit = formatter.width - widest - 6
            rows = [
                (name.ljust(widest), found.get_short_help_str(limit)) for name, found in commands
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


def _check_hyperparameters(raw: Mapping[str, str]) -> None:
    """Check the hyperparameters of ``fit`` and ``tune``, whose modules may not import training."""
    from mlserver_forest.training.algorithms.hyperparameters import parse

    parse(raw)


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlserver-forest")
@click.pass_context
def forest(context: click.Context) -> None:
    """Train tree ensembles and serve them on SageMaker's contract and the V2 protocol."""
    context.obj = _check_hyperparameters
