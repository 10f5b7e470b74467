"""Settings that libraries refuse late, ignore, or answer with their own words."""

import re

import numpy as np
import pytest

from support import lay_out
from training.train_command import failed, trained

RNG = np.random.default_rng(1)
X = RNG.normal(size=(120, 2)).round(2)
BINARY = np.where(X[:, 0] + RNG.normal(size=120) > 0, 1, 0)


def rows(labels, x=X):
    return "".join(f"{a},{b},{c}\n" for a, (b, c) in zip(labels, x, strict=True))


def job(base, labels, validation=None, x=X, **hyperparameters):
    channels = {"train": {"a.csv": rows(labels, x)}}
    if validation is not None:
        channels["validation"] = {"b.csv": rows(validation)}
    return lay_out(base, channels, hyperparameters)


@pytest.mark.parametrize("metric", ["auc", "logloss, auc", '["error", "aucpr"]'])
def test_xgboost_takes_one_metric_or_several(tmp_path, metric):
    base = job(tmp_path, BINARY, algorithm="xgboost", eval_metric=metric, n_estimators="5")
    _, forest, log = trained(base)
    assert forest.n_trees == 5
    assert "validation:roc_auc=" in log


@pytest.mark.parametrize(
    ("algorithm", "setting", "fault"),
    [
        ("lightgbm", {"metric": "cross_entropy"}, "metric=cross_entropy needs labels from 0 to 1"),
        ("lightgbm", {"metric": "gamma"}, "metric=gamma needs labels above 0"),
        ("xgboost", {"eval_metric": "rmse,mape"}, "eval_metric=mape needs labels other than 0"),
        ("xgboost", {"eval_metric": "rmsle"}, "eval_metric=rmsle needs labels above -1"),
    ],
)
def test_a_metric_that_the_labels_do_not_suit_is_refused(tmp_path, algorithm, setting, fault):
    labels = (np.arange(120) - 60) / 8
    range_ = "those of the training channel range from -7.5 to 7.375"
    base = job(tmp_path, labels, algorithm=algorithm, **setting)
    assert failed(base) == f"1 invalid hyperparameter: {fault}; {range_}"


def test_a_metric_that_the_validation_labels_do_not_suit_is_refused(tmp_path):
    shares = RNG.random(120).round(3) + 0.001
    base = job(tmp_path, shares, shares + 1.5, algorithm="lightgbm", metric="cross_entropy")
    assert "needs labels from 0 to 1; those of the validation channel range from 1.5" in failed(
        base
    )


def test_no_quantile_is_the_default(tmp_path):
    base = job(tmp_path, BINARY, algorithm="hist_gradient_boosting", quantile="None", max_iter="3")
    assert trained(base)[0].classes == (0, 1)


def test_a_class_of_one_row_does_not_keep_boosting_from_stopping_early(tmp_path):
    labels = np.array(["a", "b"])[BINARY].astype("U4")
    labels[7] = "rare"
    setting = {"algorithm": "hist_gradient_boosting", "early_stopping": "true"}
    schema, _, log = trained(job(tmp_path, labels, **setting))
    assert schema.classes == ("a", "b", "rare")
    assert "early stopping watches no row of the classes ['rare'], which have one row each" in log
    assert re.search(r"stopped at round \d+ of 100: no better for 10 rounds", log)


def test_advanced_monotone_constraints_and_categories_are_refused(tmp_path):
    x = np.column_stack([X[:, 0], np.array(["red", "green", "blue"])[np.arange(120) % 3]])
    setting = {
        "algorithm": "lightgbm",
        "monotone_constraints": '{"feature_0": 1}',
        "monotone_constraints_method": "advanced",
    }
    assert failed(job(tmp_path / "a", BINARY, x=x, **setting)) == (
        "1 invalid hyperparameter: monotone_constraints_method is 'advanced', which LightGBM "
        "cannot combine with categories, as column 'feature_1' holds; choose intermediate, or add "
        "the columns of categories to ignore"
    )
    for number, other in enumerate(
        ({"monotone_constraints_method": "intermediate"}, {"ignore": "2"})
    ):
        trained(job(tmp_path / str(number), BINARY, x=x, **(setting | other)))


def test_early_stopping_without_rows_to_watch_is_refused(tmp_path):
    setting = {"algorithm": "xgboost", "early_stopping_rounds": "5", "validation_fraction": "0"}
    assert failed(job(tmp_path / "a", BINARY, **setting)) == (
        "1 invalid hyperparameter: early_stopping_rounds=5 needs rows that the model does not "
        "learn from, but validation_fraction is 0 and there is no validation channel: leave "
        "validation_fraction out, or give a validation channel"
    )
    trained(job(tmp_path / "b", BINARY, BINARY, **setting))


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("validation", [None, BINARY[::-1]])
def test_the_log_says_where_boosting_stopped(tmp_path, algorithm, validation):
    setting = {"algorithm": algorithm, "early_stopping_rounds": "5", "n_estimators": "50"}
    _, forest, log = trained(job(tmp_path, BINARY, validation, **setting))
    assert log.count("stopped at round") == 1
    assert f"stopped at round {forest.n_trees} of 50: no better for 5 rounds\n" in log


def test_more_folds_than_rows_are_told(tmp_path):
    setting = {"algorithm": "decision_tree", "k_fold": "500"}
    log = trained(job(tmp_path / "a", BINARY, **setting))[2]
    assert "warning: k_fold is 500, but there are 120 rows: cross-validation has 120 folds" in log
    labels = ["a", "b"] * 59 + ["a", "c"]
    log = trained(job(tmp_path / "b", labels, **setting))[2]
    assert (
        "warning: k_fold is 500, but there are 120 rows, and the only row of a class is never held "
        "out: cross-validation has 119 folds of one row each" in log
    )


def test_cross_validation_tells_that_it_does_not_stop_early(tmp_path):
    setting = {"algorithm": "lightgbm", "early_stopping_rounds": "2", "k_fold": "3"}
    log = trained(job(tmp_path, BINARY, n_estimators="9", **setting))[2]
    assert "cross-validation fits all 9 rounds in each fold, without early stopping" in log


def test_a_library_does_not_warn_in_the_log(tmp_path):
    from training.train_command import train

    base = job(
        tmp_path, np.arange(120) % 60, algorithm="random_forest", n_estimators="3", k_fold="3"
    )
    done = train(base)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "Warning" not in done.stdout


def test_none_is_the_default_of_a_setting_for_another_task(tmp_path):
    base = job(tmp_path, X[:, 0], algorithm="random_forest", class_weight="None", n_estimators="3")
    assert trained(base)[0].classes == ()


def test_drawing_no_row_is_refused(tmp_path):
    setting = {"algorithm": "lightgbm", "subsample": "0.001", "subsample_freq": "1"}
    assert failed(job(tmp_path, BINARY, **setting)) == (
        "1 invalid hyperparameter: subsample=0.001 of 96 rows is less than one row; choose 0.01 "
        "or more"
    )


def test_a_regression_of_dart_can_be_saved(tmp_path):
    setting = {"algorithm": "xgboost", "booster": "dart", "one_drop": "true", "random_state": "1"}
    trained(job(tmp_path, X[:, 0].round(2) + 1000.5, n_estimators="20", **setting))
