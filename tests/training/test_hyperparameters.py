"""Every encoding is understood, and every fault is reported at once."""

import pytest
from pydantic_core import PydanticUndefined
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.hyperparameters import Hyperparameters, decode, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0.006576404654024625", 0.006576404654024625),
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"512"', 512),
        ('"\\"512\\""', 512),
        ('"\\"\\\\\\"None\\\\\\"\\""', None),
        ("True", True),
        ("true", True),
        ("None", None),
        ("null", None),
        ("", None),
        (" sqrt ", "sqrt"),
        ('{"a": 1}', {"a": 1}),
        ("{'a': 1}", {"a": 1}),
        ("{'a': __import__('os')}", "{'a': __import__('os')}"),
        ("[" * 2500, "[" * 2500),
        (5, 5),
        (None, None),
    ],
)
def test_values_are_decoded_whichever_client_wrote_them(text, value):
    assert decode(text) == value
    assert type(decode(text)) is type(value)


def test_nothing_set_means_the_defaults():
    assert parse({}) == Hyperparameters()
    assert parse({}).estimator_parameters() == {"n_jobs": -1}


def test_scikit_learns_names_and_defaults_are_ours():
    """Where ours is None although scikit-learn's is not, the estimator's own default holds."""
    defaults = RandomForestClassifier().get_params()
    fields = Hyperparameters.model_fields
    missing = set(defaults) - set(fields)
    assert missing == {"warm_start", "monotonic_cst"}
    for name in set(defaults) - missing - {"n_jobs", "criterion", "max_features"}:
        assert fields[name].default == defaults[name], name


def test_what_is_set_reaches_the_estimator():
    raw = {
        "n_estimators": "7",
        "max_depth": '"3"',
        "max_features": "0.5",
        "min_samples_leaf": "2",
        "min_samples_split": "0.1",
        "criterion": "entropy",
        "bootstrap": "True",
        "max_samples": "0.5",
        "class_weight": '{"a": 2}',
        "random_state": "0",
        "max_leaf_nodes": "None",
        "sagemaker_program": '"train.py"',
        "sagemaker_distribution_instance_groups": "[]",
        "_tuning_objective_metric": '"validation:accuracy"',
    }
    assert parse(raw).estimator_parameters() == {
        "n_estimators": 7,
        "max_depth": 3,
        "max_features": 0.5,
        "min_samples_leaf": 2,
        "min_samples_split": 0.1,
        "criterion": "entropy",
        "bootstrap": True,
        "max_samples": 0.5,
        "class_weight": {"a": 2},
        "random_state": 0,
        "max_leaf_nodes": None,
        "n_jobs": -1,
    }


@pytest.mark.parametrize("text", ['{"0": 1, "1": 5}', "{0: 1, 1: 5}"])
def test_class_weights_come_in_json_and_in_pythons_own_words(text):
    assert parse({"class_weight": text}).class_weight == {"0": 1, "1": 5}


def test_all_faults_are_reported_at_once():
    raw = {
        "n_estimators": "0",
        "n_estimater": "5",
        "max_depth": "deep",
        "min_samples_split": "1",
        "bootstrap": "false",
        "oob_score": "true",
        "max_samples": "0.5",
        "qwertz": "1",
    }
    expected = "a whole number of 2 or more, or a share above 0 and up to 1.0"
    with pytest.raises(InvalidHyperparameters) as caught:
        parse(raw)
    assert caught.value.faults == (
        "'n_estimater' is unknown; did you mean n_estimators?",
        "'qwertz' is unknown; remove it",
        "n_estimators is 0; expected a whole number of 1 or more",
        "max_depth is 'deep'; expected a whole number of 1 or more, or None",
        f"min_samples_split is 1; expected {expected}",
        "oob_score needs bootstrap=true",
        "max_samples needs bootstrap=true",
    )
    assert str(caught.value).startswith("7 invalid hyperparameters: 'n_estimater' is unknown")


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"criterion": "poisson", "task": "classification"}, "criterion is 'poisson'; a class"),
        ({"criterion": "gini", "task": "regression"}, "criterion is 'gini'; a regression needs"),
        ({"criterion": "gene"}, "criterion is 'gene'; expected gini, entropy, log_loss or sq"),
        ({"criterion": "5"}, "criterion is 5; expected gini"),
        ({"class_weight": "balanced", "task": "regression"}, "class_weight is for classification"),
        ({"class_weight": "heavy"}, "class_weight is 'heavy'; expected balanced"),
        ({"algorithm": "extra_trees", "oob_score": "true"}, "oob_score needs bootstrap=true"),
        ({"algorithm": "xgboost"}, "algorithm is 'xgboost'; expected random_forest or extra_trees"),
        ({"task": "ranking"}, "task is 'ranking'; expected classification or regression"),
        ({"max_features": "0"}, "max_features is 0; expected sqrt, log2"),
        ({"max_features": "1.5"}, "max_features is 1.5; expected"),
        ({"ccp_alpha": "-1"}, "ccp_alpha is -1; expected a number of 0 or more"),
        ({"ccp_alpha": "NaN"}, "ccp_alpha is nan; expected a number of 0 or more"),
        ({"random_state": "-1"}, "random_state is -1; expected a whole number from 0"),
        ({"n_estimators": "1e400"}, "n_estimators is inf; expected a whole number"),
        ({"n_estimators": "7.5"}, "n_estimators is 7.5; expected a whole number"),
        ({"n_estimators": "None"}, "n_estimators is None; expected a whole number"),
        ({"n_estimators": "true"}, "n_estimators is True; expected a whole number"),
        ({"max_depth": "9" * 30}, "max_depth is 999"),
        ({"ccp_alpha": "true"}, "ccp_alpha is True; expected a number"),
        ({"class_weight": '{"a": -1}'}, "class_weight is {'a': -1}; expected balanced"),
        ({"n_jobs": "0"}, "n_jobs is 0; expected a whole number"),
        ({"x" * 300: "1"}, "x... is unknown; remove it"),
    ],
)
def test_a_fault_names_what_came_and_what_was_expected(raw, fault):
    with pytest.raises(InvalidHyperparameters) as caught:
        parse(raw)
    (found,) = caught.value.faults
    assert fault in found


def test_every_field_is_described():
    for name, field in Hyperparameters.model_fields.items():
        assert field.description, name
        assert field.default is not PydanticUndefined
