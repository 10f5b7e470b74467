"""Files of skops, which hold scikit-learn's estimators without code."""

from fuzz.mutations import mutate_archive
from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import iris, model_target


def samples():
    import skops.io
    from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestClassifier

    x, y = iris()
    for estimator in (
        RandomForestClassifier(2, max_depth=3, random_state=0),
        GradientBoostingRegressor(n_estimators=2, random_state=0),
        IsolationForest(n_estimators=2, max_samples=16, random_state=0),
    ):
        yield skops.io.dumps(estimator.fit(x, y))


TARGET = model_target("skops", samples, mutate_archive)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
