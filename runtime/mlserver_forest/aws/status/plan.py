"""``forest status``: the calls that describe an endpoint or a job."""

from dataclasses import replace

from mlserver_forest.aws.endpoint import VARIANT, configuration_look_up
from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.resource_kinds import ENDPOINT, KINDS, Kind
from mlserver_forest.aws.status.describe import detail_steps, scaling_steps_of
from mlserver_forest.aws.step import Answer, Call, Plan, Step


def plan(name: str, found: tuple[Kind, Answer] | Unknown) -> Plan:
    """The calls that read its state.

    Args:
        name: the name of the endpoint or job.
        found: its kind and description; if they are unknown, the look-ups come first.
    """
    if found is not UNKNOWN:
        kind, description = found
        return detail_steps(kind, name, description)
    there = ENDPOINT.look_up(name)
    details = (
        configuration_look_up(f"<configuration of {name}>"),
        Call("sagemaker", "ListTags", {"ResourceArn": f"<ARN of {name}>"}, items="Tags"),
    )
    return (
        *(Step(kind.look_up(name), may_be_missing=True) for kind in KINDS),
        *(Step(call, only_if=there) for call in details),
        *(replace(step, only_if=there) for step in scaling_steps_of(name, (VARIANT,))),
    )
