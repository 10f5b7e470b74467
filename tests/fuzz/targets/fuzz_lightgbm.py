"""LightGBM's model files, which are text."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import iris, model_target


def samples():
    import lightgbm

    x, y = iris()
    for options, target in (
        ({"objective": "multiclass", "num_class": 3}, y),
        ({"objective": "binary", "zero_as_missing": True}, y > 0),
        (
            {
                "objective": "regression",
                "boosting": "rf",
                "bagging_freq": 1,
                "bagging_fraction": 0.5,
            },
            y,
        ),
    ):
        options |= {"num_leaves": 5, "num_threads": 1, "verbose": -1}
        data = lightgbm.Dataset(x, target, categorical_feature=[3], params={"verbose": -1})
        yield lightgbm.train(options, data, 2).model_to_string().encode()


TARGET = model_target("lightgbm", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
