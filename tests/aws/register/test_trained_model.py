"""What a model says about itself, in SageMaker's forms and within its limits."""

import json

import jsonschema
import pytest

from aws.register.package_card_schema import SCHEMA
from aws.service_models import faults_of
from mlserver_forest.aws.git_revision import GitRevision
from mlserver_forest.aws.package_metadata import metrics_of_package, package_metadata
from mlserver_forest.aws.register.model_quality import model_quality
from mlserver_forest.aws.register.package_card import package_card
from mlserver_forest.aws.trained_model import TrainedModel


def model(metrics, classes=(), report=None, **card):
    outputs = [{"name": "predict", "parameters": {"classes": list(classes)} if classes else {}}]
    extra = {"card": {"algorithm": "xgboost", "n_rows": 9, "metrics": metrics, **card}}
    settings = {
        "inputs": [{"name": "a"}, {"name": "b"}],
        "outputs": outputs,
        "parameters": {"extra": extra},
        "versions": ["mlserver-forest/0.1.0"],
    }
    return TrainedModel(settings, report or {})


@pytest.mark.parametrize(
    ("classes", "metrics", "group", "names"),
    [
        ((), {"rmse": 2.0, "r2": 0.5}, "regression_metrics", {"rmse", "r2"}),
        (
            ("no", "yes"),
            {"roc_auc": 0.8, "f1": 0.7},
            "binary_classification_metrics",
            {"auc", "f1"},
        ),
        ("abc", {"roc_auc": 0.8}, "multiclass_classification_metrics", {"roc_auc"}),
    ],
)
def test_metrics_have_model_monitors_names_where_they_mean_the_same(classes, metrics, group, names):
    found = json.loads(model_quality(model({"train": {"x": 1.0}, "test": metrics}, classes)))
    assert found["dataset"]["name"] == "test"
    assert set(found[group]) == names
    for one in found[group].values():
        assert set(one) == {"value", "standard_deviation"}


def test_the_most_honest_rows_come_first_and_a_report_stands_in_for_a_card():
    found = model({"train": {"r2": 1.0}, "validation": {"r2": 0.5}}, measure="r2")
    assert found.headline == "validation:r2"
    assert list(found.metrics) == ["validation", "train"]
    foreign = TrainedModel(report={"metrics": {"test": {"r2": 0.4}}})
    assert foreign.headline == "test:r2"
    assert model_quality(TrainedModel()) == b""
    assert TrainedModel().headline == ""


def test_values_of_any_length_and_spelling_fit_into_awss_limits():
    metrics = {f"set {n}": {f"m{i}" * 200: 0.1 for i in range(16)} for n in range(8)}
    odd = "a (b) ü\n\t#%" * 100
    report = {
        "hyperparameters": {f"{n}{odd}": odd for n in range(200)} | {"random_state": odd},
        "warnings": [{"title": odd, "text": odd}] * 50,
        "data": {"files": [f"/home/me/{odd}{n}.csv" for n in range(50)]},
        "plots": None,
    }
    found = model(
        metrics,
        [odd, "b"],
        report,
        importances={f"{odd}{n}": 0.1 for n in range(40)},
        notes=[odd] * 20,
        target_title=odd,
        ignored=[odd] * 20,
        measured_on="set 0",
        measure="accuracy",
    )
    card = package_card(found, "image@sha256:1", "s3://b/k", "arn:job")
    jsonschema.validate(json.loads(card), SCHEMA)
    assert "/home/me" not in card
    left_out = json.loads(card)["additional_information"]["custom_details"]["left_out"]
    assert left_out == "user_provided_hyper_parameters"
    metadata = package_metadata(found, GitRevision("f" * 40, is_dirty=True), "0123456789")
    request = {
        "ModelPackageGroupName": "g",
        "ModelCard": {"ModelCardContent": card, "ModelCardStatus": "Draft"},
        "CustomerMetadataProperties": metadata,
    }
    call = {"service": "sagemaker", "operation": "CreateModelPackage", "request": request}
    assert faults_of(call) == []
    assert len(metadata) <= 48
    assert metadata["git-changed"] == "yes"
    assert len(metrics_of_package({"CustomerMetadataProperties": metadata})) == 20
