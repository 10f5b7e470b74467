"""``forest rollback``: back to the configuration that the last update replaced."""

from mlserver_forest.deployment.planning.calls import Call
from mlserver_forest.deployment.planning.hosting import Traffic


def plan(endpoint: str, configuration: str, traffic: Traffic, *, is_serverless: bool) -> Call:
    guarded = {} if is_serverless else {"DeploymentConfig": traffic.request()}
    names = {"EndpointName": endpoint, "EndpointConfigName": configuration}
    return Call("sagemaker", "UpdateEndpoint", {**names, **guarded})
