"""forest promote against AWS's stand-in."""

from aws.account import AS_ROLE, MODEL, POLL

OTHER = "s3://models/other.tar.gz"
YES = (*POLL, "--yes")


def test_a_variant_becomes_the_only_one_and_a_rollback_returns(account, sagemaker):
    """It gets the instances and the autoscaling that all of the traffic needs."""
    words = ("deploy", MODEL, *AS_ROLE, "--name", "churn", "--autoscale", "2:4")
    before = account.forest(*words, "--json").json["EndpointConfigName"]
    words = ("deploy", OTHER, "--name", "churn", "--variant", "new=10%", "--instance-count", "1")
    assert account.forest(*words, *YES).code == 0
    asked = account.forest("promote", "churn", "new", *POLL)
    assert "make new its only variant? Nobody can answer here; add --yes" in asked.err
    dry = account.forest("promote", "churn", "new", "--dry-run")
    assert dry.code == 0, dry.err
    called = [one["operation"] for one in dry.json["calls"]]
    done = account.forest("promote", "churn", "new", *YES, "--json")
    assert done.code == 0, done.err
    for line in (
        "variant AllTraffic: 2 x ml.m5.large, model churn-",
        "traffic of AllTraffic: 90% -> none",
        "traffic of new: 10% -> 100%",
        "variant new: instance count: 1 -> 2",
        "autoscaling of new: none -> 2 to 4 instances",
    ):
        assert line in done.err
    assert "UpdateEndpoint" in called
    found = sagemaker.describe_endpoint_config(EndpointConfigName=done.json["EndpointConfigName"])
    (variant,) = found["ProductionVariants"]
    assert (variant["VariantName"], variant["InitialInstanceCount"]) == ("new", 2)
    scaling = account.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["ResourceId"] == "endpoint/churn/variant/new"
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["PolicyName"] == "churn-new"
    again = account.forest("promote", "churn", "new", *YES, "--json")
    assert "new is the only variant of churn already" in again.err
    assert again.json == done.json
    missing = account.forest("promote", "churn", "AllTraffic", *YES)
    assert "has no variant AllTraffic; expected one of new" in missing.err
    back = account.forest("rollback", "churn", *YES)
    assert back.code == 0, back.err
    status = account.forest("status", "churn", "--json").json
    assert status["traffic"] == "AllTraffic 90%, new 10%"
    assert "no autoscaling is set up for AllTraffic; forest deploy --name churn" in back.err
    # What was there first has the same content, and is found again.
    done = account.forest("promote", "churn", "AllTraffic", *YES, "--json")
    assert done.json["EndpointConfigName"] == before
    assert account.forest("promote", "no", "new", *YES).err.startswith(
        "forest promote: there is no endpoint no in eu-west-1"
    )
