"""forest policy prints what the commands need: their calls are recorded and compared."""

import json
import shutil
from collections import defaultdict

import pytest
from click.testing import CliRunner

from aws.account import BUCKET, FIT, write_log
from mlserver_forest.aws.client import BotocoreModels
from mlserver_forest.aws.command_calls import COMMAND_CALLS, SHARED_CALLS
from mlserver_forest.aws.iam_actions import CALL_PERMISSIONS
from mlserver_forest.cli import forest
from support import IRIS, PAYLOAD, ROOT

POLL = ("--poll", "0.1")
ROLE = ("--role", "forest", "--yes", *POLL)
TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "-r", "max_depth=3:12", *ROLE)
DEPLOY = ("deploy", "job", *ROLE)
INVOKE = ("invoke", "forest", PAYLOAD, "--accept", "text/csv")
TRANSFORM = ("transform", "job", PAYLOAD, *ROLE)
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn/1"
GROUP = ("--group", "registered")
COMMANDS = (
    (*FIT, "--name", "job"),
    (*FIT, "--name", "job"),
    (*TUNE, "--name", "search"),
    (*TUNE, "--name", "search"),
    (*DEPLOY, "--autoscale", "1:2"),
    (*DEPLOY, "--instance-type", "ml.c5.large"),
    ("rollback", "forest", "--yes", *POLL),
    (*DEPLOY, "--autoscale", "1:2"),
    ("rollback", "forest", "--yes", *POLL),
    INVOKE,
    (*INVOKE, "--async", *POLL),
    (*TRANSFORM, "--name", "batch", "--download", "answers"),
    (*TRANSFORM, "--name", "batch"),
    (*DEPLOY, "--autoscale", "1:2"),
    # Eleven updates: the eleventh removes the oldest configuration and its model.
    *((*DEPLOY, "--env", f"A={n}") for n in range(12)),
    ("deploy", "job", *ROLE, "--name", "waits", "--async", "--autoscale", "0:2"),
    ("deploy", "job", *ROLE, "--name", "waits", "--autoscale", "off"),
    ("deploy", PACKAGE, *ROLE, "--name", "packed", "--no-wait"),
    ("register", "job", *GROUP, "--description", "a"),
    ("register", "job", *GROUP, "--description", "b"),
    *(("approve", f"registered@{n}", "--yes") for n in (1, 2)),
    ("reject", "registered@2", "--yes", "--reason", "worse"),
    ("deploy", "registered@approved", *ROLE, "--name", "packed", "--no-wait", "--capture"),
    ("evaluate", "packed", "--labels", PAYLOAD, "--target", "x"),
    ("transform", "registered@1", PAYLOAD, *ROLE, "--no-wait"),
    ("deploy", "many", *ROLE, "--name", "many", "--multi-model", "--no-wait"),
    ("deploy", "others", *ROLE, "--name", "many", "--multi-model", "--no-wait"),
    ("deploy", "job", *ROLE, "--name", "waits", "--autoscale", "0:2"),
    ("export", "waits", "--terraform"),
    ("delete", "waits", "--yes", *POLL),
    ("pipeline", "first.toml", "--name", "iris", "--run", "--schedule", "rate(1 day)", *POLL),
    ("pipeline", "second.toml", "--name", "iris", "--yes", "--schedule", "rate(2 days)"),
    ("pipeline", "second.toml", "--name", "iris", "--yes", "--schedule", "off"),
    (*DEPLOY, "--capture"),
    (*DEPLOY, "--variant", "new=10%"),
    INVOKE,
    ("compare", "forest"),
    ("evaluate", "forest", "--labels", PAYLOAD, "--target", "x"),
    ("promote", "forest", "new", "--yes", *POLL),
    ("logs", "job"),
    ("logs", "batch"),
    *(("status", name) for name in ("forest", "job", "search", "batch")),
    ("list",),
    ("list", "--group"),
    ("list", "--group", "registered"),
    ("list", "--group", "measured"),
    ("delete", "registered@2", "--yes"),
    ("delete", "registered", "--kind", "model-package-group", "--yes"),
    ("delete", "theirs", "--any", "--yes"),
    ("cost",),
    *(("stop", name, "--yes") for name in ("job", "search", "batch")),
    ("delete", "forest", "--yes", *POLL),
)

PIPELINE = f"""
role = "forest"
training = {{ train = "{IRIS}", hyperparameter = {{ algorithm = "random_forest" }} }}
evaluation = {{ data = "s3://a/b", target = "species", metric = "accuracy", bar = BAR }}
registration = {{ group = "iris" }}
"""
ARNS = {
    "TrainingJob": "training-job/job",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job/search",
    "TransformJob": "transform-job/batch",
}


@pytest.fixture
def recorded(monkeypatch):
    """The calls that botocore makes from now on."""
    calls = []
    make = BotocoreModels.__init__

    def listen(self):
        make(self)
        self.session.register("before-call", lambda model, **_: calls.append(model))

    monkeypatch.setattr(BotocoreModels, "__init__", listen)
    return calls


def register_measured(account):
    """A version as a pipeline registers it, whose metrics are in a file in S3; another's model."""
    client = account.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/forest"
    client.create_model(ModelName="theirs", ExecutionRoleArn=role)
    client.create_model_package_group(ModelPackageGroupName="measured")
    source = {"ContentType": "application/json", "S3Uri": "s3://a/evaluation.json"}
    client.create_model_package(
        ModelPackageGroupName="measured",
        ModelMetrics={"ModelQuality": {"Statistics": source}},
        InferenceSpecification={
            "Containers": [{"Image": "i"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    client.close()


def test_each_call_of_each_command_is_in_the_table_and_no_other(
    account, iris_server, model_dir, recorded, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    account.stand_in.serve = iris_server.url
    big = tmp_path / "big.csv"
    big.write_bytes(IRIS.read_bytes() * 5000)
    write_log(account, "/aws/sagemaker/TrainingJobs", "job/algo-1-1", "a line")
    write_log(account, "/aws/sagemaker/TransformJobs", "batch/algo-1-1", "a line")
    shutil.copytree(model_dir, tmp_path / "trained" / "model")
    (tmp_path / "trained" / "output" / "data").mkdir(parents=True)
    account.stand_in.trained = tmp_path / "trained"
    for folder, names in (("many", "ab"), ("others", "a")):
        for name in names:
            shutil.copytree(model_dir, tmp_path / folder / name)
    for name, bar in {"first": "0.8", "second": "0.9"}.items():
        text = PIPELINE.replace("BAR", bar)
        (tmp_path / f"{name}.toml").write_text(f"tag = {{ bar = '{bar}' }}{text}")
    register_measured(account)
    made = defaultdict(set)
    for words in (("fit", big, *FIT[2:], "--no-wait"), *COMMANDS):
        recorded.clear()
        if words[0] in {"stop", "list", "cost"}:
            for kind, resource in ARNS.items():
                running = {f"{kind}Status": "InProgress"}
                account.stand_in.members[f"Describe{kind}"] = running
                arn = f"arn:aws:sagemaker:eu-west-1:123456789012:{resource}"
                item = {f"{kind}Arn": arn, f"{kind}Name": arn.partition("/")[2], **running}
                listed = {f"{kind}Summaries": [{"CreationTime": 1, **item}]}
                account.stand_in.members[f"List{kind}s"] = listed
        account.forest(*words)
        made[words[0]] |= {f"{one.service_model.service_name}:{one.name}" for one in recorded}
    for name, calls in made.items():
        declared = set(COMMAND_CALLS[name])
        assert calls <= declared, (name, calls - declared)
        assert declared - calls <= SHARED_CALLS, (name, declared - calls - SHARED_CALLS)
    assert set.union(*made.values()) >= SHARED_CALLS
    assert set(COMMAND_CALLS) - set(made) == {"push"}


def test_the_calls_of_a_push_are_in_the_table(account, tmp_path):
    """Docker needs a standard error of its own, so this command is a process of its own."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        'case "$*" in *Architecture*) echo linux/amd64 ;; *) echo "${last%:*}@sha256:1" ;; esac\n'
    )
    docker.chmod(0o755)
    words = ("push", "--image", "local:1", "--repository", "new", "--tag", "v1")
    done = account.shell(*words, PATH=f"{tmp_path}:{account.environ()['PATH']}")
    assert done.code == 0, done.err
    calls = {f"ecr:{operation}" for operation, _ in account.stand_in.calls}
    assert calls == set(COMMAND_CALLS["push"])


def test_the_page_lists_the_calls_of_each_command():
    page = (ROOT / "docs" / "sagemaker.md").read_text()
    rows = page.partition("| Command | Calls |\n|---|---|\n")[2].partition("\n\n")[0]
    assert rows.splitlines() == [
        f"| `{name}` | {', '.join(sorted(calls))} |" for name, calls in COMMAND_CALLS.items()
    ]


def policy(*words):
    done = CliRunner().invoke(forest, ["policy", *words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def actions(document):
    return {one for statement in document["Statement"] for one in statement["Action"]}


def test_a_command_gets_only_what_it_needs():
    everything = actions(policy())
    named = {call for calls in COMMAND_CALLS.values() for call in calls}
    assert named <= CALL_PERMISSIONS.keys()
    assert everything == {one.action for call in named for one in CALL_PERMISSIONS[call]}
    assert actions(policy("--for", "stop")) == {
        f"sagemaker:{verb}{kind}"
        for verb in ("Describe", "Stop")
        for kind in ("TrainingJob", "HyperParameterTuningJob", "TransformJob")
    }
    both = actions(policy("--for", "fit,logs"))
    assert both == actions(policy("--for", "fit")) | actions(policy("--for", "logs"))
    assert {"iam:PassRole", "sagemaker:AddTags"} <= both
    assert "sagemaker:CreateEndpoint" not in both


def test_its_resources_are_this_tools_own():
    places = ("--region", "eu-west-1", "--account", "123456789012", "--role-name", "forest")
    for document in (policy(*places), policy(*places, "--role")):
        for statement in document["Statement"]:
            for arn in statement["Resource"]:
                assert arn == "*" or "eu-west-1" in arn or "::" in arn
            if "s3:PutObject" in statement["Action"]:
                assert statement["Resource"] == [f"arn:aws:s3:::{BUCKET}/*"]
            if statement["Action"] == ["iam:PassRole"]:
                assert statement["Resource"] == ["arn:aws:iam::123456789012:role/forest"]
                services = {"sagemaker.amazonaws.com", "scheduler.amazonaws.com"}
                (passed,) = statement["Condition"]["StringEquals"].items()
                assert passed[0] == "iam:PassedToService"
                assert passed[1] in services


def test_the_role_gets_what_a_job_needs_and_more_on_request():
    assert "sagemaker:CreateTrainingJob" not in actions(policy("--role"))
    assert "ec2:CreateNetworkInterface" in actions(policy("--role", "--vpc"))
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    assert "kms:Decrypt" in actions(policy("--role", "--kms-key", key))
    (reading,) = [
        one
        for one in policy("--role", "--data", "s3://other/x")["Statement"]
        if one["Action"] == ["s3:GetObject"]
    ]
    assert "arn:aws:s3:::other/*" in reading["Resource"]
    (trust,) = policy("--trust")["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    (trust,) = policy("--trust", "--pipelines")["Statement"]
    assert "scheduler.amazonaws.com" in trust["Principal"]["Service"]
    pipelines = actions(policy("--role", "--pipelines")) - actions(policy("--role"))
    assert {"sagemaker:CreateProcessingJob", "sagemaker:CreateModelPackage"} <= pipelines
    assert {"iam:PassRole", "sagemaker:StartPipelineExecution"} <= pipelines
    assert policy("--region", "cn-north-1")["Statement"][0]["Resource"][0].startswith("arn:aws-cn:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "fit,fly"], "--for fly: expected some of push"),
        (["--kms-key", "k"], "their ARNs"),
    ],
)
def test_what_it_does_not_know_is_refused(words, said):
    done = CliRunner().invoke(forest, ["policy", *words])
    assert done.exit_code == 1
    assert said in done.stderr


def test_iam_takes_the_documents(account):
    """moto checks their grammar as IAM does."""
    iam = account.client("iam")
    for n, words in enumerate([(), ("--for", "fit"), ("--role", "--vpc")]):
        made = iam.create_policy(PolicyName=f"p{n}", PolicyDocument=json.dumps(policy(*words)))
        assert made["Policy"]["Arn"].endswith(f"p{n}")
    trust = json.dumps(policy("--trust"))
    assert iam.create_role(RoleName="new", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.close()
