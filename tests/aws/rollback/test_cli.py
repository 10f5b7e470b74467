"""forest rollback against AWS's stand-in."""

from aws.account import AS_ROLE, EMPTY, MODEL, POLL, everything


def test_an_update_can_be_rolled_back_and_forward(account, sagemaker):
    """The old configuration and model stay until the endpoint is deleted."""
    old = account.forest("deploy", MODEL, *AS_ROLE, "--json").json["EndpointConfigName"]
    other = "s3://models/other.tar.gz"
    account.stand_in.states["DescribeEndpoint"] = [{}, {"EndpointStatus": "Updating"}]
    done = account.forest("deploy", other, *AS_ROLE, "--traffic", "linear", "--yes", "--json")
    assert done.code == 0, done.err
    new = done.json["EndpointConfigName"]
    assert new != old
    status = account.forest("status", "forest", "--json").json
    assert (status["configuration"], status["previous configuration"]) == (new, old)
    done = account.forest("rollback", "forest", "--yes", *POLL)
    assert done.code == 0, done.err
    assert done.out == f"forest now uses configuration {old}\n"
    done = account.forest("rollback", "forest", "--yes", *POLL)
    assert done.out == f"forest now uses configuration {new}\n"
    assert account.forest("delete", "forest", "--yes", *POLL).code == 0
    assert everything(sagemaker) == EMPTY
