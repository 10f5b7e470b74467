"""forest deploy --variant: several variants of one endpoint, against AWS's stand-in."""

from aws.account import AS_ROLE, EMPTY, MODEL, POLL, everything

OTHER = "s3://models/other.tar.gz"
YES = (*POLL, "--yes")
UNKNOWN = {"VariantName": "<its other variants>", "ModelName": "<their models>"}


def variants_of(account, sagemaker, endpoint="churn"):
    """The variants of the present configuration by name, and its shadow variants."""
    name = account.forest("status", endpoint, "--json").json["configuration"]
    found = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    return {one["VariantName"]: one for one in found["ProductionVariants"]}


def weights_of(account, sagemaker):
    found = variants_of(account, sagemaker)
    return {name: one["InitialVariantWeight"] for name, one in found.items()}


def test_a_variant_comes_changes_and_goes_with_a_rollback(account, sagemaker):
    """The others keep their shares among themselves, and everything else stays as it is."""
    words = ("deploy", MODEL, *AS_ROLE, "--name", "churn", "--instance-count", "3", "--env", "A=1")
    assert account.forest(*words, "--capture").code == 0
    done = account.forest("deploy", OTHER, "--name", "churn", "--variant", "new=10%", *YES)
    assert done.code == 0, done.err
    for line in (
        f"variant new: model data: {MODEL} -> {OTHER}",
        "traffic of AllTraffic: 100% -> 90%",
        "traffic of new: none -> 10%",
    ):
        assert line in done.err
    assert "variant new: none -> 3 x ml.m5.large, model churn-" in done.err
    found = variants_of(account, sagemaker)
    assert weights_of(account, sagemaker) == {"AllTraffic": 90, "new": 10}
    new = sagemaker.describe_model(ModelName=found["new"]["ModelName"])
    assert new["PrimaryContainer"]["Environment"] == {"A": "1"}
    status = account.forest("status", "churn", "--json").json
    assert status["traffic"] == "AllTraffic 90%, new 10%"
    again = account.forest("deploy", OTHER, "--name", "churn", "--variant", "new=10%", *YES)
    assert "already has configuration" in again.err
    done = account.forest("deploy", "--name", "churn", "--variant", "new=25%", *YES)
    assert done.code == 0, done.err
    changes = done.err.split("changes of endpoint churn:\n")[1].splitlines()[:3]
    assert changes[:2] == [
        "  traffic of AllTraffic: 90% -> 75%",
        "  traffic of new: 10% -> 25%",
    ]
    assert not changes[2].startswith("  ")
    third = "s3://models/third.tar.gz"
    done = account.forest("deploy", third, "--name", "churn", "--variant", "third=20%", *YES)
    assert done.code == 0, done.err
    assert weights_of(account, sagemaker) == {"AllTraffic": 60, "new": 20, "third": 20}
    done = account.forest("deploy", MODEL, "--name", "churn", *YES)
    assert "churn has 3 variants (AllTraffic 60%, new 20%, third 20%); --variant NAME" in done.err
    done = account.forest("rollback", "churn", *YES)
    assert done.code == 0, done.err
    assert "AllTraffic 90%, new 10%" in done.err
    assert weights_of(account, sagemaker) == {"AllTraffic": 75, "new": 25}
    assert account.forest("rollback", "churn", "--steps", "3", *YES).code == 0
    assert list(variants_of(account, sagemaker)) == ["AllTraffic"]
    assert account.forest("delete", "churn", *YES).code == 0
    assert everything(sagemaker) == EMPTY


def test_a_variant_is_updated_and_scaled_alone(account, sagemaker):
    """AWS retains the instances of scaled variants, not the weights of before."""
    words = ("deploy", MODEL, *AS_ROLE, "--name", "churn", "--autoscale", "2:4")
    assert account.forest(*words).code == 0
    of_new = ("--name", "churn", "--variant")
    assert account.forest("deploy", OTHER, *of_new, "new=10%", *YES).code == 0
    done = account.forest("deploy", *of_new, "new", "--instance-count", "5", *YES)
    assert done.code == 0, done.err
    assert "variant new: instance count: 2 -> 5" in done.err
    done = account.forest("deploy", *of_new, "AllTraffic", "--instance-count", "5", *YES)
    assert "is scaled (2 to 4 instances), which sets the number" in done.err
    done = account.forest("deploy", *of_new, "new=50", "--traffic", "linear", *YES)
    assert done.code == 0, done.err
    updates = [one for name, one in account.stand_in.calls if name == "UpdateEndpoint"]
    assert [set(one) & {"DeploymentConfig", "RetainAllVariantProperties"} for one in updates] == [
        set(),
        {"DeploymentConfig", "RetainAllVariantProperties"},
        {"DeploymentConfig", "RetainAllVariantProperties"},
    ]
    excluded = [{"VariantPropertyType": one} for one in ("DesiredWeight", "DataCaptureConfig")]
    assert updates[1]["ExcludeRetainedVariantProperties"] == excluded
    done = account.forest("deploy", *of_new, "new", "--autoscale", "1:2", *YES)
    assert done.code == 0, done.err
    scaling = account.forest("status", "churn", "--json").json["autoscaling"]
    assert scaling == "AllTraffic 2 to 4 instances, new 1 to 2 instances"
    done = account.forest("deploy", *of_new, "new", "--instance-type", "ml.c5.large", *YES)
    assert done.code == 0, done.err
    assert account.forest("status", "churn", "--json").json["autoscaling"] == scaling
    # Without new, which is scaled.
    assert account.forest("rollback", "churn", "--steps", "4", *YES).code == 0
    assert account.forest("status", "churn", "--json").json["autoscaling"] == "2 to 4 instances"


def test_what_several_variants_cannot_be_is_said_in_words(account):
    assert account.forest("deploy", MODEL, *AS_ROLE, "--name", "churn").code == 0
    cases = {
        ("deploy", OTHER, "--variant", "new=10%"): "there is no endpoint forest to which variant",
        ("deploy", OTHER, "--name", "churn", "--variant", "new=x"): "expected NAME or NAME=SHARE%",
        (
            "deploy",
            OTHER,
            "--name",
            "churn",
            "--variant",
            "new=101%",
        ): "and a share of at most 100%",
        (
            "deploy",
            OTHER,
            "--name",
            "churn",
            "--variant",
            "new",
        ): "has no variant new; give a new one",
        ("deploy", "--name", "churn", "--variant", "new=10%"): "MODEL is missing",
        ("deploy", "--name", "churn"): "MODEL is missing",
        ("deploy", "--name", "churn", "--variant", "AllTraffic=10%"): (
            "AllTraffic is the only production variant of endpoint churn, and takes all"
        ),
        ("deploy", "--name", "churn", "--variant", "AllTraffic", "--env", "A=1"): "give MODEL, too",
        ("deploy", OTHER, "--name", "churn", "--variant", "new=1%", "--reset"): "with --reset",
        ("deploy", OTHER, "--name", "churn", "--variant", "new=1%", "--alarm", "a"): (
            "for updates that keep the variants"
        ),
    }
    for words, said in cases.items():
        done = account.forest(*words, *YES)
        assert (done.code, said in done.err) == (1, True), (words, done.err)
    assert account.stand_in.count("UpdateEndpoint") == 0
    serverless = ("deploy", MODEL, *AS_ROLE, "--name", "idle", "--serverless")
    assert account.forest(*serverless).code == 0
    done = account.forest("deploy", OTHER, "--name", "idle", "--variant", "new=10%", *YES)
    assert "a serverless endpoint has no --variant" in done.err


def test_a_shadow_variant_gets_copies_and_can_be_promoted(account, sagemaker):
    """AWS adds one to an endpoint with one production variant that answers directly."""
    words = ("deploy", MODEL, *AS_ROLE, "--name", "churn", "--autoscale", "2:4")
    before = account.forest(*words, "--json").json["EndpointConfigName"]
    done = account.forest("deploy", OTHER, "--name", "churn", *YES, "--capture", "--shadow")
    assert done.code == 0, done.err
    for line in (
        f"variant shadow: model data: {MODEL} -> {OTHER}",
        "variant shadow: none -> 2 x ml.m5.large, model churn-",
        "traffic of shadow: none -> a copy of 100%",
        "capture: none -> True",
    ):
        assert line in done.err
    done = account.forest("deploy", "--name", "churn", "--shadow=shadow=25%", *YES)
    assert "traffic of shadow: a copy of 100% -> a copy of 25%" in done.err
    status = account.forest("status", "churn", "--json").json
    assert status["traffic"] == "AllTraffic 100%, shadow a copy of 25% (shadow)"
    assert status["cost"].count("2 x ml.m5.large") == 2
    cases = {
        (OTHER, "--variant", "new=10%"): "has the shadow variant shadow, and AWS adds no other",
        (OTHER, "--shadow", "other"): "has the shadow variant shadow, and AWS adds no other",
        (OTHER, "--variant", "shadow=10%"): "is the shadow variant of endpoint churn; change it",
        (OTHER, "--shadow", "AllTraffic"): "AllTraffic is a production variant of endpoint churn",
        (OTHER, "--shadow", "x", "--variant", "new=1%"): "--variant cannot be used with --shadow",
        ("--shadow", "s3-model"): "before --shadow",
        ("--shadow", OTHER): "expected NAME or NAME=SHARE%",
    }
    for words, said in cases.items():
        done = account.forest("deploy", "--name", "churn", *words, *YES)
        assert (done.code, said in done.err) == (1, True), (words, done.err)
    third = "s3://models/third.tar.gz"
    done = account.forest("deploy", third, "--name", "churn", *YES)
    assert done.code == 0, done.err
    assert f"variant AllTraffic: model data: {MODEL} -> {third}" in done.err
    done = account.forest("promote", "churn", "shadow", *YES)
    assert done.code == 0, done.err
    assert "traffic of shadow: a copy of 25% -> 100%" in done.err
    assert "autoscaling of shadow: none -> 2 to 4 instances" in done.err
    assert list(variants_of(account, sagemaker)) == ["shadow"]
    assert account.forest("rollback", "churn", *YES).code == 0
    assert account.forest("status", "churn", "--json").json["traffic"].endswith("(shadow)")
    assert account.forest("rollback", "churn", "--to", before, *YES).code == 0
    assert account.forest("delete", "churn", *YES).code == 0
    assert everything(sagemaker) == EMPTY
    asynchronous = ("deploy", MODEL, *AS_ROLE, "--name", "queue", "--async")
    assert account.forest(*asynchronous).code == 0
    done = account.forest("deploy", OTHER, "--name", "queue", "--shadow", "new", *YES)
    assert "--shadow cannot be used with --async" in done.err


def test_a_dry_run_prints_what_is_known_with_and_without_an_account(account):
    """It makes no changes; without credentials, what only AWS knows is in angle brackets."""
    assert account.forest("deploy", MODEL, *AS_ROLE, "--name", "churn").code == 0
    words = ("deploy", OTHER, "--name", "churn", "--variant", "new=10%", *YES)
    planned = account.forest(*words, "--dry-run").json["calls"]
    account.stand_in.calls.clear()
    assert account.forest(*words).code == 0
    made = dict(account.stand_in.calls)
    for call in planned:
        if call["operation"].startswith(("Create", "Update", "AddTags")):
            assert made[call["operation"]] == call["request"]
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for words in (
        ("deploy", "--name", "churn", "--variant", "new=25%"),
        ("deploy", OTHER, *AS_ROLE, "--name", "churn", "--shadow"),
        ("promote", "churn", "new"),
        ("compare", "churn"),
    ):
        done = account.forest(*words, "--dry-run", **nobody)
        assert done.code == 0, (words, done.err)
        operations = {call["operation"]: call["request"] for call in done.json["calls"]}
        assert "CreateEndpoint" not in operations
        made = operations.get("CreateEndpointConfig", {})
        found = made.get("ProductionVariants", [])
        if "--shadow" in words:
            assert found == [UNKNOWN]
            assert [one["VariantName"] for one in made["ShadowProductionVariants"]] == ["shadow"]
        else:
            assert found[1:] == [UNKNOWN] * (words[0] == "deploy")
