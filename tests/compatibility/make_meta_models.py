"""Fit scikit-learn's estimators around others with an old version, and record its answers.

``PYTHON make_meta_models.py ARCHIVE.zip`` writes what ``make_models.py`` writes, for voting,
bagging, boosting, calibration, stacking and the like. The archives are in ``scikit-learn-meta/``.
"""

import os
import pickle
import sys

import joblib
import numpy as np
from make_models import N_ASKED, N_TRAINED, VERSION, histogram, main, table, targets
from sklearn import ensemble, linear_model, preprocessing, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain

SMALL = {"max_depth": 3, "random_state": 3}
FEW = dict(SMALL, n_estimators=2)


def forest():
    return ensemble.RandomForestClassifier(**FEW)


def boosting():
    return ensemble.GradientBoostingClassifier(**FEW)


def numbers():
    return ensemble.RandomForestRegressor(**FEW)


def boosted_numbers():
    return ensemble.GradientBoostingRegressor(**FEW)


def three_of(kind):
    """Three members, the last of which is gradient boosting on histograms where there is any."""
    found = [("a", forest()), ("b", boosting())]
    histograms = histogram("HistGradientBoostingClassifier")
    if histograms is not None:
        found.append(("c", histograms(max_iter=2, max_depth=3, min_samples_leaf=5)))
    else:
        found.append(("c", tree.DecisionTreeClassifier(**SMALL)))
    return found if kind else found[:2]


def models(score, binary, three):
    """Yield (name, function that makes the estimator, y)."""
    words = np.array(["no", "yes"])[binary]
    both = np.column_stack([score, -2 * score + binary])
    calibrated, vote = CalibratedClassifierCV, ensemble.VotingClassifier
    yield "calibrated-sigmoid", lambda: calibrated(forest(), cv=3), words
    yield "calibrated-sigmoid-classes", lambda: calibrated(boosting(), cv=2), three
    yield "calibrated-isotonic", lambda: calibrated(boosting(), cv=2, method="isotonic"), words
    yield (
        "calibrated-isotonic-classes",
        lambda: calibrated(forest(), cv=2, method="isotonic"),
        three,
    )
    yield "calibrated-one", lambda: calibrated(forest(), cv=3, ensemble=False), words
    yield "calibrated-temperature", lambda: calibrated(forest(), cv=2, method="temperature"), three
    yield (
        "calibrated-temperature-decision",
        lambda: calibrated(boosting(), cv=2, method="temperature"),
        words,
    )
    weights = [1, 2, 0.5]
    soft = {"voting": "soft", "weights": weights}
    yield "voting-soft", lambda: vote(three_of(1), **soft), words
    yield "voting-hard", lambda: vote(three_of(1), weights=weights), three
    yield "voting-hard-equal", lambda: vote(three_of(1)), words
    average = ensemble.VotingRegressor
    yield "voting-numbers", lambda: average([("a", numbers()), ("b", boosted_numbers())]), score
    bag = ensemble.BaggingClassifier
    few = {"n_estimators": 3, "random_state": 3, "max_features": 0.6}
    yield "bagging", lambda: bag(tree.DecisionTreeClassifier(**SMALL), **few), words
    yield "bagging-boosting", lambda: bag(boosting(), **few), three
    drawn = dict(few, bootstrap_features=True)
    yield "bagging-numbers", lambda: ensemble.BaggingRegressor(**drawn), score
    ada = ensemble.AdaBoostClassifier
    rounds = {"n_estimators": 5, "random_state": 3}
    stump = tree.DecisionTreeClassifier(**SMALL)
    yield "adaboost", lambda: ada(**rounds), words
    yield "adaboost-classes", lambda: ada(stump, **rounds), three
    yield "adaboost-samme", lambda: ada(stump, algorithm="SAMME", **rounds), three
    yield "adaboost-samme-two", lambda: ada(algorithm="SAMME", **rounds), words
    yield "adaboost-numbers", lambda: ensemble.AdaBoostRegressor(**rounds), score
    yield "calibrated-adaboost", lambda: calibrated(ada(**rounds), cv=2), words
    stack = lambda **given: ensemble.StackingClassifier(three_of(0), cv=2, **given)  # noqa: E731
    yield "stacking", stack, words
    yield "stacking-classes", lambda: stack(stack_method="predict_proba", passthrough=True), three
    yield "stacking-labels", lambda: stack(stack_method="predict"), three
    each = linear_model.LogisticRegression(multi_class="ovr") if VERSION < (1, 5) else None
    yield "stacking-one-against-the-rest", lambda: stack(final_estimator=each), three
    all_at_once = "multinomial"
    yield (
        "stacking-multinomial",
        lambda: stack(final_estimator=linear_model.LogisticRegression(multi_class=all_at_once)),
        words,
    )
    pair = [("a", numbers()), ("b", boosted_numbers())]
    stack_numbers = lambda **given: ensemble.StackingRegressor(pair, cv=2, **given)  # noqa: E731
    yield "stacking-numbers", stack_numbers, score
    ridge = linear_model.Ridge()
    yield (
        "stacking-numbers-ridge",
        lambda: stack_numbers(final_estimator=ridge, passthrough=True),
        score,
    )
    yield "one-against-the-rest", lambda: OneVsRestClassifier(forest()), three
    yield "one-against-the-rest-boosting", lambda: OneVsRestClassifier(boosting()), three
    yield "one-against-the-rest-two", lambda: OneVsRestClassifier(boosting()), words
    yield "several-targets", lambda: MultiOutputRegressor(boosted_numbers()), both
    yield "chain", lambda: RegressorChain(boosted_numbers(), order=[1, 0]), both
    logs = {"func": np.log1p, "inverse_func": np.expm1}
    transformed = TransformedTargetRegressor
    yield "target-logarithm", lambda: transformed(boosted_numbers(), **logs), np.abs(score)
    for name in ("StandardScaler", "MinMaxScaler", "RobustScaler"):
        scaler = getattr(preprocessing, name)()
        yield (
            "target-" + name.lower(),
            lambda scaler=scaler: transformed(numbers(), transformer=scaler),
            score,
        )
    grid = {"max_depth": [2, 3]}
    yield "search", lambda: GridSearchCV(forest(), grid, cv=2), words
    yield "threshold", lambda: threshold("Fixed")(forest(), threshold=0.3, pos_label="no"), words
    yield "threshold-tuned", lambda: threshold("Tuned")(forest(), cv=2), words


def threshold(kind):
    from sklearn import model_selection

    names = {"Fixed": "FixedThresholdClassifier", "Tuned": "TunedThresholdClassifierCV"}
    return getattr(model_selection, names[kind])


def write(folder):
    """Write all models and answers that this version knows."""
    x, asked = table(0, N_TRAINED), table(1, N_ASKED)
    for name, make, y in models(*targets(x)):
        try:
            estimator = make().fit(x, y)
        except (AttributeError, ImportError, TypeError, ValueError) as error:
            sys.stderr.write("%s: not in this version: %s\n" % (name, str(error)[:100]))
            continue
        path = os.path.join(folder, name)
        with open(path + ".pickle", "wb") as file:
            pickle.dump(estimator, file, 2)
        joblib.dump(joblib.load(path + ".pickle"), path + ".joblib", compress=("xz", 9))
        os.remove(path + ".pickle")
        found = {"predict": estimator.predict(asked)}
        # Before 0.22, a vote had the method that it cannot answer.
        if hasattr(estimator, "predict_proba") and getattr(estimator, "voting", "") != "hard":
            found["predict_proba"] = estimator.predict_proba(asked)
        np.savez_compressed(path + ".npz", **found)
    np.savez_compressed(os.path.join(folder, "rows.npz"), x=asked)


if __name__ == "__main__":
    main(sys.argv[1], write)
