"""``forest export``."""

from pathlib import Path

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.export.aws_resource import resources_of
from mlserver_forest.aws.export.cloudformation import to_cloudformation
from mlserver_forest.aws.export.exported_endpoint import find_exported, look_ups
from mlserver_forest.aws.export.terraform import to_terraform
from mlserver_forest.aws.session import Session, command
from mlserver_forest.errors import DeploymentError


@command
@click.argument("name")
@click.option("--terraform", "is_terraform", is_flag=True, help="Terraform's code.")
@click.option("--cloudformation", is_flag=True, help="A CloudFormation template in JSON.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file to write.")
def export(
    session: Session, name: str, is_terraform: bool, cloudformation: bool, out: Path | None
) -> None:
    """Write what serves the endpoint NAME as code: models, configuration, autoscaling, alarms.

    The values of variables whose names say that they are secrets are not written.
    """
    check_combinations("export", given_options())
    if not is_terraform and not cloudformation:
        raise DeploymentError("forest export needs --terraform or --cloudformation; add one")
    found = find_exported(session.existing, name)
    steps = look_ups(name) if found is UNKNOWN else ()
    if session.carry_out(steps) is None or found is UNKNOWN:
        return
    about = f"Endpoint {name} in {session.aws.region}, written by forest export."
    resources = resources_of(found)
    if is_terraform:
        code = to_terraform(resources, about)
        text = code.text
        session.say_all([f"not in Terraform's AWS provider: {one}" for one in code.left_out])
    else:
        text = to_cloudformation(resources, about)
    if out is None:
        session.result({"EndpointName": name, "Code": text}, [text.rstrip("\n")])
        return
    out.write_text(text, "utf-8")
    session.result({"EndpointName": name, "Out": str(out)}, [f"wrote {out}"])
