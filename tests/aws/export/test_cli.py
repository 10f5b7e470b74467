"""forest export: an endpoint as code, which cfn-lint and HCL's grammar accept."""

import json

import hcl2
import pytest
from cfnlint.api import lint

from aws.account import AS_ROLE, MODEL
from mlserver_forest.aws.export.aws_resource import AwsResource, resources_of
from mlserver_forest.aws.export.cloudformation import to_cloudformation
from mlserver_forest.aws.export.exported_endpoint import ExportedEndpoint
from mlserver_forest.aws.export.hcl import quoted
from mlserver_forest.aws.export.terraform import to_terraform
from mlserver_forest.aws.export.terraform_arguments import ARGUMENTS
from mlserver_forest.aws.scaling import Scaling

ODD = 'a "${b}" %{c} \\d\n'
DEPLOY = ("deploy", MODEL, *AS_ROLE, "--name", "waits", "--async", "--autoscale", "0:2")
ENV = ("--env", f"TEXT={ODD}", "--env", "API_TOKEN=hidden", "--env", "RATE=1")
TYPES = {
    "aws_sagemaker_model": "AWS::SageMaker::Model",
    "aws_sagemaker_endpoint_configuration": "AWS::SageMaker::EndpointConfig",
    "aws_sagemaker_endpoint": "AWS::SageMaker::Endpoint",
    "aws_appautoscaling_target": "AWS::ApplicationAutoScaling::ScalableTarget",
    "aws_appautoscaling_policy": "AWS::ApplicationAutoScaling::ScalingPolicy",
    "aws_cloudwatch_metric_alarm": "AWS::CloudWatch::Alarm",
}


def plain(value):
    """What hcl2 has read, with texts without their quotation marks and templates unescaped."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and value[:1] == '"':
        return json.loads(value.replace("$${", "${").replace("%%{", "%{"))
    return value


def unknown_arguments(body, known, where):
    """The arguments of a block that the provider does not document."""
    for name, value in body.items():
        if name in {"depends_on", "lifecycle"}:
            continue
        if name not in known:
            yield f"{where}.{name}"
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and known.get(name):
                yield from unknown_arguments(one, known[name], f"{where}.{name}")


def test_an_asynchronous_endpoint_is_written_as_code_of_both_kinds(account):
    assert account.forest(*DEPLOY, *ENV, "--capture").code == 0
    done = account.forest("export", "waits", "--cloudformation")
    assert done.code == 0, done.err
    assert [str(one) for one in lint(done.out, regions=["eu-west-1"])] == []
    template = json.loads(done.out)
    resources = template["Resources"]
    assert [one["Type"].rpartition("::")[2] for one in resources.values()] == [
        *("Model", "EndpointConfig", "Endpoint", "ScalableTarget"),
        *("ScalingPolicy", "ScalingPolicy", "Alarm"),
    ]
    environment = resources["Model"]["Properties"]["PrimaryContainer"]["Environment"]
    assert environment == {"TEXT": ODD, "API_TOKEN": {"Ref": "ModelApiToken"}, "RATE": "1"}
    assert template["Parameters"]["ModelApiToken"]["NoEcho"] is True
    alarm = resources["Alarm"]["Properties"]
    assert alarm["AlarmActions"] == [{"Ref": "Policy2"}]

    out = account.tmp_path / "waits.tf"
    done = account.forest("export", "waits", "--terraform", "--out", out, "--json")
    assert done.code == 0, done.err
    code = out.read_text()
    assert "hidden" not in code + json.dumps(template)
    assert done.json == {"EndpointName": "waits", "Out": str(out)}
    read = plain(hcl2.loads(code))
    written = [(kind, body) for one in read["resource"] for kind, body in one.items()]
    assert [TYPES[kind] for kind, _ in written] == [one["Type"] for one in resources.values()]
    for kind, named in written:
        for name, body in named.items():
            assert not list(unknown_arguments(body, ARGUMENTS[TYPES[kind]], f"{kind}.{name}"))
    (container,) = written[0][1]["model"]["primary_container"]
    assert container["environment"]["TEXT"] == ODD
    assert container["environment"]["API_TOKEN"] == "${var.model_api_token}"  # noqa: S105
    assert len(read["import"]) == len(written)
    assert read["import"][4]["id"] == (
        "sagemaker/endpoint/waits/variant/AllTraffic/sagemaker:variant:DesiredInstanceCount/"
        "waits-AllTraffic"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none", "--terraform"), "there is no endpoint none in eu-west-1"),
        (("none",), "needs --terraform or --cloudformation"),
        (("none", "--terraform", "--cloudformation"), "cannot be used with --cloudformation"),
    ],
)
def test_what_cannot_be_exported_is_refused(account, words, said):
    done = account.forest("export", *words)
    assert (done.code, said in done.err) == (1, True), done.err


def test_what_the_provider_lacks_is_told():
    members = {"EndpointConfigName": "a", "ExplainerConfig": {"x": 1}}
    one = AwsResource("AWS::SageMaker::EndpointConfig", "Configuration", members, {})
    code = to_terraform([one], "about")
    assert code.left_out == ("ExplainerConfig of Configuration",)
    assert "# Not in the provider: ExplainerConfig of Configuration" in code.text


def test_text_is_text_and_no_template():
    assert quoted('"${a}" %{if b} \\ \n\x00é') == r'"\"$${a}\" %%{if b} \\ \n\u0000é"'
    assert quoted("\U000e0001") == r'"\U000e0001"'


def test_each_secret_has_a_name_of_its_own():
    """Also those of several containers, and those whose names differ in their case."""
    containers = [
        {"Image": "a", "Environment": {"DB_PASSWORD": "1", "db_password": "2"}},
        {"Image": "b", "Environment": {"DB_PASSWORD": "3"}},
    ]
    found = ExportedEndpoint(
        endpoint={"EndpointName": "e", "EndpointConfigName": "c"},
        configuration={"ProductionVariants": [{"VariantName": "v", "ModelName": "m"}]},
        models={"m": {"Containers": containers}},
        tags={"e": {}, "c": {}, "m": {}},
        scaling=Scaling(),
        alarms=(),
    )
    resources = resources_of(found)
    names = list(json.loads(to_cloudformation(resources, "about"))["Parameters"])
    assert names[0] == "ModelDbPassword"
    assert names[1].startswith("ModelDbPassword")
    assert names[2] == "ModelContainer2DbPassword"
    assert to_terraform(resources, "about").text.count('variable "') == 3
