"""forest delete against AWS's stand-in."""

from aws.account import AS_ROLE, CREATING, EMPTY, IMAGE, MODEL, POLL, ROLE, everything


def test_a_model_becomes_an_endpoint_and_goes_again(account, sagemaker):
    """Nothing is left; what stays is named."""
    account.stand_in.states["DescribeEndpoint"] = [CREATING, CREATING]
    done = account.forest("deploy", MODEL, *AS_ROLE, "--name", "iris", "--json")
    assert done.code == 0, done.err
    assert "endpoint iris: Creating\nendpoint iris: InService\n" in done.err
    assert "1 x ml.m5.large: about 0.115 USD per hour" in done.err
    there = everything(sagemaker)
    assert done.json["EndpointConfigName"] == there["configurations"][0]
    model = sagemaker.describe_model(ModelName=there["models"][0])
    assert model["PrimaryContainer"]["Image"] == f"{IMAGE}@{account.digest}"
    done = account.forest("delete", "iris", "--yes", *POLL)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        f"left: the model in {MODEL}",
        "left: log group /aws/sagemaker/Endpoints/iris",
    ]
    assert everything(sagemaker) == EMPTY
    assert account.forest("delete", "iris", "--yes").code == 1


def test_what_others_made_is_neither_listed_nor_deleted(account, sagemaker):
    """Unless --any says so."""
    sagemaker.create_model(
        ModelName="theirs", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE
    )
    variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.m5.large"}
    variants = [{**variant, "InitialInstanceCount": 1}]
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName="theirs")
    done = account.forest("list")
    assert done.out == "nothing created by this tool; --any shows everything\n"
    assert "endpoint  theirs  InService" in account.forest("list", "--any").out
    for name in ("theirs",):
        done = account.forest("delete", name, "--yes", *POLL)
        assert done.code == 1
        assert "endpoint theirs was not created by this tool" in done.err
    assert account.forest("delete", "theirs", "--any", "--yes", *POLL).code == 0
    assert everything(sagemaker) == EMPTY


def test_what_another_endpoint_uses_stays(account, sagemaker):
    """Three endpoints of others share a configuration, and a fourth one has the same model."""
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large"}
    variants = [{**variant, "InitialInstanceCount": 1}]
    for name in ("one", "two"):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    for name, configuration in {"a": "one", "b": "one", "c": "one", "d": "two"}.items():
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
    done = account.forest("delete", "m", "--any", "--yes", *POLL)
    assert "model m is in use by endpoint " in done.err
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("ListEndpoints$", **denied)
    left = {name: account.forest("delete", name, "--any", "--yes", *POLL).out for name in "abcd"}
    assert "left: configuration one, which other endpoints may use\n" in left["a"]
    assert "left: configuration one, which endpoint c uses\n" in left["b"]
    assert "left: model m, which endpoint d uses\n" in left["c"]
    assert "configuration one" not in left["c"]
    assert "which" not in left["d"]
    assert everything(sagemaker) == EMPTY


def test_a_deletion_cut_in_the_middle_goes_on(account, sagemaker):
    """The endpoint is gone, its configuration is not: said, and found again."""
    account.forest("deploy", MODEL, *AS_ROLE)
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("DeleteEndpointConfig", **denied)
    done = account.forest("delete", "forest", "--yes", *POLL)
    assert done.code == 1
    assert "ask for the permission sagemaker:DeleteEndpointConfig on forest-" in done.err
    assert done.err.splitlines()[-1].startswith("not deleted yet: endpoint configuration forest-")
    assert account.forest("delete", "forest", "--yes", *POLL).code == 0
    assert everything(sagemaker) == EMPTY
