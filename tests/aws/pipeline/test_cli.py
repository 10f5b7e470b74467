"""forest pipeline against AWS's stand-in: made, found, changed, run and scheduled."""

import json
import shlex
import subprocess

import pytest

from aws.account import IMAGE, ROLE
from aws.pipeline.definition_schema import check_document, requests_of
from aws.service_models import faults_of
from docs_blocks import block
from mlserver_forest.aws.pipeline.execution import FollowExecution, follow_execution
from mlserver_forest.aws.pipeline.section_options import PREDICT, bars
from mlserver_forest.errors import DeploymentError
from mlserver_forest.evaluation.quality_metrics import METRICS
from mlserver_forest.scoring.cli import predict
from support import IRIS

TOML = f"""
role = "forest"
bucket = "models"

[training]
train = "{IRIS}"

[training.hyperparameter]
algorithm = "random_forest"
n_estimators = 20

[evaluation]
data = "s3://models/evaluation/"
target = "species"
metric = "accuracy"
bar = 0.9

[registration]
group = "iris"
"""
NAMES = ("--name", "iris", "--poll", "0.05", "--run")


@pytest.fixture
def file(account):
    account.client("s3").create_bucket(
        Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    path = account.tmp_path / "iris.toml"
    path.write_text(TOML)
    return path


def test_a_pipeline_is_made_run_found_and_changed(account, sagemaker, file):
    done = account.forest("pipeline", file, *NAMES, "--json")
    assert done.code == 0, done.err
    definition = json.loads(sagemaker.describe_pipeline(PipelineName="iris")["PipelineDefinition"])
    check_document(definition)
    values = {f"Parameters.{one['Name']}": one["DefaultValue"] for one in definition["Parameters"]}
    calls = list(requests_of(definition, values))
    assert [one["operation"] for one in calls] == [
        "CreateTrainingJob", "CreateProcessingJob", "CreateModelPackage"
    ]  # fmt: skip
    assert not [fault for one in calls for fault in faults_of(one)]
    assert calls[0]["request"]["AlgorithmSpecification"]["TrainingImage"] == (
        f"{IMAGE}@{account.digest}"
    )
    assert calls[0]["request"]["RoleArn"] == ROLE
    uri = values["Parameters.TrainData"]
    key = uri.removeprefix("s3://models/") + "iris.csv"
    body = account.client("s3").get_object(Bucket="models", Key=key)["Body"].read()
    assert body == IRIS.read_bytes()
    assert sagemaker.describe_model_package_group(ModelPackageGroupName="iris")
    told = [line for line in done.err.splitlines() if line.startswith("step ")]
    assert told == [
        "step Train: Executing, training-job/pipelines-x-Train",
        "step Train: Succeeded, training-job/pipelines-x-Train",
        "step Evaluate: Executing, processing-job/pipelines-x-Evaluate",
        "step Evaluate: Succeeded, processing-job/pipelines-x-Evaluate",
        "step CheckBar: Executing, True",
        "step CheckBar: Succeeded, True",
        "step Register: Executing, model-package/iris/1",
        "step Register: Succeeded, model-package/iris/1",
    ]
    assert done.json["ModelPackageArn"].endswith("model-package/iris/1")

    done = account.forest("pipeline", file, "--name", "iris")
    assert (done.code, "found pipeline iris" in done.err) == (0, True), done.err
    assert account.stand_in.count("UpdatePipeline") == 0
    file.write_text(TOML.replace("bar = 0.9", "bar = 0.95"))
    done = account.forest("pipeline", file, "--name", "iris")
    assert done.code == 1
    assert "changes of pipeline iris:\n" in done.err
    assert '\n-   "DefaultValue": 0.9,\n+   "DefaultValue": 0.95,\n' in done.err
    assert "Update pipeline iris? Nobody can answer here; add --yes" in done.err
    done = account.forest("pipeline", file, "--name", "iris", "--yes")
    assert "updated pipeline iris" in done.err
    found = sagemaker.describe_pipeline(PipelineName="iris")
    changed = json.loads(found["PipelineDefinition"])
    assert changed["Parameters"][-1] == {"Name": "Bar", "Type": "Float", "DefaultValue": 0.95}


def test_an_execution_that_fails_says_which_step_and_why(account, file):
    """Values can be given for one execution; the bar that was not reached ends it."""
    account.stand_in.executions.outcome = False
    done = account.forest("pipeline", file, *NAMES, "--parameter", "Bar=0.99", "--json")
    assert done.code == 1
    assert done.json["code"] == "EndedBadly"
    assert "the execution is Failed: step BarNotReached: the bar" in done.err
    (start,) = [one for name, one in account.stand_in.calls if name == "StartPipelineExecution"]
    assert start["PipelineParameters"] == [{"Name": "Bar", "Value": "0.99"}]
    account.stand_in.executions.failing = {"Train": "ClientError: no such column"}
    done = account.forest("pipeline", file, *NAMES)
    assert (
        "step Train: ClientError: no such column (its log: aws logs tail "
        "/aws/sagemaker/TrainingJobs --log-stream-name-prefix pipelines-x-Train)\n"
    ) in done.err
    done = account.forest("pipeline", file, "--name", "iris", "--run", "--no-wait")
    assert "end it: aws sagemaker stop-pipeline-execution --pipeline-execution-arn" in done.out


def test_faults_of_the_network_start_nothing_twice(account, file):
    """Answers that are lost are asked for again, and what is not permitted is named."""
    account.stand_in.fail("CreatePipeline", is_done=True)
    account.stand_in.fail("ListPipelineExecutionSteps", times=5, status=503, code="Busy")
    done = account.forest("pipeline", file, *NAMES)
    assert done.code == 0, done.err
    assert "the state could not be read; trying again" in done.err
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("StartPipelineExecution", **denied)
    done = account.forest("pipeline", file, *NAMES)
    assert done.code == 1
    assert "ask for the permission sagemaker:StartPipelineExecution" in done.err


class Interrupted:
    """An account during whose first call somebody presses Ctrl-C."""

    def call(self, call):
        raise KeyboardInterrupt


def test_an_interrupt_leaves_the_execution_running():
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/iris/execution/a"
    with pytest.raises(DeploymentError, match="interrupted; the execution continues without"):
        follow_execution(Interrupted(), FollowExecution(arn, 1), print)


def test_a_schedule_is_made_changed_and_removed(account, file):
    words = ("pipeline", file, "--name", "iris", "--schedule")
    assert account.forest(*words, "rate(1 day)").code == 0
    scheduler = account.client("scheduler")
    found = scheduler.get_schedule(Name="iris")
    assert found["ScheduleExpression"] == "rate(1 day)"
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/iris"
    assert found["Target"] == {
        "Arn": arn, "RoleArn": ROLE, "RetryPolicy": found["Target"]["RetryPolicy"]
    }  # fmt: skip
    assert "UpdateSchedule" not in account.forest(*words, "rate(1 day)").err
    done = account.forest(*words, "cron(0 3 * * ? *)", "--timezone", "Europe/Berlin")
    assert "ScheduleExpression: rate(1 day) -> cron(0 3 * * ? *)" in done.err
    assert done.code == 1
    done = account.forest(*words, "cron(0 3 * * ? *)", "--timezone", "Europe/Berlin", "--yes")
    assert done.code == 0, done.err
    found = scheduler.get_schedule(Name="iris")
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    done = account.forest(*words, "rate(2 hours)", "--yes")
    assert "UTC" not in done.err
    found = scheduler.get_schedule(Name="iris")
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert account.forest(*words, "off", "--yes").code == 0
    assert scheduler.list_schedules()["Schedules"] == []
    scheduler.close()


TUNING = """
role = "forest"
kms-key = "alias/mine"
subnet = ["subnet-1"]
security-group = ["sg-1"]
network-isolation = true

[processing]
image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/clean:1"
entrypoint = ["python3", "/clean.py"]
argument = ["--drop", "id"]
channel = ["train", "evaluation"]

[tuning]
train = "s3://raw/train/"
validation = "s3://raw/validation/"
spot = true
max-jobs = 6
early-stopping = false
objective = "validation:rmse"

[tuning.hyperparameter]
algorithm = "xgboost"
target = "price"

[tuning.range]
max_depth = "3:12"
booster = ["gbtree", "dart"]

[evaluation]
data = "s3://raw/evaluation/"
target = "price"
metric = "rmse"
bar = 3
by = "year"

[registration]
group = "prices"
instance-type = ["ml.m5.large"]
"""


@pytest.fixture
def tuning(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(TUNING)
    return path


def test_processing_and_a_search_have_the_options_of_the_commands(account, tuning):
    out = tuning.parent / "definition.json"
    done = account.forest("pipeline", tuning, "--name", "prices", "--out", out)
    assert (done.code, account.stand_in.count("Create")) == (0, 0), done.err
    definition = json.loads(out.read_text())
    check_document(definition)
    values = {f"Parameters.{one['Name']}": one["DefaultValue"] for one in definition["Parameters"]}
    assert not [fault for one in requests_of(definition, values) for fault in faults_of(one)]
    steps = {one["Name"]: one["Arguments"] for one in definition["Steps"]}
    assert list(steps) == ["Process-train", "Process-evaluation", "Tune", "Evaluate", "CheckBar"]
    search = steps["Tune"]["HyperParameterTuningJobConfig"]
    assert search["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    assert search["TrainingJobEarlyStoppingType"] == "Off"
    assert search["ParameterRanges"]["CategoricalParameterRanges"] == [
        {"Name": "booster", "Values": ["gbtree", "dart"]}
    ]
    job = steps["Tune"]["TrainingJobDefinition"]
    assert job["StaticHyperParameters"] == {"algorithm": "xgboost", "target": "price"}
    uris = [one["DataSource"]["S3DataSource"]["S3Uri"]["Get"] for one in job["InputDataConfig"]]
    assert uris == [
        "Steps.Process-train.ProcessingOutputConfig.Outputs['output'].S3Output.S3Uri",
        "Parameters.ValidationData",
    ]
    # Each execution has checkpoints of its own.
    assert {"Get": "Execution.PipelineExecutionId"} in (
        job["CheckpointConfig"]["S3Uri"]["Std:Join"]["Values"]
    )
    model = steps["Evaluate"]["ProcessingInputs"][0]["S3Input"]["S3Uri"]["Std:Join"]["Values"]
    assert model[1:] == [
        {"Get": "Steps.Tune.BestTrainingJob.TrainingJobName"}, "output", "model.tar.gz"
    ]  # fmt: skip
    (condition,) = steps["CheckBar"]["Conditions"]
    assert condition["Type"] == "LessThanOrEqualTo"
    assert steps["Process-train"]["AppSpecification"] == {
        "ImageUri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/clean:1",
        "ContainerEntrypoint": ["python3", "/clean.py"],
        "ContainerArguments": ["--drop", "id"],
    }


# What is put in place of what, and the message.
WRONG = {
    'train = "|trian = "': "[tuning] trian is not a key here; did you mean train?",
    "[evaluation]|[evalution]": "[evalution] is not a key here; did you mean evaluation?",
    "[evaluation]|[tag]": "there is no [evaluation]",
    "[registration]|[training]": "expected either [training], one job, or [tuning]",
    "max-jobs = 6|max-jobs = 0": "[tuning] max-jobs = 0: 0 is not in the range x>=1",
    "[tuning.range]|[tuning.range]\n'a=b' = '1:2'": "[tuning] range: 'a=b' is not a name; it has a",
    'bar = 3|bar = "x"': "[evaluation] bar = 'x': 'x' is not a valid number",
    "bar = 3|bar = nan": "[evaluation] bar = nan: 'nan' is not a finite number",
    'metric = "rmse"|metric = "auc"': "[evaluation] metric = 'auc': 'auc' is not one of",
    "spot = true|spot = 1": "[tuning] spot: a number came; expected true or false",
    "spot = true|max-wait = 9": "max-wait requires spot instances; add spot or leave it out",
    '"3:12"|"12:3"': "range 'max_depth=12:3': 12 is not below 3",
    '"xgboost"|"xgbost"': "1 invalid hyperparameter: algorithm is 'xgbost'",
    '"subnet-1"|"vpc-1"': "subnet 'vpc-1': expected a subnet's id",
    '["ml.m5.large"]|["m5.large"]': "[registration] instance-type 'm5.large': expected an",
    '["ml.m5.large"]|["ml.c7g.large"]': "'ml.c7g.large': it runs linux/arm64, and the image that",
    'spot = true|instance-type = "m5.large"': "[tuning] instance-type 'm5.large': expected an",
    'group = "prices"|': "[registration] group is missing: The model package group.",
    'entrypoint = ["python3", "/clean.py"]|keep = "a"': "[processing] keep requires model",
    'image = "123|model = "s3://a/b"\nimage = "123': "[processing] expected model, with which",
    "max_depth = |= ": "is not TOML",
    "bar = 3|bar = " + "[" * 2000: "is nested too deeply",
}


def test_what_is_wrong_in_the_file_is_named_with_its_key(account, tuning):
    for change, said in WRONG.items():
        old, _, new = change.partition("|")
        assert old in TUNING
        tuning.write_text(TUNING.replace(old, new, 1))
        done = account.forest("pipeline", tuning, "--name", "prices", "--run")
        assert done.code == 1
        assert done.err.splitlines()[-1].startswith(f"forest pipeline: {tuning}"), done.err
        assert said in done.err, (change, done.err)
    assert not [one for one in account.stand_in.seen if one.startswith(("PUT", "Create"))]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parameter", "Bar=1"), "--parameter requires --run"),
        (("--run", "--parameter", "Bra=1"), "--parameter Bra is not a key here; did you mean Bar?"),
        (("--run", "--parameter", "Bar=x"), "--parameter Bar=x: expected a number"),
        (("--run", "--parameter", "Bar=inf"), "--parameter Bar=inf: expected a number"),
        (("--run", "--parameter", "InstanceType=m5.large"), "--parameter 'm5.large': expected an"),
        (("--run", "--parameter", "InstanceType=ml.m5d.large"), "which take no KMS key; write"),
        (("--schedule", "daily"), "--schedule 'daily': expected such as 'rate(1 day)'"),
        (("--run", "--out", "x"), "--run cannot be used with --out"),
        (("--timezone", "CET"), "--timezone requires --schedule"),
    ],
)
def test_options_that_make_no_sense_are_refused(account, tuning, words, said):
    done = account.forest("pipeline", tuning, "--name", "prices", *words)
    assert (done.code, said in done.err) == (1, True), done.err


def test_the_keys_of_processing_are_options_of_predict():
    options = {one.name: one for one in predict.params}
    for name, words in PREDICT.items():
        option = options[{"format": "format_name"}.get(name, name.replace("-", "_"))]
        assert f"--{name}" in option.opts
        assert not words or tuple(option.type.choices) == words


def test_the_metrics_are_those_of_evaluate():
    assert set(bars()) == {name for names in METRICS.values() for name in names}


def test_the_commands_of_the_page_make_run_and_schedule_it(account, monkeypatch):
    """Its shell writes the files; forest runs in this process, which saves imports."""
    folder = account.tmp_path
    (folder / "data").symlink_to(IRIS.parent)
    monkeypatch.chdir(folder)
    text = block("docs/sagemaker.md", "command: pipeline")
    subprocess.run(["bash", "-euc", f"forest() {{ :; }}\n{text}"], check=True, cwd=folder)
    commands = [shlex.split(line, comments=True) for line in text.splitlines()]
    for words in (one for one in commands if one[:1] == ["forest"]):
        done = account.forest(*words[1:], *(["--poll", "0.05"] if "--run" in words else []))
        assert done.code == 0, done.err
    check_document(json.loads((folder / "definition.json").read_text()))
