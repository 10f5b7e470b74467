"""Pickles and joblib's files, which are read without executing anything."""

import io
import pickle

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import iris, model_target


def samples():
    import joblib
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        IsolationForest,
        RandomForestClassifier,
    )

    x, y = iris()
    for number, estimator in enumerate(
        (
            RandomForestClassifier(2, max_depth=3, random_state=0),
            GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0),
            HistGradientBoostingClassifier(max_iter=2, categorical_features=[3], random_state=0),
            IsolationForest(n_estimators=2, max_samples=16, random_state=0),
        )
    ):
        estimator.fit(x, y)
        yield pickle.dumps(estimator, number)
        file = io.BytesIO()
        joblib.dump(estimator, file)
        yield file.getvalue()


TARGET = model_target("pickle", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
