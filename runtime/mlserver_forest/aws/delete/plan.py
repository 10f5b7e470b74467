"""``forest delete``: an endpoint, what was created for it, and what remains."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.delete.other_endpoints import OtherEndpoints, find_other_endpoints
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
from mlserver_forest.aws.sagemaker_model import data_of_model, model_look_up
from mlserver_forest.aws.scaling import Scaling, find_scaling, removal_steps, scalable_target
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.aws.traffic_shares import all_variants
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError

# What --kind may name, with SageMaker's names.
KINDS = {"endpoint": "Endpoint", "configuration": "EndpointConfig", "model": "Model"}


class NothingToDelete(DeploymentError):
    """There is nothing of this name."""


@dataclass(frozen=True)
class Belongings:
    """An endpoint and what was created for it, or only a configuration or a model.

    Attributes:
        endpoint: its name, or empty if it is already gone.
        is_going: whether AWS is deleting the endpoint already.
        configurations, models: their names.
        scaling: the endpoint's autoscaling.
        stays: texts that name what is not deleted.
    """

    endpoint: str = ""
    is_going: bool = False
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


def find_belongings(
    name: str, existing: Existing, *, kind: str | None, foreign: bool
) -> Belongings:
    """Find the endpoint with what was created for it, or else the configuration or model.

    Args:
        name: the name of an endpoint, which may already be gone, of a configuration, or of a model.
        existing: the account.
        kind: a key of ``KINDS``: nothing else is deleted; or None.
        foreign: whether to include what this tool did not create.

    Raises:
        NothingToDelete: if nothing exists.
        DeploymentError: if it may not be deleted.
    """
    if kind not in {None, "endpoint"}:
        return _alone(existing, name, {kind}, foreign)
    endpoint = existing.find(ENDPOINT.look_up(name))
    if endpoint is UNKNOWN:
        each = ("<each one tagged for it>",)
        target = scalable_target(name, VARIANT)
        return Belongings(name, configurations=each, models=each, scaling=Scaling((target,)))
    if endpoint:
        _check_endpoint(existing, endpoint, foreign)
    configurations = set(_tagged(existing, "EndpointConfig", name))
    models = set(_tagged(existing, "Model", name))
    shared: tuple[str, ...] = ()
    if endpoint and foreign:
        served = str(endpoint["EndpointConfigName"])
        theirs = {served} - configurations, _models_of(existing, served) - models
        others = find_other_endpoints(existing, name) if any(theirs) else OtherEndpoints()
        kept = [others.shared(*one) for one in zip(_LOOK_UPS, theirs, strict=True)]
        configurations |= theirs[0] - kept[0].keys()
        models |= theirs[1] - kept[1].keys()
        shared = (*kept[0].values(), *kept[1].values())
    if not endpoint and not configurations and not models:
        return _alone(existing, name, set() if kind else set(_LOOK_UPS), foreign)
    scaling = _scaling(existing, endpoint) if endpoint else Scaling()
    return Belongings(
        endpoint=name if endpoint else "",
        is_going=bool(endpoint and endpoint[ENDPOINT.status] == "Deleting"),
        configurations=tuple(sorted(configurations)),
        models=tuple(sorted(models)),
        scaling=scaling,
        stays=(
            *_unknown_scaling(scaling),
            *shared,
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
    if name and not found.is_going:
        call = Call("sagemaker", "DeleteEndpoint", {"EndpointName": name})
        yield Step(call, may_be_missing=True)
    if name:
        yield Step(Wait(ENDPOINT, name, poll, until_gone=True), removes=f"endpoint {name}")


def _has_our_tag(existing: Existing, arn: str) -> bool:
    return is_ours(tags_of(existing, arn))


def _scaling(existing: Existing, endpoint: Answer) -> Scaling:
    configuration = _described(existing, configuration_look_up(endpoint["EndpointConfigName"]))
    variants = variant_names(endpoint, configuration)
    try:
        return find_scaling(existing, endpoint["EndpointName"], variants)
    except Refused as error:
        if error.is_general:
            raise
        return Scaling(is_known=False)


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
    if not configuration:
        return set()
    found = _described(existing, configuration_look_up(configuration))
    # A variant of inference components has no model of its own.
    return {str(one["ModelName"]) for one in all_variants(found) if "ModelName" in one}


def _alone(existing: Existing, name: str, kinds: set[str], foreign: bool) -> Belongings:
    """The configuration and the model of this name, none of which is in use."""
    calls = {kind: look_up(name) for kind, look_up in _LOOK_UPS.items() if kind in kinds}
    found = {kind: _described(existing, call) for kind, call in calls.items()}
    if any(existing.find(call) is UNKNOWN for call in calls.values()):
        named = dict.fromkeys(calls, (name,))
        return Belongings(
            configurations=named.get("configuration", ()), models=named.get("model", ())
        )
    there = [kind for kind in found if found[kind]]
    if not there:
        nouns = ", ".join(["endpoint", *sorted(kinds)] if len(kinds) != 1 else kinds)
        raise NothingToDelete(
            f"there is no {nouns} {name}, and nothing that was created for it; jobs are not "
            "deleted but stopped (forest stop); aws sagemaker delete-pipeline deletes a pipeline"
        )
    for kind in there:
        tags = tags_of(existing, found[kind][f"{KINDS[kind]}Arn"])
        if not foreign and not is_ours(tags):
            raise DeploymentError(
                f"{kind} {name} was not created by this tool; add --any to delete it"
            )
        if is_ours(tags):
            _check_unused(existing, kind, name, tags.get(FOR_ENDPOINT, ""))
        else:
            find_other_endpoints(existing, "").check_unused(kind, name)
    configurations, models = ({name} if kind in there else set() for kind in _LOOK_UPS)
    return Belongings(
        configurations=tuple(configurations),
        models=tuple(models),
        stays=tuple(_what_stays(existing, configurations, models)),
    )


_LOOK_UPS = {"configuration": configuration_look_up, "model": model_look_up}


def _check_unused(existing: Existing, kind: str, name: str, endpoint: str) -> None:
    """AWS deletes what an endpoint in service uses, which then fails when it is scaled."""
    found = _described(existing, ENDPOINT.look_up(endpoint)) if endpoint else {}
    configurations = (
        {str(found["EndpointConfigName"]), pending_configuration(found)} if found else set()
    )
    models = (_models_of(existing, one) for one in configurations)
    used = configurations if kind == "configuration" else set().union(*models)
    if name in used:
        raise DeploymentError(
            f"{kind} {name} is in use by endpoint {endpoint}; forest delete {endpoint} deletes both"
        )


def _what_stays(existing: Existing, configurations: set[str], models: set[str]) -> Iterator[str]:
    for name in sorted(models):
        found = _described(existing, model_look_up(name))
        for uri in data_of_model(found):
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
