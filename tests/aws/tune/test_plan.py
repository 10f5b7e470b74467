"""forest tune: options -> requests, whole requests asserted."""

import pytest

from aws.options import FIT
from mlserver_forest.aws.tune import plan as tune
from mlserver_forest.errors import DeploymentError


def test_ranges_and_choices_become_parameter_ranges():
    ranges = tuple(
        tune.parse_range(text)
        for text in ("max_depth=3:12", "learning_rate=1e-3:0.5:log", "booster=gbtree,dart")
    )
    wanted = tune.Tune(FIT, ranges, "validation:rmse", max_jobs=9, max_parallel=3)
    request = tune.job_request(wanted)
    assert request["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 3, "MaxNumberOfTrainingJobs": 9},
        "ParameterRanges": {
            "IntegerParameterRanges": [
                {"Name": "max_depth", "MinValue": "3", "MaxValue": "12", "ScalingType": "Auto"}
            ],
            "ContinuousParameterRanges": [
                {
                    "Name": "learning_rate",
                    "MinValue": "1e-3",
                    "MaxValue": "0.5",
                    "ScalingType": "Logarithmic",
                }
            ],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
        },
        "TrainingJobEarlyStoppingType": "Auto",
    }
    definition = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"algorithm": "xgboost", "n_estimators": "10"}
    assert definition["AlgorithmSpecification"]["TrainingImage"] == "image@sha256:1"
    assert len(request["HyperParameterTuningJobName"]) <= 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_depth", "expected NAME=LOW:HIGH"),
        ("max_depth=12:3", "12 is not below 3"),
        ("max_depth=a:b", "expected two numbers"),
        ("max_depth=3:12:logarithmic", "perhaps one of log, linear, reverse-log"),
        ("max_depth=1.2.3:4", "expected two numbers"),
    ],
)
def test_a_range_that_is_not_one_is_refused(text, said):
    with pytest.raises(DeploymentError, match=said):
        tune.parse_range(text)


@pytest.mark.parametrize("text", ["x=1E-3:0.5:log", "x=.5:+1.5e0", "x=-2.:1", "x=1e-3:1E+2:linear"])
def test_numbers_are_read_as_people_write_them(text):
    low, _, high = text[2:].partition(":")
    found = tune.parse_range(text)
    assert (found.kind, found.values) == (
        "ContinuousParameterRanges",
        (low, high.partition(":")[0]),
    )
