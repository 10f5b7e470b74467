"""``forest delete``: an endpoint, what was created for it, and what remains."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlserver_forest.aws.endpoint import (
    VARIANT,
    configuration_look_up,
    deletion,
    is_changing,
    pending_configuration,
    variant_names,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import FOR_ENDPOINT, OURS, is_ours
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, find_scaling, removal_steps, scalable_target
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Belongings:
    """An endpoint and what was created for it, or only a configuration or a model.

    Attributes:
        endpoint: its name, or empty if it is already gone.
        configurations, models: their names.
        scaling: the endpoint's autoscaling.
        stays: texts that name what is not deleted.
    """

    endpoint: str
    configurations: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    scaling: Scaling = field(default_factory=Scaling)
    stays: tuple[str, ...] = ()

    def describe(self) -> str:
        """Everything that is deleted, for the question to the user."""
        parts = [f"endpoint {self.endpoint}"] if self.endpoint else []
        parts += [f"configuration {one}" for one in self.configurations]
        parts += [f"model {one}" for one in self.models]
        return ", ".join(parts)


def find_belongings(name: str, existing: Existing, *, foreign: bool) -> Belongings:
    """Find the endpoint, its configurations and models, or else the model of that name.

    Args:
        name: the name of an endpoint, which may already be gone, or of a model.
        existing: the account.
        foreign: whether to include what this tool did not create.

    Raises:
        DeploymentError: if nothing exists, or nothing that may be deleted.
    """
    endpoint = existing.find(ENDPOINT.look_up(name))
    if endpoint is UNKNOWN:
        each = ("<each one tagged for it>",)
        target = scalable_target(name, VARIANT)
        return Belongings(name, each, each, Scaling((target,)))
    if endpoint:
        _check_endpoint(existing, endpoint, foreign)
    configurations = set(_tagged(existing, "EndpointConfig", name))
    models = set(_tagged(existing, "Model", name))
    if endpoint and foreign:
        configurations.add(endpoint["EndpointConfigName"])
        models |= _models_of(existing, endpoint["EndpointConfigName"])
    if not endpoint and not configurations and not models:
        return _alone(existing, name, foreign)
    scaling = _scaling(existing, endpoint) if endpoint else Scaling()
    return Belongings(
        endpoint=name if endpoint else "",
        configurations=tuple(sorted(configurations)),
        models=tuple(sorted(models)),
        scaling=scaling,
        stays=(
            *_unknown_scaling(scaling),
            *dict.fromkeys(_what_stays(existing, configurations, models)),
            f"log group {ENDPOINT.log_group.format(name)}",
        ),
    )


def plan(found: Belongings, poll: float) -> Plan:
    """The steps: what costs money is deleted first, and a configuration only after its endpoint.

    Args:
        found: what is deleted.
        poll: seconds between two checks whether the endpoint is gone.
    """
    return (
        *_endpoint_steps(found, poll),
        *(deletion("EndpointConfig", name) for name in found.configurations),
        *(deletion("Model", name) for name in found.models),
    )


def _endpoint_steps(found: Belongings, poll: float) -> Iterator[Step]:
    name = found.endpoint
    yield from removal_steps(found.scaling)
    if name:
        call = Call("sagemaker", "DeleteEndpoint", {"EndpointName": name})
        yield Step(call, may_be_missing=True)
        yield Step(Wait(ENDPOINT, name, poll, until_gone=True), removes=f"endpoint {name}")


def _has_our_tag(existing: Existing, arn: str) -> bool:
    return is_ours(tags_of(existing, arn))


def _scaling(existing: Existing, endpoint: Answer) -> Scaling:
    configuration = _described(existing, configuration_look_up(endpoint["EndpointConfigName"]))
    return find_scaling(existing, endpoint["EndpointName"], variant_names(endpoint, configuration))


def _unknown_scaling(scaling: Scaling) -> Iterator[str]:
    if not scaling.is_known:
        yield "its autoscaling if it has any, which these credentials may not look up"


def _check_endpoint(existing: Existing, found: Answer, foreign: bool) -> None:
    name, status = found["EndpointName"], found[ENDPOINT.status]
    if not foreign and not _has_our_tag(existing, found[ENDPOINT.arn]):
        raise DeploymentError(
            f"endpoint {name} was not created by this tool (it does not have the tag "
            f"{OURS[0]}={OURS[1]}); add --any to delete it anyway"
        )
    if is_changing(found):
        raise DeploymentError(
            f"endpoint {name} is {status}, and AWS deletes no endpoint in that state; wait for it "
            f"(forest status {name}), and run the same command again"
        )


def _tagged(existing: Existing, subject: str, endpoint: str) -> Iterator[str]:
    """The names of configurations or models that were created for the endpoint."""
    request = {"NameContains": endpoint}
    for one in existing.items(Call("sagemaker", f"List{subject}s", request, items=f"{subject}s")):
        if tags_of(existing, one[f"{subject}Arn"]).get(FOR_ENDPOINT) == endpoint:
            yield one[f"{subject}Name"]


def _models_of(existing: Existing, configuration: str) -> set[str]:
    found = _described(existing, configuration_look_up(configuration))
    return {one["ModelName"] for one in found.get("ProductionVariants", []) if "ModelName" in one}


def _alone(existing: Existing, name: str, foreign: bool) -> Belongings:
    """A configuration that no endpoint uses, or a model."""
    configuration = _described(existing, configuration_look_up(name))
    if configuration:
        return _configuration_alone(existing, configuration, foreign)
    model = _described(existing, model_look_up(name))
    if not model:
        raise DeploymentError(
            f"there is no endpoint, configuration or model {name}, and nothing that was created "
            "for it; jobs are not deleted but stopped: forest stop"
        )
    if not foreign and not _has_our_tag(existing, model["ModelArn"]):
        raise DeploymentError(f"model {name} was not created by this tool; add --any to delete it")
    return Belongings("", models=(name,), stays=tuple(_what_stays(existing, set(), {name})))


def _configuration_alone(existing: Existing, found: Answer, foreign: bool) -> Belongings:
    name = found["EndpointConfigName"]
    tags = tags_of(existing, found["EndpointConfigArn"])
    if not foreign and not is_ours(tags):
        raise DeploymentError(
            f"endpoint configuration {name} was not created by this tool; add --any to delete it"
        )
    endpoint = tags.get(FOR_ENDPOINT, "")
    used = _described(existing, ENDPOINT.look_up(endpoint)) if endpoint else {}
    if used and name in {used["EndpointConfigName"], pending_configuration(used)}:
        raise DeploymentError(
            f"endpoint {endpoint} uses configuration {name}; forest delete {endpoint} deletes both"
        )
    return Belongings("", (name,), stays=tuple(_what_stays(existing, {name}, set())))


def _what_stays(existing: Existing, configurations: set[str], models: set[str]) -> Iterator[str]:
    for name in sorted(models):
        found = _described(existing, model_look_up(name))
        if uri := found.get("PrimaryContainer", {}).get("ModelDataUrl"):
            yield f"the model in {uri}"
    for name in sorted(configurations):
        found = _described(existing, configuration_look_up(name))
        if uri := found.get("DataCaptureConfig", {}).get("DestinationS3Uri"):
            yield f"captured data in {uri}"
        if uri := found.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("S3OutputPath"):
            yield f"answers in {uri}"


def _described(existing: Existing, call: Call) -> Answer:
    found = existing.find(call)
    return {} if found is None or found is UNKNOWN else found
