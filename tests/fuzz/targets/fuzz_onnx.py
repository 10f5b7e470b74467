"""ONNX files, which hold trees in the messages of protobuf."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.foreign_models import iris, model_target


def samples():
    from skl2onnx import to_onnx
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = iris()
    x = x.astype("float32")
    for estimator in (
        RandomForestClassifier(2, max_depth=3, random_state=0),
        RandomForestRegressor(2, max_depth=3, random_state=0),
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=2, max_depth=2)),
    ):
        yield to_onnx(estimator.fit(x, y), x[:1]).SerializeToString()
    yield from _of_every_mode()


def _of_every_mode():
    import numpy as np

    from importers.onnx.onnx_models import FLOAT, MODES, classic, model, random_trees, version_5

    rng = np.random.default_rng(0)
    nodes = random_trees(rng, 9, 3, MODES[:6], 2, [0.0, 1.0, 2.5])
    yield model([classic("TreeEnsembleRegressor", nodes, n_targets=2)], 3, {"scores": FLOAT})
    nodes = random_trees(rng, 9, 3, MODES, 1, [0.0, 1.0, 2.0])
    inner = {node["tree"] for node in nodes if node["mode"] != "LEAF"}
    nodes = [node for node in nodes if node["tree"] in inner]
    yield model([version_5(nodes, FLOAT, 1)], 3, {"scores": FLOAT}, opset=5)


TARGET = model_target("onnx", samples)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
