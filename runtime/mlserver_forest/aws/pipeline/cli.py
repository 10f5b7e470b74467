"""``forest pipeline``."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.fit.options import Check
from mlserver_forest.aws.infrastructure import find_role, parse_pairs
from mlserver_forest.aws.naming import checked_name, foreign_note
from mlserver_forest.aws.pipeline.definition import (
    INSTANCE_TYPE,
    REGISTER,
    PipelineSpec,
    parameters_of,
    pipeline_definition,
)
from mlserver_forest.aws.pipeline.definition_check import check_definition
from mlserver_forest.aws.pipeline.execution import described_steps, goes_on
from mlserver_forest.aws.pipeline.plan import (
    Execution,
    PipelineChange,
    definition_text,
    find_pipeline,
    plan,
)
from mlserver_forest.aws.pipeline.schedule import (
    OFF,
    Schedule,
    changed_schedule,
    check_expression,
    find_schedule,
    kept_schedule,
)
from mlserver_forest.aws.pipeline.toml_pipeline import Files, TomlPipeline, read_pipeline
from mlserver_forest.aws.pipeline.toml_section import unknown_key
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.request_check import InvalidRequest
from mlserver_forest.aws.resource_kinds import tags_of
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.step import Answer
from mlserver_forest.errors import DeploymentError

_ARNS = ("PipelineArn", "PipelineExecutionArn")
_RUN = (
    click.option("--run", "is_run", is_flag=True, help="Start an execution, and follow it."),
    click.option(
        "--parameter",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="A value for --run in place of the file's, such as Bar=0.9; repeatable.",
    ),
    WAIT,
    POLL,
)
_SCHEDULE = (
    click.option(
        "--schedule",
        default="",
        metavar="EXPR|off",
        help="When executions start: 'rate(1 day)', 'cron(0 3 * * ? *)'; off removes it.",
    ),
    click.option("--timezone", default="", help="That of --schedule; by default UTC."),
    click.option(
        "--schedule-role",
        default="",
        help="The role that EventBridge Scheduler assumes; by default the file's.",
    ),
)


def _pipeline_options(run: Any) -> Any:
    for option in reversed((*_RUN, *_SCHEDULE)):
        run = option(run)
    return run


@command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The pipeline's name.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only write the definition, to this file.",
)
@_pipeline_options
def pipeline(session: Session, file: Path, name: str, out: Path | None, **options: Any) -> None:
    """Create or update the pipeline that FILE, in TOML, describes, and run or schedule it.

    Its steps process data, train or tune, evaluate, compare with a bar, and register the model.
    """
    check_combinations("pipeline", given_options())
    checked_name(name)
    check_expression(options["schedule"] or OFF)
    given = dict(parse_pairs("--parameter", options["parameters"]))
    read = read_pipeline(file)
    check: Check | None = click.get_current_context().obj
    with tempfile.TemporaryDirectory(prefix="forest-pipeline-") as folder:
        wanted, files = read.pipeline(session, name, check, Path(folder))
        _check(session, read, wanted, given)
        if out is not None:
            _write(session, wanted, out)
            return
        change = _change_of(session, wanted, files, options, given)
        machines = wanted.fit.machines
        session.say(prices().describe(machines.instance_type, machines.instance_count))
        _confirm(session, change)
        answers = session.carry_out(plan(change, session.existing))
    if answers is not None:
        _show(session, change, answers)


def _check(
    session: Session, read: TomlPipeline, wanted: PipelineSpec, given: Mapping[str, str]
) -> None:
    """Check the definition with the file's values, and with those of an execution."""
    defaults = parameters_of(wanted)
    for name, value in given.items():
        if name not in defaults:
            raise DeploymentError(unknown_key(f"--parameter {name}", name, defaults))
        if not isinstance(defaults[name], str):
            _check_number(name, value)
    _check_disks(wanted, given.get(INSTANCE_TYPE, ""))
    definition = pipeline_definition(wanted)
    try:
        check_definition(definition, defaults, session.models)
    except InvalidRequest as error:
        raise read.refusal(error) from error
    # The values of the command line are named by the options of the command line.
    check_definition(definition, {**defaults, **given}, session.models)


def _check_disks(wanted: PipelineSpec, instance_type: str) -> None:
    """The key of volumes is in the definition, and local disks take none."""
    shared, usual = wanted.fit.infrastructure, wanted.fit.machines.instance_type
    keys = [bool(shared.volume_key(one)) for one in (usual, instance_type or usual)]
    if keys[0] != keys[1]:
        raise DeploymentError(
            f"--parameter {INSTANCE_TYPE}={instance_type}: of {usual} and {instance_type}, one has "
            "local disks, which take no KMS key; write instance-type into the file"
        )


def _check_number(name: str, value: str) -> None:
    try:
        FiniteNumber().convert(value, None, None)
    except click.BadParameter:
        raise DeploymentError(f"--parameter {name}={value}: expected a number") from None


def _change_of(
    session: Session,
    wanted: PipelineSpec,
    files: Files,
    options: dict[str, Any],
    given: dict[str, str],
) -> PipelineChange:
    existing = session.existing
    poll = options["poll"] if options["wait"] else None
    execution = Execution(given, uuid4().hex, poll) if options["is_run"] else None
    found = find_pipeline(existing, wanted.name)
    change = PipelineChange(wanted, found, uuid4().hex, files, execution)
    if not options["schedule"]:
        return change
    there = find_schedule(existing, wanted.name)
    role = options["schedule_role"]
    schedule = kept_schedule(
        Schedule(
            wanted.name,
            options["schedule"],
            options["timezone"],
            find_role(existing, role) if role else "",
        ),
        there,
        wanted.fit.infrastructure.role,
    )
    return replace(change, schedule=schedule, found_schedule=there)


def _write(session: Session, wanted: PipelineSpec, out: Path) -> None:
    if session.dry_run:
        session.carry_out(())
        return
    out.write_text(definition_text(wanted) + "\n", "utf-8")
    local = [one for one in wanted.inputs if one.files]
    for one in local:
        uri = one.uri_in(wanted.fit.storage)
        session.say(f"the data of {one.channel} are not uploaded; the definition reads {uri}")
    session.result({"PipelineName": wanted.name, "Definition": str(out)}, [f"wrote {out}"])


def _confirm(session: Session, change: PipelineChange) -> None:
    """Ask before a pipeline or a schedule that exists is changed."""
    name, found = change.pipeline.name, change.found
    if found and found is not UNKNOWN and (lines := change.changes()):
        tags = tags_of(session.existing, found["PipelineArn"])
        session.say_all([f"changes of pipeline {name}:", *lines])
        session.confirm(f"Update pipeline {name}{foreign_note(tags)}?")
    schedule, there = change.schedule, change.found_schedule
    if schedule is None or not there or there is UNKNOWN:
        return
    if lines := changed_schedule(schedule, there, change.arn):
        session.say_all([f"changes of schedule {name}:", *lines])
        verb = "Remove" if schedule.expression == OFF else "Update"
        session.confirm(f"{verb} schedule {name}?")


def _show(session: Session, change: PipelineChange, answers: Sequence[Answer]) -> None:
    document: dict[str, Any] = {"PipelineName": change.pipeline.name}
    arns = {name: one[name] for one in answers for name in _ARNS if name in one}
    document |= arns
    if change.execution is None:
        session.result(document, [f"pipeline: {arns.get('PipelineArn', change.arn)}"])
    elif change.execution.poll is None:
        session.result(document, [goes_on(arns["PipelineExecutionArn"])])
    else:
        steps = described_steps(answers[-1]["Steps"])
        package = next((one["arn"] for one in steps if one["name"] == REGISTER), "")
        document |= {"Steps": steps, "ModelPackageArn": package}
        session.result(document, [f"registered: {package}"])
