"""forest register, and what it has registered: versions of a model in a group."""

import json
import shutil

import pytest

from aws.account import POLL, ROLE
from aws.service_models import faults_of
from forked_command import run_forked
from support import IRIS, clean_environ

AS_ROLE = ("--role", "forest", *POLL, "--yes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder that ``forest train`` writes: model/, and the report in output/data/."""
    folder = tmp_path_factory.mktemp("trained") / "ml"
    words = ("train", IRIS, "--target", "0", "-p", "n_estimators=9", "-p", "random_state=3")
    done = run_forked("forest", *words, "--out", folder, environ=clean_environ())
    assert done.returncode == 0, done.stderr
    return folder


def versions(sagemaker):
    found = sagemaker.list_model_packages(ModelPackageGroupName="churn")
    return [
        sagemaker.describe_model_package(ModelPackageName=one["ModelPackageArn"])
        for one in found["ModelPackageSummaryList"]
    ]


def test_a_directory_is_registered_once_with_all_that_is_known(account, trained):
    done = account.forest("register", trained / "model", "--group", "churn", "--json")
    assert done.code == 0, done.err
    arn = done.json["ModelPackageArn"]
    print(done.out, done.err)
    call = account.stand_in.calls
    print([c for c in call if c[0].startswith("Create")])
    again = account.forest("register", trained / "model", "--group", "churn", "--json")
    assert again.json["ModelPackageArn"] == arn
    assert account.stand_in.count("CreateModelPackage") == 2


def test_approved(account, trained):
    account.forest("register", trained / "model", "--group", "churn", "--json")
    done = account.forest("deploy", "churn@approved", *AS_ROLE)
    print(done.err)
    assert done.code == 1
    done = account.forest(
        "register",
        trained / "model",
        "--group",
        "churn",
        "--json",
        "--approve",
        "--description",
        "x",
    )
    assert done.code == 0, done.err
    done = account.forest("deploy", "churn@approved", *AS_ROLE)
    print(done.err, done.out)
    assert done.code == 0, done.err
    done = account.forest("deploy", "churn@1", *AS_ROLE)
    print(done.err, done.out)
    done = account.forest("transform", "churn@1", IRIS, *AS_ROLE)
    print(done.err, done.out)
    assert 0
