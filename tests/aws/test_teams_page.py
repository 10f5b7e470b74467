"""The page about teams, run as it is written: two people, three versions, and both workflows."""

import json
import subprocess

import pytest
import yaml

from command_folder import command_folder
from docs_blocks import block, blocks_of, page
from support import ROOT

PAGE = "docs/teams.md"
_ANSWERED = """
forest() {
    case $1 in train) command forest "$@" ;; *) command forest "$@" --yes ;; esac
}
"""
# What SageMaker trains for the second version.
JOB = "forest train data/iris.csv --target 0 -p n_estimators=100 -p random_state=1 --out job"


@pytest.fixture
def shell(account, tmp_path_factory, tmp_path):
    """Runs a text in a shell, in a repository with the data; who reads the page says yes."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    with command_folder(tmp_path_factory.mktemp("bin") / "bin") as commands:

        def run(text, **variables):
            environ = account.environ(**variables)
            return subprocess.run(
                ["bash", "-euo", "pipefail", "-c", _ANSWERED + text],
                env=environ | {"PATH": f"{commands}:{environ['PATH']}"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )

        yield run


def test_two_people_and_three_versions(account, sagemaker, iris_server, shell, tmp_path):
    account.stand_in.serve = iris_server.url
    for name in ("teams-policies", "teams-first", "teams-approve"):
        done = shell(block(PAGE, f"command: {name}"))
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    assert shell(JOB).returncode == 0
    account.stand_in.trained = tmp_path / "job"
    assert shell(block(PAGE, "command: teams-second")).returncode == 0
    done = shell(block(PAGE, "command: teams-compare"))
    assert done.returncode == 0, done.stderr
    (printed,) = [one.text for one in blocks_of(page(PAGE)) if one.kind == "text"]
    for line in printed.splitlines():
        assert line.strip() == "..." or line in done.stderr.splitlines(), done.stderr
    done = shell(block(PAGE, "command: teams-canary"))
    assert done.returncode == 0, done.stderr
    assert served(account, sagemaker).endswith("model-package/iris/2")
    done = shell(block(PAGE, "command: teams-third"))
    assert done.returncode == 0, done.stderr
    account.stand_in.alarms = {"iris-5xx"}
    done = shell(block(PAGE, "command: teams-rolled-back"))
    assert done.returncode == 1
    assert "endpoint iris was rolled back by AWS to configuration iris-" in done.stderr
    assert served(account, sagemaker).endswith("model-package/iris/2")
    account.stand_in.alarms = set()
    done = shell(block(PAGE, "command: teams-reject"))
    assert done.returncode == 0, done.stderr
    assert "iris@approved is version 2" in done.stdout
    assert "5xx in the canary of Tuesday" in done.stdout
    for name in ("teams-variant", "teams-pipeline", "teams-cost"):
        done = shell(block(PAGE, f"command: {name}"))
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    assert served(account, sagemaker).endswith("model-package/iris/2")
    assert 'resource "aws_sagemaker_endpoint" ' in (tmp_path / "iris.tf").read_text()


def served(account, sagemaker):
    """The version that the endpoint serves."""
    name = account.stand_in.configurations["iris"]
    found = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    model = found["ProductionVariants"][0]["ModelName"]
    return sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["ModelPackageName"]


def commands_of(workflow):
    """The commands of forest in both jobs, in order; what comes before installs it."""
    jobs = workflow.get("jobs", workflow)
    for job in (jobs["register"], jobs["deploy"]):
        lines = job.get("script") or [step.get("run", "") for step in job["steps"]]
        yield from (line for line in lines if line.startswith("forest "))


def test_both_workflows_register_and_deploy(account, sagemaker, shell, model_dir, tmp_path):
    (tmp_path / "ml" / "output" / "data").mkdir(parents=True)
    (tmp_path / "ml" / "model").symlink_to(model_dir)
    account.stand_in.trained = tmp_path / "ml"
    github, gitlab = (
        yaml.safe_load(one.text) for one in blocks_of(page(PAGE)) if one.kind == "yaml"
    )
    given = {"ROLE": "forest", "GITHUB_SHA": "a" * 40, "CI_COMMIT_SHORT_SHA": "b" * 8}
    for version, workflow in ((1, github), (2, gitlab)):
        *training, deployment = commands_of(workflow)
        done = shell("\n".join(training), **given)
        assert done.returncode == 0, done.stderr
        approved = account.forest("approve", "iris", "--yes", "--json")
        assert approved.json["ModelPackageVersion"] == version
        done = shell(deployment, **given)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["EndpointName"] == "iris"
    assert served(account, sagemaker).endswith("model-package/iris/2")
