"""Every encoding of a value is understood, and all faults are reported together."""

import json
import math

import lightgbm
import numpy as np
import pytest
import xgboost
from pydantic import ValidationError
from sklearn import ensemble, tree
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.hyperparameter_table import table_of
from mlserver_forest.training.algorithms.hyperparameter_types import default_of, expected_of
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters, decode, parse
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS

OWN = {name: row.hyperparameters for name, row in ALGORITHMS.items()}
MODELS = {"common": JobHyperparameters, **OWN}
SCIKIT_LEARN = {
    "random_forest": (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor),
    "extra_trees": (ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor),
    "decision_tree": (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor),
    "hist_gradient_boosting": (
        ensemble.HistGradientBoostingClassifier,
        ensemble.HistGradientBoostingRegressor,
    ),
}
# Defaults that differ from the library's: they depend on the problem, or suit training jobs.
OTHER_DEFAULTS = {"n_jobs", "criterion", "loss", "max_features"}
NOT_OFFERED = {
    "hist_gradient_boosting": {
        "warm_start",
        "categorical_features",
        "scoring",
        "validation_fraction",  # the job's
    },
    "random_forest": {"warm_start"},
    "extra_trees": {"warm_start"},
    "decision_tree": set(),
}


def faults_of(**raw):
    with pytest.raises(InvalidHyperparameters) as caught:
        parse(raw)
    return list(caught.value.faults)


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
        ("(1,0,-1)", (1, 0, -1)),
        ("(a)", "(a)"),
        ("{[]: 1}", "{[]: 1}"),
        ("[" * 2500, "[" * 2500),
        (5, 5),
        (None, None),
    ],
)
def test_values_are_decoded_whichever_client_wrote_them(text, value):
    assert decode(text) == value
    assert type(decode(text)) is type(value)


def test_nothing_set_means_the_defaults():
    assert parse({}) == Hyperparameters(JobHyperparameters(), OWN["random_forest"]())
    assert parse({}).own.estimator_parameters() == {"n_jobs": -1}
    assert (parse({}).own.n_steps, parse({}).random_state) == (100, None)
    assert parse({}).given() == {}


@pytest.mark.parametrize("algorithm", SCIKIT_LEARN)
def test_scikit_learns_names_and_defaults_are_ours(algorithm):
    """Where the default is text such as "sqrt; for a regression 1.0", the estimator's own default
    holds.
    """
    fields = OWN[algorithm].model_fields
    for estimator in SCIKIT_LEARN[algorithm]:
        defaults = estimator().get_params()
        assert set(defaults) - set(fields) == NOT_OFFERED[algorithm]
        for name in set(defaults) & set(fields) - OTHER_DEFAULTS:
            assert fields[name].default == defaults[name], name
        for name in set(defaults) & set(fields) & OTHER_DEFAULTS - {"n_jobs"}:
            words = default_of(OWN[algorithm], name).replace("for a regression ", "")
            kind = 1 if "Regressor" in estimator.__name__ else 0
            assert words.split("; ")[-kind:][0] == str(defaults[name]), name
    classifier, regressor = (set(each().get_params()) for each in SCIKIT_LEARN[algorithm])
    assert set(fields) == (classifier | regressor) - NOT_OFFERED[algorithm]


PROBES = [
    *(-2, -1, 0, 1, 2, 3, 254, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(-0.5, 0.0, 1e-9, 0.25, 0.5, 0.51, 0.999, 1.0, 1.5, 1e300),
    *(True, False, None, "auto", "sqrt", "log2", "best", "random", "balanced"),
    *("balanced_subsample", "gini", "entropy", "log_loss", "squared_error", "absolute_error"),
    *("poisson", "gamma", "quantile", "pairwise", "no_interactions", "other"),
    *({"a": 1.0}, [1, 0], [["a", "b"]]),
]


@pytest.mark.parametrize("algorithm", SCIKIT_LEARN)
def test_what_is_accepted_scikit_learn_accepts_and_what_is_not_it_refuses(algorithm):
    """Values are checked with scikit-learn's table of constraints, except where this package is
    narrower on purpose.
    """
    model = OWN[algorithm]
    for name in model.model_fields:
        for probe in PROBES:
            value = accepted(model, name, probe)
            asked = probe if value is REFUSED else value
            is_theirs = any(suits(estimator, name, asked) for estimator in SCIKIT_LEARN[algorithm])
            if value is REFUSED:
                assert not is_theirs or is_narrower_on_purpose(name, probe), (name, probe)
            else:
                assert is_theirs, (name, value)


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_what_is_accepted_boosters_accept(algorithm):
    """A model of one round is trained with each accepted number."""
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    few = [probe for probe in PROBES if isinstance(probe, int | float) and -3 < probe < 4]
    n_accepted = 0
    for name in OWN[algorithm].model_fields:
        for value in few:
            raw = {"algorithm": algorithm, "n_estimators": 1, "n_jobs": 1, name: value}
            try:
                estimator = make_estimator(parse(raw), "classification", (0, 1), ("a", "b"), {}, 0)
            except InvalidHyperparameters:
                continue
            estimator.fit(x, y)
            n_accepted += 1
    assert n_accepted > 150


REFUSED = object()


def accepted(model, name, value):
    """The parsed value, or REFUSED."""
    try:
        return getattr(model.model_validate({name: value}), name)
    except ValidationError:
        return REFUSED


def suits(estimator, name, value):
    if name not in estimator._parameter_constraints:
        return False
    constraints = {name: estimator._parameter_constraints[name]}
    try:
        validate_parameter_constraints(constraints, {name: value}, caller_name="ours")
    except InvalidParameterError:
        return False
    return True


def is_narrower_on_purpose(name, value):
    return (
        (isinstance(value, int) and (value >= 2**31 or isinstance(value, bool)))
        or (name == "n_jobs" and value == 0)
        or (name == "max_samples" and isinstance(value, float))  # above 1.0
        or (name.endswith(("_cst", "_weight")) and isinstance(value, list | dict))
        or (name == "verbose" and value is not None)
        or (name == "quantile" and value in {0, 1})  # scikit-learn's fit refuses them
    )


def test_xgboosts_defaults_are_ours():
    """The defaults are read from a booster that was trained with all of them."""
    x = np.arange(40.0).reshape(20, 2)
    parameters = [
        {"objective": "reg:squarederror", "tree_method": "hist"},
        {"objective": "reg:pseudohubererror"},
        {"objective": "reg:tweedie"},
        {"booster": "dart"},
    ]
    found = {}
    for each in parameters:
        booster = xgboost.train({"nthread": 1, **each}, xgboost.DMatrix(x, x[:, 0] + 1), 1)
        found |= flat(json.loads(booster.save_config()))
    fields = OWN["xgboost"].model_fields
    checked = set(fields) & set(found)
    for name in checked - {"objective", "booster", "tree_method", "n_jobs", "base_score",
                           "monotone_constraints", "interaction_constraints", "random_state",
                           "num_class"}:  # fmt: skip
        assert math.isclose(float(number(fields[name].default)), number(found[name]),
                            rel_tol=1e-6), name  # fmt: skip
    unseen = {
        "n_estimators", "early_stopping_rounds", "eval_metric", "quantile_alpha", "verbosity",
    }  # fmt: skip
    assert set(fields) - checked == unseen
    offered = set(xgboost.XGBClassifier().get_params())
    of_objectives = {"huber_slope", "quantile_alpha", "tweedie_variance_power", "num_class"}
    of_dart = {"rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type"}
    assert set(fields) <= offered | of_objectives | of_dart


def flat(config):
    """The innermost names and values of a nested document."""
    found = {}
    for name, value in config.items():
        found |= flat(value) if isinstance(value, dict) else {name: value}
    return found


def number(value):
    words = {"depthwise": 0, "lossguide": 1, "uniform": 0, "weighted": 1, "tree": 0, "forest": 1}
    return float(words.get(value, value))


def test_lightgbms_defaults_are_ours():
    """The defaults are those of the estimator, and of the parameters in a saved model."""
    x = np.arange(80.0).reshape(40, 2)
    model = lightgbm.LGBMRegressor(n_estimators=1, verbosity=-1, n_jobs=1).fit(x, x[:, 0])
    text = model.booster_.model_to_string().partition("\nparameters:")[2]
    lines = [line.strip("[]") for line in text.splitlines() if line.startswith("[")]
    native = dict(line.split(": ", 1) for line in lines if ": " in line)
    own = model.get_params()
    fields = OWN["lightgbm"].model_fields
    chosen = {"n_jobs", "objective", "metric", "verbosity", "num_class", "early_stopping_rounds"}
    for name in set(fields) - chosen:
        default = fields[name].default
        if name == "n_estimators":
            assert default == lightgbm.LGBMRegressor().n_estimators
        elif name in own:
            assert default == own[name], name
        elif default is None:
            assert native.get(name, "") == "", name
        elif isinstance(default, str):
            assert native[name] == default, name
        else:
            assert float(native[name]) == default, name
    assert set(fields) - set(own) - set(native) <= {"early_stopping_rounds"}


def test_every_alias_of_lightgbm_is_lightgbms():
    """LightGBM prints its table of aliases as JSON, keyed by native names."""
    known = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    groups = [{native, *aliases} for native, aliases in known.items()]
    native = {"early_stopping_rounds": "early_stopping_round", "boosting_type": "boosting"}
    # Names from XGBoost and scikit-learn, which LightGBM itself does not know.
    foreign = {"gamma", "eval_metric"}
    for alias, name in OWN["lightgbm"].ALIASES.items():
        same = {alias, native.get(name, name)}
        assert any(same <= group for group in groups) or alias in foreign, alias


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
        "k_fold": "5",
        "sagemaker_program": '"train.py"',
        "sagemaker_distribution_instance_groups": "[]",
        "_tuning_objective_metric": '"validation:accuracy"',
    }
    expected = {
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
    }
    chosen = parse(raw)
    assert chosen.own.estimator_parameters() == {"n_jobs": -1, **expected}
    assert chosen.given() == {"k_fold": 5, **expected}
    assert (chosen.own.n_steps, chosen.random_state) == (7, 0)


@pytest.mark.parametrize(
    "raw",
    [
        {"_tuning_objective_metric": "validation:auc"},
        {"_tuning_objective_metric": '"validation:auc"'},
        {"_tuning_objective_metric": '"\\"validation:auc\\""'},
        {"_tuning_objective_metric": ""},
        {"sagemaker_job_name": '"x"', "sagemaker_anything": "{", "default_user_module_name": "x"},
    ],
)
def test_what_sagemaker_adds_is_skipped(raw):
    assert parse(raw) == parse({})


def test_the_hyperparameters_of_awss_xgboost_image_are_understood():
    """The values are those of the examples in its documentation."""
    raw = {
        "algorithm": "xgboost",
        "num_round": "50",
        "eta": "0.2",
        "lambda": "2",
        "alpha": "0.5",
        "gamma": "4",
        "min_child_weight": "6",
        "max_depth": "5",
        "subsample": "0.7",
        "objective": "multi:softmax",
        "num_class": "3",
        "verbosity": "0",
        "nthread": "2",
        "seed": "9",
        "tree_method": "auto",
        "eval_metric": "auc,mlogloss",
        "monotone_constraints": "(1,-1)",
        "early_stopping_rounds": "10",
        "_kfold": "5",
    }
    chosen = parse(raw)
    assert chosen.own.estimator_parameters() == {
        "n_estimators": 50,
        "learning_rate": 0.2,
        "reg_lambda": 2,
        "reg_alpha": 0.5,
        "gamma": 4,
        "min_child_weight": 6,
        "max_depth": 5,
        "subsample": 0.7,
        "objective": "multi:softprob",
        "verbosity": 0,
        "n_jobs": 2,
        "random_state": 9,
        "tree_method": "auto",
        "eval_metric": ["auc", "mlogloss"],
        "monotone_constraints": [1, -1],
    }
    assert (chosen.early_stopping_rounds, chosen.job.k_fold, chosen.own.n_steps) == (10, 5, 50)


def test_lightgbms_native_names_are_understood():
    raw = {
        "algorithm": "lightgbm",
        "num_boost_round": "50",
        "early_stopping_round": "7",
        "bagging_fraction": "0.7",
        "bagging_freq": "1",
        "feature_fraction": "0.9",
        "min_data_in_leaf": "3",
        "lambda_l1": "0.5",
        "lambda_l2": "2",
        "boosting": "gbdt",
        "metric": "mse",
        "objective": "mae",
        "num_threads": "2",
    }
    chosen = parse(raw)
    assert chosen.own.estimator_parameters() == {
        "n_estimators": 50,
        "subsample": 0.7,
        "subsample_freq": 1,
        "colsample_bytree": 0.9,
        "min_child_samples": 3,
        "reg_alpha": 0.5,
        "reg_lambda": 2,
        "boosting_type": "gbdt",
        "metric": "l2",
        "objective": "regression_l1",
        "n_jobs": 2,
        "verbosity": -1,
    }
    assert chosen.early_stopping_rounds == 7


@pytest.mark.parametrize("text", ['{"0": 1, "1": 5}', "{0: 1, 1: 5}"])
def test_class_weights_come_in_json_and_in_pythons_own_words(text):
    assert parse({"class_weight": text}).own.class_weight == {"0": 1, "1": 5}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a", ["a"]),
        ("a, 3 ,b", ["a", 3, "b"]),
        ("3", [3]),
        ('["a", "3", 4]', ["a", "3", 4]),
        ("['a']", ["a"]),
        ("[]", []),
        ("None", []),
        ('"a,b"', ["a", "b"]),
    ],
)
def test_columns_come_as_json_and_with_commas(text, columns):
    """A number in a JSON string is a column's name, not its position."""
    assert parse({"ignore": text}).job.ignore == columns


@pytest.mark.parametrize(("text", "column"), [("2", 2), ("label", "label"), ('"2"', 2)])
def test_a_column_is_a_name_or_a_position(text, column):
    assert parse({"target": text}).job.target == column
    assert parse({"weight": text}).job.weight == column


def test_all_faults_are_reported_at_once():
    expected = "a whole number of 2 or more, or a share above 0 and up to 1.0"
    faults = faults_of(
        n_estimators="0",
        n_estimater="5",
        max_depth="deep",
        min_samples_split="1",
        bootstrap="false",
        oob_score="true",
        max_samples="0.5",
        qwertz="1",
        k_fold="1",
        seed="1",
        random_state="2",
        num_leaves="5",
    )
    assert faults == [
        "seed and random_state are the same hyperparameter; remove one",
        "'n_estimater' is unknown; did you mean n_estimators?",
        "'qwertz' is unknown; remove it",
        "'num_leaves' is for lightgbm, catboost, not for random_forest; use max_leaf_nodes",
        "k_fold is 1; expected a whole number of 2 or more, or 0",
        "max_depth is 'deep'; expected a whole number of 1 or more, or None",
        f"min_samples_split is 1; expected {expected}",
        "n_estimators is 0; expected a whole number of 1 or more",
        "oob_score needs bootstrap=true",
        "max_samples needs bootstrap=true",
    ]


def test_where_there_is_no_such_algorithm_its_hyperparameters_are_not_judged():
    assert faults_of(algorithm="ngboost", num_leaves="many", what="1", k_fold="x") == [
        "'what' is unknown; remove it",
        f"algorithm is 'ngboost'; expected {', '.join([*ALGORITHMS][:-1])} or catboost",
        "k_fold is 'x'; expected a whole number of 2 or more, or 0",
    ]
    assert faults_of(algorithm="[1]")[0].startswith("algorithm is [1]; expected random_forest")


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"criterion": "poisson", "task": "classification"},
         "criterion is 'poisson'; a classification needs gini, entropy, log_loss"),
        ({"criterion": "gini", "task": "regression"}, "criterion is 'gini'; a regression needs"),
        ({"criterion": "gene"}, "criterion is 'gene'; expected gini, entropy or log_loss; for a"),
        ({"criterion": "5"}, "criterion is 5; expected gini"),
        ({"class_weight": "balanced", "task": "regression"},
         "class_weight is for a classification, but this is a regression; remove it"),
        ({"class_weight": "balanced", "criterion": "poisson"},
         "class_weight is for a classification, criterion for a regression: remove one"),
        ({"class_weight": "heavy"}, "class_weight is 'heavy'; expected balanced"),
        ({"algorithm": "extra_trees", "oob_score": "true"}, "oob_score needs bootstrap=true"),
        ({"task": "ranking"}, "task is 'ranking'; expected classification, regression, or None"),
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
        ({"target": "-1"}, "target is -1; expected a column's name or a column's position"),
        ({"ignore": "[true]"}, "ignore is [True]; expected names or positions of columns"),
        ({"validation_fraction": "1"}, "validation_fraction is 1; expected a number from 0"),
        ({"monotonic_cst": "[2]"}, 'monotonic_cst is [2]; expected {"feature": 1 or -1'),
        ({"x" * 300: "1"}, "x... is unknown; remove it"),
        ({"early_stopping_rounds": "5"},
         "'early_stopping_rounds' is for xgboost, lightgbm, catboost, not for random_forest; "),
        ({"csv_weights": "1"}, "'csv_weights' is unknown; use weight=1, where the weights are"),
        ({"algorithm": "hist_gradient_boosting", "n_estimators": "5"},
         "xgboost, lightgbm, catboost, not for hist_gradient_boosting; use max_iter"),
        ({"algorithm": "hist_gradient_boosting", "max_bins": "256"},
         "max_bins is 256; expected a whole number from 2 to 255"),
        ({"algorithm": "hist_gradient_boosting", "loss": "quantile"},
         "loss=quantile needs quantile, such as quantile=0.5"),
        ({"algorithm": "hist_gradient_boosting", "quantile": "0.5"}, "quantile needs loss=quant"),
        ({"algorithm": "decision_tree", "n_estimators": "5"},
         "not for decision_tree; use algorithm=random_forest for more than one tree"),
        ({"algorithm": "xgboost", "eta": "0.1", "learning_rate": "0.1"},
         "eta and learning_rate are the same hyperparameter; remove one"),
        ({"algorithm": "xgboost", "class_weight": "balanced"},
         "hist_gradient_boosting, lightgbm, catboost, not for xgboost; use scale_pos_weight for"),
        ({"algorithm": "xgboost", "objective": "rank:ndcg"},
         "objective is 'rank:ndcg'; expected binary:logistic, binary:hinge, multi:softprob"),
        ({"algorithm": "xgboost", "objective": "binary:logistic", "task": "regression"},
         "objective is 'binary:logistic'; a regression needs reg:squarederror"),
        ({"algorithm": "xgboost", "objective": "reg:quantileerror"},
         "objective=reg:quantileerror needs quantile_alpha, such as 0.5"),
        ({"algorithm": "xgboost", "quantile_alpha": "0.5"},
         "quantile_alpha needs objective=reg:quantileerror"),
        ({"algorithm": "xgboost", "booster": "gblinear"}, "booster is 'gblinear'; expected gbtree"),
        ({"algorithm": "xgboost", "rate_drop": "0.5"}, "rate_drop needs booster=dart"),
        ({"algorithm": "xgboost", "booster": "dart", "early_stopping_rounds": "5"},
         "early_stopping_rounds needs booster=gbtree: dart changes earlier trees later"),
        ({"algorithm": "xgboost", "num_class": "3", "task": "regression"},
         "num_class is 3, but this is a regression; remove it, the classes are counted; or set"),
        ({"algorithm": "xgboost", "objective": "reg:gamma", "eval_metric": "auc"},
         "eval_metric is for a classification, objective for a regression: remove one"),
        ({"algorithm": "xgboost", "eval_metric": "rmse,ndcg"},
         "eval_metric is 'rmse,ndcg'; expected one or more"),
        ({"algorithm": "xgboost", "max_bin": "1"}, "max_bin is 1; expected a whole number of 2"),
        ({"algorithm": "xgboost", "verbosity": "4"}, "verbosity is 4; expected a whole number fr"),
        ({"algorithm": "lightgbm", "linear_tree": "true"}, "'linear_tree' is unknown; use ordin"),
        ({"algorithm": "lightgbm", "num_leaves": "1"},
         "num_leaves is 1; expected a whole number from 2 to 131072"),
        ({"algorithm": "lightgbm", "subsample": "0.5"},
         "subsample needs subsample_freq, such as 1: without it no row is left out"),
        ({"algorithm": "lightgbm", "boosting": "rf"}, "boosting_type=rf needs subsample below 1"),
        ({"algorithm": "lightgbm", "boosting": "dart", "early_stopping_round": "5"},
         "early_stopping_rounds needs boosting_type=gbdt: dart changes earlier trees later"),
        ({"algorithm": "lightgbm", "is_unbalance": "true", "scale_pos_weight": "2"},
         "scale_pos_weight and is_unbalance all weight the classes; keep one of them"),
        ({"algorithm": "lightgbm", "data_sample_strategy": "goss", "subsample": "0.5",
          "subsample_freq": "1"}, "data_sample_strategy=goss draws rows itself; remove subsample"),
        ({"algorithm": "lightgbm", "data_sample_strategy": "goss", "top_rate": "0.95"},
         "top_rate and other_rate add up to more than 1"),
        ({"algorithm": "lightgbm", "alpha": "0.5"}, "alpha needs objective=huber or quantile"),
    ],
)  # fmt: skip
def test_a_fault_names_what_came_and_what_was_expected(raw, fault):
    (found,) = faults_of(**raw)
    assert fault in found


@pytest.mark.parametrize("name", MODELS)
def test_every_field_is_described(name):
    rows = {row.name: row for row in table_of(name)}
    assert list(rows) == list(MODELS[name].model_fields)
    for row in rows.values():
        assert row.meaning.endswith("."), row
        assert row.values == expected_of(MODELS[name], row.name)
        assert row.default != ""
        assert "|" not in row.values + row.default + row.meaning


@pytest.mark.parametrize("name", OWN)
def test_names_and_aliases_of_the_job_and_of_algorithms_are_apart(name):
    model = OWN[name]
    common = {*JobHyperparameters.model_fields, *JobHyperparameters.ALIASES}
    assert not common & {*model.model_fields, *model.ALIASES}
    assert not set(model.ALIASES) & set(model.model_fields)
    assert set(model.ALIASES.values()) <= set(model.model_fields)
    assert not set(model.INSTEAD) & {*model.model_fields, *model.ALIASES}
    assert {*model.VALUES, *model.FIELDS, *model.LABELS, *model.OWN} <= set(model.model_fields)
    assert set(model.FROM_JOB) <= set(JobHyperparameters.model_fields)


def test_scikit_learns_boosting_stops_early_by_itself():
    chosen = parse({"algorithm": "hist_gradient_boosting", "early_stopping": "true"})
    assert chosen.early_stopping_rounds is None
    assert chosen.own.n_steps == 100
    assert parse({"algorithm": "decision_tree"}).own.n_steps == 1
