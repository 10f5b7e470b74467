"""XGBoost's model files, in JSON and UBJ."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import iris, model_target


def samples():
    import xgboost

    x, y = iris()
    types = ["q", "q", "q", "c"]
    for options, target in (
        ({"objective": "multi:softprob", "num_class": 3}, y),
        ({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5}, y > 0),
        ({"objective": "count:poisson"}, y),
    ):
        data = xgboost.DMatrix(x, target, feature_types=types, enable_categorical=True)
        booster = xgboost.train({**options, "max_depth": 3, "nthread": 1}, data, 2)
        yield from (bytes(booster.save_raw("json")), bytes(booster.save_raw("ubj")))


TARGET = model_target("xgboost", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
