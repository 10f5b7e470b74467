"""The schedule of a pipeline: one of EventBridge Scheduler, which AWS recommends over rules.

SageMaker's guide ("Schedule Pipeline Runs") and its SDK make a schedule whose target is the ARN of
the pipeline, with a role that may call StartPipelineExecution.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing, Found
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.errors import DeploymentError

OFF = "off"
PIPELINE_ARN = "ARN of the pipeline"
# EventBridge Scheduler's guide, "Schedule types".
_EXPRESSION = re.compile(
    r"rate\([1-9][0-9]* (?:minute|hour|day)s?\)|cron\(\S+(?: \S+){5}\)"
    r"|at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\)"
)
_KEPT = ("ScheduleExpression", "ScheduleExpressionTimezone", "State", "Target")


@dataclass(frozen=True)
class Schedule:
    """When executions of a pipeline start.

    Attributes:
        pipeline: its name, which is also the schedule's.
        expression: rate(...), cron(...) or at(...), or ``off``.
        timezone: such as Europe/Berlin, or empty.
        role: the ARN of the role that EventBridge Scheduler assumes, or empty.
    """

    pipeline: str
    expression: str
    timezone: str = ""
    role: str = ""

    def request(self, arn: str) -> dict[str, Any]:
        """CreateSchedule's request for the pipeline of this ARN."""
        return {
            "Name": self.pipeline,
            "ScheduleExpression": self.expression,
            "ScheduleExpressionTimezone": self.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {"Arn": arn, "RoleArn": self.role},
        }


def check_expression(expression: str) -> str:
    """Check the text of a schedule.

    Raises:
        DeploymentError: if it is none.
    """
    if expression != OFF and not _EXPRESSION.fullmatch(expression):
        raise DeploymentError(
            f"--schedule {expression!r}: expected such as 'rate(1 day)', 'cron(0 3 * * ? *)' (six "
            "fields), 'at(2030-01-31T03:00:00)' or off"
        )
    return expression


def find_schedule(existing: Existing, pipeline: str) -> Found:
    """The description of a pipeline's schedule.

    Raises:
        DeploymentError: if a schedule of this name is for something else.
    """
    found = existing.find(_look_up(pipeline))
    if found is None or found is UNKNOWN:
        return found
    target = found["Target"]["Arn"]
    if not target.endswith(f":pipeline/{pipeline}"):
        raise DeploymentError(
            f"the name is taken: schedule {pipeline} in EventBridge Scheduler starts {target}; "
            "choose another --name for the pipeline"
        )
    return found


def kept_schedule(wanted: Schedule, found: Found, role: str) -> Schedule:
    """The same with the time zone and the role that a present schedule has, unless they are given.

    Args:
        wanted: what is asked for.
        found: the description of the present one.
        role: the role of a new schedule.
    """
    there = {} if found is None or found is UNKNOWN else found
    return replace(
        wanted,
        timezone=wanted.timezone or there.get("ScheduleExpressionTimezone", "UTC"),
        role=wanted.role or there.get("Target", {}).get("RoleArn", role),
    )


def changed_schedule(wanted: Schedule, found: Answer, arn: str) -> list[str]:
    """What would change, a line each; empty if nothing does."""
    if wanted.expression == OFF:
        return [f"schedule: {found['ScheduleExpression']} -> none"]
    request = wanted.request(arn)
    pairs = ((name, found.get(name), request[name]) for name in _KEPT)
    return [f"{name}: {_text(old)} -> {_text(new)}" for name, old, new in pairs if old != new]


def schedule_steps(wanted: Schedule, found: Found, arn: str) -> Plan:
    """The step that creates, updates or removes the schedule.

    Args:
        wanted: the schedule.
        found: the description of the present one.
        arn: the pipeline's ARN, or a name in angle brackets for it.
    """
    name = wanted.pipeline
    if wanted.expression == OFF:
        delete = Call("scheduler", "DeleteSchedule", {"Name": name})
        return (Step(delete, may_be_missing=True, removes=f"schedule {name}"),)
    request = wanted.request(arn)
    look_up = _look_up(name)
    create = Step(
        Call("scheduler", "CreateSchedule", request),
        found_by=look_up,
        given=(PIPELINE_ARN,),
        makes=f"schedule {name}: {wanted.expression} ({wanted.timezone})",
        removed_by=f"aws scheduler delete-schedule --name {name}",
    )
    update = Step(
        Call("scheduler", "UpdateSchedule", request),
        given=(PIPELINE_ARN,),
        says=f"schedule {name}: {wanted.expression} ({wanted.timezone})",
    )
    if found is UNKNOWN:
        return (replace(create, unless=look_up), replace(update, only_if=look_up))
    if found is None:
        return (create,)
    return (update,) if changed_schedule(wanted, found, arn) else ()


def _look_up(name: str) -> Call:
    return Call("scheduler", "GetSchedule", {"Name": name})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(str(one) for one in value.values() if isinstance(one, str))
    return str(value)
