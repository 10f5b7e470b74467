"""``forest policy``."""

from typing import Any

import click

from mlserver_forest.aws.command_calls import COMMAND_CALLS
from mlserver_forest.aws.json_output import to_json
from mlserver_forest.aws.policy.documents import (
    PolicyPlaces,
    role_policy,
    trust_policy,
    user_policy,
)
from mlserver_forest.aws.session import Session, command
from mlserver_forest.errors import DeploymentError


@command
@click.option(
    "--for",
    "commands",
    multiple=True,
    metavar="COMMAND,...",
    help="Only what these commands need; by default all of them.",
)
@click.option("--role", "for_role", is_flag=True, help="The policy of SageMaker's role instead.")
@click.option("--trust", is_flag=True, help="The trust policy of SageMaker's role instead.")
@click.option("--account", default="*", help="The account, twelve digits.")
@click.option("--bucket", default="", help="As in the other commands.")
@click.option("--data", multiple=True, metavar="BUCKET", help="A further bucket that is read.")
@click.option("--repository", default=PolicyPlaces.repository, show_default=True)
@click.option("--role-name", default="*", help="SageMaker's role, which is passed to it.")
@click.option("--kms-key", default="", help="The ARN of the key that the commands are given.")
@click.option(
    "--pipelines",
    "has_pipelines",
    is_flag=True,
    help="With --role or --trust: the role runs pipelines, and their schedules start them with it.",
)
@click.option("--vpc", "is_in_vpc", is_flag=True, help="With --role: containers run in a VPC.")
def policy(
    session: Session, commands: tuple[str, ...], for_role: bool, trust: bool, **options: Any
) -> None:
    """Print the least IAM policy as JSON: for whoever runs the commands, or for SageMaker's role.

    It calls nobody: names that are not given are *.
    """
    if trust:
        document = trust_policy(is_scheduled=options["has_pipelines"])
    elif for_role:
        document = role_policy(_places(session, options))
    else:
        document = user_policy(_names(commands), _places(session, options))
    click.echo(to_json(document, indent=2))


def _names(words: tuple[str, ...]) -> list[str]:
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    for name in names:
        if name not in COMMAND_CALLS:
            known = ", ".join(COMMAND_CALLS)
            raise DeploymentError(f"--for {name}: expected some of {known}, separated by commas")
    return names or list(COMMAND_CALLS)


def _places(session: Session, options: dict[str, Any]) -> PolicyPlaces:
    bucket, role, key = (options.pop(name) for name in ("bucket", "role_name", "kms_key"))
    if key and not key.startswith("arn:"):
        raise DeploymentError(
            f"--kms-key {key}: policies name keys by their ARNs; expected arn:aws:kms:REGION:"
            "ACCOUNT:key/ID"
        )
    region = session.region or PolicyPlaces.region
    data = tuple(_bucket_name(one) for one in options.pop("data"))
    return PolicyPlaces(
        region=region,
        bucket=_bucket_name(bucket) or f"sagemaker-{region}-{options['account']}",
        role=role.rpartition(":role/")[2],
        kms_key=key,
        data=data,
        **options,
    )


def _bucket_name(text: str) -> str:
    return text.removeprefix("s3://").partition("/")[0]
