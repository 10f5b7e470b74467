"""forest status and forest list against AWS's stand-in."""

import pytest

from aws.account import AS_ROLE, MODEL, RUNNING, name_of


def test_the_status_of_a_job_has_its_state_and_hourly_cost(account):
    name = name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    status = account.forest("status", name, "--json").json
    assert status["status"] == "InProgress, Training"
    assert status["cost"].startswith("1 x ml.m5.xlarge: about 0.23 USD per hour")
    assert account.forest("status", name, "--json").json["cost"] == "nothing any more"
    groups = [{"InstanceType": f"ml.m5.{size}", "InstanceCount": 1} for size in ("large", "xlarge")]
    account.stand_in.members["DescribeTrainingJob"] = {"ResourceConfig": {"InstanceGroups": groups}}
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    cost = account.forest("status", name, "--json").json["cost"]
    assert cost.startswith("1 x ml.m5.large: about 0.115 USD per hour")
    assert "; 1 x ml.m5.xlarge: " in cost


@pytest.mark.parametrize(
    ("words", "cost"),
    [
        (["--serverless"], "serverless: per call"),
        (["--async"], "1 x ml.m5.large: about 0.115 USD"),
        (["--instance-type", "ml.r5.large"], "1 x ml.r5.large: cost per hour unknown"),
    ],
)
def test_status_and_list_tell_the_cost(account, words, cost):
    done = account.forest("deploy", MODEL, *AS_ROLE, *words)
    assert done.code == 0, done.err
    assert account.forest("status", "forest", "--json").json["cost"].startswith(cost)
    (endpoint, *others) = account.forest("list", "--json").json["found"]
    assert endpoint["name"] == "forest"
    assert endpoint["cost"].startswith(cost)
    assert [one["kind"] for one in others] == ["endpoint configuration", "model"]
