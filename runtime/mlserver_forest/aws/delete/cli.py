"""``forest delete``."""

import click

from mlserver_forest.aws.delete.plan import (
    KINDS,
    Belongings,
    NothingToDelete,
    find_belongings,
    plan,
)
from mlserver_forest.aws.delete.registered_versions import (
    GROUP_KIND,
    Registered,
    find_registered,
    registered_plan,
)
from mlserver_forest.aws.model_group import VersionName, read_version_name
from mlserver_forest.aws.session import POLL, Session, command


@command
@click.argument("name")
@click.option("--kind", type=click.Choice([*KINDS, GROUP_KIND]), help="Only what is this.")
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@click.option("--missing-ok", is_flag=True, help="It is no error if there is nothing to delete.")
@POLL
def delete(
    session: Session, name: str, kind: str | None, foreign: bool, missing_ok: bool, poll: float
) -> None:
    """Delete the endpoint NAME with its configurations and models, or the model NAME.

    Tags identify what this tool created. Data in S3, logs and images remain, and are listed. If
    there is no such endpoint, the configuration or model NAME is deleted. GROUP@VERSION is a
    version in the model registry; --kind model-package-group deletes a group with its versions.
    """
    version = read_version_name(name)
    if version or kind == GROUP_KIND:
        _delete_registered(session, version or VersionName(name), foreign, missing_ok)
        return
    try:
        found = find_belongings(name, session.existing, kind=kind, foreign=foreign)
    except NothingToDelete as error:
        if not missing_ok:
            raise
        session.say(f"nothing to delete: {error}")
        found = Belongings()
    else:
        session.confirm(f"Delete {found.describe()}?")
    if session.carry_out(plan(found, poll)) is None:
        return
    document = {
        "Endpoint": found.endpoint,
        "EndpointConfigs": found.configurations,
        "Models": found.models,
        "Left": found.stays,
    }
    session.result(document, [f"left: {one}" for one in found.stays])


def _delete_registered(
    session: Session, name: VersionName, foreign: bool, missing_ok: bool
) -> None:
    try:
        found = find_registered(session.existing, name, foreign=foreign)
    except NothingToDelete as error:
        if not missing_ok:
            raise
        session.say(f"nothing to delete: {error}")
        found = Registered(name.group, ())
    else:
        session.confirm(f"Delete {found.describe()}?")
    if session.carry_out(registered_plan(found)) is None:
        return
    document = {
        "ModelPackageGroup": found.group if found.is_whole else "",
        "ModelPackages": [arn for arn, _ in found.versions],
        "Left": found.stays,
    }
    session.result(document, [f"left: {one}" for one in found.stays])
