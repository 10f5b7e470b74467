"""``forest rollback``: back to the configuration that the last update replaced."""

from mlserver_forest.aws.deploy.endpoint_config import Traffic
from mlserver_forest.aws.steps import Call


def plan(endpoint: str, configuration: str, traffic: Traffic, *, is_serverless: bool) -> Call:
    guarded = {} if is_serverless else {"DeploymentConfig": traffic.request()}
    names = {"EndpointName": endpoint, "EndpointConfigName": configuration}
    return Call("sagemaker", "UpdateEndpoint", {**names, **guarded})
