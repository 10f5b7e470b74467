"""A click command whose usage errors are documents, as all other errors are."""

from typing import Any

import click

from mlserver_forest.aws.json_output import USAGE_ERROR, error_document, to_json


class JsonUsageCommand(click.Command):
    """A command whose usage errors are JSON, too, if ``--json`` was given."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        is_json = "--json" in args
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if is_json:
                message = error.format_message()
                click.echo(to_json(error_document(error, message, code=USAGE_ERROR)))
            raise
