"""``forest status``: the calls that describe an endpoint or a job."""

from collections.abc import Sequence
from dataclasses import replace

from mlserver_forest.aws.endpoint import VARIANT, configuration_look_up
from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, Named
from mlserver_forest.aws.status.describe import detail_steps, scaling_steps_of
from mlserver_forest.aws.step import Call, Plan, Step


def plan(kinds: Sequence[Kind], name: str, found: Named | Unknown) -> Plan:
    """The calls that read its state.

    Args:
        kinds: the kinds that are asked for.
        name: the name of the endpoint or job.
        found: what exists; if it is unknown, the look-ups come first.
    """
    if found is not UNKNOWN:
        return tuple(
            step for kind, description in found for step in detail_steps(kind, name, description)
        )
    there = ENDPOINT.look_up(name)
    details = (
        configuration_look_up(f"<configuration of {name}>"),
        Call("sagemaker", "ListTags", {"ResourceArn": f"<ARN of {name}>"}, items="Tags"),
    )
    of_an_endpoint = (
        *(Step(call, only_if=there) for call in details),
        *(replace(step, only_if=there) for step in scaling_steps_of(name, (VARIANT,))),
    )
    return (
        *(Step(kind.look_up(name), may_be_missing=True) for kind in kinds),
        *(step for step in of_an_endpoint if ENDPOINT in kinds),
    )
