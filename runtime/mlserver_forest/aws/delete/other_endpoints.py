"""What other endpoints have in service, and is not deleted with this one."""

from dataclasses import dataclass, field

from mlserver_forest.aws.endpoint import configuration_look_up
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.traffic_shares import all_variants
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class OtherEndpoints:
    """The endpoints of an account but one.

    Attributes:
        configurations, models: by name, the endpoint that has them in service.
        is_known: whether the credentials may list endpoints.
    """

    configurations: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    is_known: bool = True

    def shared(self, kind: str, names: set[str]) -> dict[str, str]:
        """Those of the names that another endpoint uses, or may use, with texts that say so.

        Args:
            kind: configuration or model.
            names: their names.
        """
        if not self.is_known:
            return {one: f"{kind} {one}, which other endpoints may use" for one in names}
        users = self._users(kind)
        return {
            one: f"{kind} {one}, which endpoint {users[one]} uses" for one in names & users.keys()
        }

    def check_unused(self, kind: str, name: str) -> None:
        """Check that no endpoint is known to use a configuration or a model.

        Raises:
            DeploymentError: naming the endpoint that does.
        """
        if user := self._users(kind).get(name):
            raise DeploymentError(
                f"{kind} {name} is in use by endpoint {user}; delete that one first"
            )

    def _users(self, kind: str) -> dict[str, str]:
        return self.configurations if kind == "configuration" else self.models


def find_other_endpoints(existing: Existing, endpoint: str) -> OtherEndpoints:
    """Find what the other endpoints use, in two look-ups for each of them.

    Args:
        existing: the account.
        endpoint: the name of the endpoint that is left out, or empty.
    """
    call = Call("sagemaker", "ListEndpoints", {"MaxResults": 100}, items="Endpoints")
    listed = existing.find(call, optional="what other endpoints use")
    if listed is UNKNOWN or listed is None:
        return OtherEndpoints(is_known=False)
    names = [str(one["EndpointName"]) for one in listed["Endpoints"]]
    look_ups = [ENDPOINT.look_up(name) for name in names if name != endpoint]
    users = {
        str(one["EndpointConfigName"]): str(one["EndpointName"])
        for one in _found(existing, look_ups)
        if one.get("EndpointConfigName")
    }
    configurations = _found(existing, [configuration_look_up(name) for name in users])
    models = {
        str(variant["ModelName"]): users[one["EndpointConfigName"]]
        for one in configurations
        for variant in all_variants(one)
        if "ModelName" in variant
    }
    return OtherEndpoints(users, models)


def _found(existing: Existing, calls: list[Call]) -> list[Answer]:
    existing.find_together(calls)
    answers = (existing.find(call) for call in calls)
    return [one for one in answers if one is not None and one is not UNKNOWN]
