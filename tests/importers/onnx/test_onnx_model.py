"""ONNX tree ensembles answer as ONNX Runtime answers, whatever the trees and the graph around."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from importers.onnx.onnx_models import (
    DOUBLE,
    FLOAT,
    INT64,
    MODES,
    answers,
    classic,
    model,
    random_trees,
    version_5,
)
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.onnx import onnx_file, onnx_model
from mlserver_forest.importers.pack import proof
from mlserver_forest.importers.registry import importer_of

# skl2onnx 1.20 uses names that NumPy has since deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

VALUES = [0.0, 0.5, 1.0, 2.0, 3.0, -1.0, float(np.float32(0.1)), 1e30, float(np.float32(1e-40))]
WHOLE = [0.0, 1.0, 2.0, 3.0, 7.0, 31.0]
ORDER, EQUAL = MODES[:4], MODES[:6]


def read(content):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        assert onnx_file.is_model(content[:512])
        return onnx_file.read(path)


def proven(content, values=VALUES):
    """The packed model, after ONNX Runtime and the plain walk agreed with it on hard rows."""
    record = read(content)
    packed = import_estimator(record)
    rng = np.random.default_rng(0)
    dtype = packed.forest.feature_dtype
    rows = rng.choice([*values, np.nan], (200, packed.schema.n_features)).astype(dtype)
    rows = np.concatenate([proof.hard_rows(packed, None), rows])
    found = proof.ask(importer_of(record), record, packed, rows)
    assert found.source.startswith("ONNX Runtime 1.")
    result = proof.compare(packed, found)
    assert result.n_different == 0, result
    walked, positions = onnx_model.walk(record, rows, packed.schema)
    assert np.abs(walked - found.values).max() <= 1e-6 * max(1, np.abs(found.values).max())
    assert np.array_equal(positions, found.positions)
    return packed


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1 << 30),
    modes=st.sampled_from([ORDER[:1], ORDER, EQUAL]),
    n_targets=st.integers(1, 3),
    dtype=st.sampled_from([FLOAT, DOUBLE]),
    as_doubles=st.booleans(),
    aggregate=st.sampled_from(["SUM", "AVERAGE"]),
    has_base=st.booleans(),
)
def test_regressors(seed, modes, n_targets, dtype, as_doubles, aggregate, has_base):
    rng = np.random.default_rng(seed)
    nodes = random_trees(rng, 12, 3, modes, n_targets, VALUES)
    options = {"base_values": [0.25, -3.0, 10.0][:n_targets]} if has_base else {}
    node = classic(
        "TreeEnsembleRegressor",
        nodes,
        dtype,
        as_doubles=as_doubles,
        n_targets=n_targets,
        aggregate_function=aggregate,
        **options,
    )
    packed = proven(model([node], 3, {"scores": FLOAT}, dtype))
    assert packed.schema.n_targets == n_targets
    assert packed.forest.feature_dtype == (np.float32 if dtype == FLOAT else np.float64)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1 << 30),
    modes=st.sampled_from([ORDER[:1], ORDER, EQUAL]),
    transform=st.sampled_from(["SOFTMAX", "LOGISTIC"]),
    words=st.booleans(),
    has_base=st.booleans(),
    scale=st.sampled_from([0.1, 1.0, 30.0]),
)
def test_classifiers_of_several_classes(seed, modes, transform, words, has_base, scale):
    rng = np.random.default_rng(seed)
    nodes = random_trees(rng, 9, 3, modes, 3, VALUES, scale)
    labels = {"classlabels_strings": ["b", "ä", ""]} if words else {"classlabels_int64s": [3, 1, 2]}
    options = {"base_values": [0.25, -3.0, 1.0]} if has_base else {}
    node = classic("TreeEnsembleClassifier", nodes, post_transform=transform, **labels, **options)
    outputs = {"label": TensorProto.STRING if words else INT64, "scores": FLOAT}
    packed = proven(model([node], 3, outputs))
    assert packed.schema.classes == (("b", "ä", "") if words else (3, 1, 2))


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1 << 30),
    modes=st.sampled_from([ORDER, EQUAL]),
    has_base=st.booleans(),
    dtype=st.sampled_from([FLOAT, DOUBLE]),
)
def test_classifiers_with_one_score_for_two_classes(seed, modes, has_base, dtype):
    rng = np.random.default_rng(seed)
    nodes = random_trees(rng, 9, 3, modes, 1, VALUES)
    nodes[-1]["weights"] = {0: -0.5}
    options = {"base_values": [0.25]} if has_base else {}
    labels = {"classlabels_int64s": [5, 4]}
    node = classic(
        "TreeEnsembleClassifier", nodes, dtype, post_transform="LOGISTIC", **labels, **options
    )
    packed = proven(model([node], 3, {"label": INT64, "scores": FLOAT}, dtype))
    assert packed.schema.classes == (5, 4)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1 << 30),
    modes=st.sampled_from([ORDER, EQUAL, MODES, MODES[6:]]),
    dtype=st.sampled_from([FLOAT, DOUBLE]),
    aggregate=st.sampled_from([0, 1]),
)
def test_version_5(seed, modes, dtype, aggregate):
    rng = np.random.default_rng(seed)
    nodes = random_trees(rng, 20, 3, modes, 1, WHOLE)
    inner = {node["tree"] for node in nodes if node["mode"] != "LEAF"}
    nodes = [node for node in nodes if node["tree"] in inner]
    node = version_5(nodes, dtype, 1, aggregate_function=aggregate)
    content = model([node], 3, {"scores": dtype}, dtype, opset=5)
    if not any(node["mode"] == MODES[6] for node in nodes):
        proven(content, WHOLE)
        return
    # ONNX Runtime 1.32 cuts off fractions before it looks numbers up in a set.
    record = read(content)
    assert onnx_model.restore(record) is None
    packed = import_estimator(record)
    x = rng.choice([*WHOLE, 4.0, 33.0, np.nan], (300, 3)).astype(packed.forest.feature_dtype)
    np.testing.assert_allclose(packed.forest.predict(x).values, answers(content, x)[0], atol=1e-6)
    x = rng.choice([-0.5, 0.5, 1.5], (9, 3)).astype(packed.forest.feature_dtype)
    values = packed.forest.predict(x).values
    assert np.array_equal(values, onnx_model.walk(record, x, packed.schema)[0])


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (RandomForestClassifier(7, random_state=0), "classes"),
        (RandomForestClassifier(7, random_state=0), "two"),
        (ExtraTreesClassifier(7, random_state=0), "words"),
        (DecisionTreeClassifier(random_state=0), "two"),
        (DecisionTreeClassifier(random_state=0), "words"),
        (GradientBoostingClassifier(n_estimators=5), "classes"),
        (GradientBoostingClassifier(n_estimators=5), "two"),
        (HistGradientBoostingClassifier(max_iter=5), "words"),
        (HistGradientBoostingClassifier(max_iter=5), "two"),
        (RandomForestRegressor(7, random_state=0), "numbers"),
        (ExtraTreesRegressor(7, random_state=0), "targets"),
        (GradientBoostingRegressor(n_estimators=5), "numbers"),
        (HistGradientBoostingRegressor(max_iter=5), "numbers"),
        (DecisionTreeRegressor(), "targets"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(7, random_state=0)), "words"),
        (make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=3)), "numbers"),
    ],
)
@pytest.mark.parametrize("zipmap", [True, False])
def test_what_skl2onnx_exports(iris, estimator, kind, zipmap):
    x, words = iris
    codes = np.unique(words, return_inverse=True)[1]
    y = {
        "classes": codes,
        "two": (codes == 1).astype(int),
        "words": words,
        "numbers": x[:, 0] * codes,
        "targets": x[:, :2],
    }[kind]
    x = x.astype(np.float32)
    estimator.fit(x, y)
    options = None
    if hasattr(estimator, "predict_proba"):
        options = {id(estimator): {"zipmap": zipmap}}
    packed = proven(to_onnx(estimator, x[:1], options=options).SerializeToString())
    found, expected = packed.predict(x), estimator.predict(x)
    same = np.isclose(found, expected) if expected.dtype.kind == "f" else found == expected
    assert np.mean(same) > 0.97  # ONNX compares float32 thresholds, scikit-learn float64.


def test_doubles(iris):
    """skl2onnx writes thresholds as doubles if its input is one."""
    x, codes = iris[0], np.unique(iris[1], return_inverse=True)[1]
    estimator = RandomForestClassifier(5, random_state=0).fit(x, codes)
    given = [("X", DoubleTensorType([None, 4]))]
    packed = proven(to_onnx(estimator, initial_types=given).SerializeToString())
    assert packed.forest.feature_dtype == np.float64


def test_columns_of_a_frame_keep_their_names(iris):
    """skl2onnx makes an input of each column, and concatenates them."""
    x, y = iris
    forest = RandomForestClassifier(3, random_state=0).fit(x, y)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    inputs = [helper.make_tensor_value_info(name, FLOAT, [None, 1]) for name in names]
    whole = to_onnx(forest, x[:1].astype(np.float32))
    nodes = [helper.make_node("Concat", names, ["X"], axis=1), *whole.graph.node]
    graph = helper.make_graph(nodes, "g", inputs, list(whole.graph.output))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    assert proven(content).schema.feature_names == tuple(names)


SCALES = [[2.0], [-1.5, 0.3, 1e-3], [1.0, 1e3, -1e20], [3.0, 1e-30, 1.0]]


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1 << 30),
    dtype=st.sampled_from([FLOAT, DOUBLE]),
    scales=st.lists(st.sampled_from(SCALES), max_size=2),
    chosen=st.sampled_from([None, [2, 0, 0, 1], [1]]),
)
def test_casts_and_scalers_before_the_trees(seed, dtype, scales, chosen):
    """A threshold for the scaled value is one for the value itself, to the last bit."""
    rng = np.random.default_rng(seed)
    nodes = random_trees(rng, 12, len(chosen) if chosen else 3, ORDER, 1, VALUES[:7])
    before, name = [], "X"
    if dtype == DOUBLE:
        before.append(helper.make_node("Cast", [name], ["cast"], to=FLOAT))
        name = "cast"
    for number, scale in enumerate(scales):
        made = f"scaled{number}"
        offset = [0.25] if len(scale) == 1 else [0.1, -3.0, 7.0]
        before.append(
            helper.make_node(
                "Scaler", [name], [made], domain="ai.onnx.ml", offset=offset, scale=scale
            )
        )
        name = made
    constants = []
    if chosen:
        constants = [numpy_helper.from_array(np.array(chosen), "chosen")]
        before.append(
            helper.make_node(
                "ArrayFeatureExtractor", [name, "chosen"], ["picked"], domain="ai.onnx.ml"
            )
        )
        name = "picked"
    node = classic("TreeEnsembleRegressor", nodes, n_targets=1)
    node.input[0] = name
    proven(model([*before, node], 3, {"scores": FLOAT}, dtype, constants))


def simple(**attributes):
    nodes = random_trees(np.random.default_rng(3), 4, 3, ORDER, 3, VALUES)
    given = {"classlabels_int64s": [0, 1, 2], "post_transform": "SOFTMAX", **attributes}
    return classic("TreeEnsembleClassifier", nodes, **given)


LABELS = {"label": INT64, "scores": FLOAT}


def behind(*nodes, outputs=LABELS, ensemble=None):
    return model([ensemble or simple(), *nodes], 3, outputs)


def test_shares_of_unequal_trees_are_normalized():
    """Trees may hold weights of classes; a Normalizer divides by their sum."""
    nodes = random_trees(np.random.default_rng(3), 4, 3, ORDER, 3, VALUES)
    for node in nodes:
        total = sum(map(abs, node["weights"].values())) or 1
        node["weights"] = {at: abs(one) / total for at, one in node["weights"].items()}
    ensemble = classic("TreeEnsembleClassifier", nodes, classlabels_int64s=[0, 1, 2])
    normalizer = helper.make_node(
        "Normalizer", ["scores"], ["shares"], domain="ai.onnx.ml", norm="L1"
    )
    proven(behind(normalizer, ensemble=ensemble, outputs={"label": INT64, "shares": FLOAT}))
    with pytest.raises(UnsupportedEstimator, match="without turning its scores into probabilities"):
        import_estimator(read(behind(ensemble=ensemble)))


@pytest.mark.parametrize(("operator", "name"), [("Exp", "exponential"), ("Sigmoid", "sigmoid")])
def test_functions_behind_a_regressor(operator, name):
    nodes = random_trees(np.random.default_rng(3), 4, 3, ORDER, 1, VALUES)
    ensemble = classic("TreeEnsembleRegressor", nodes, n_targets=1)
    content = behind(
        helper.make_node(operator, ["scores"], ["y"]), ensemble=ensemble, outputs={"y": FLOAT}
    )
    assert proven(content).forest.postprocessor.name == name


def of_two(weights, transform):
    nodes = random_trees(np.random.default_rng(3), 4, 3, ORDER, 1, VALUES)
    for node in nodes:
        if node["mode"] == "LEAF":
            node["weights"] = dict(enumerate(weights))
    labels = {"classlabels_int64s": [0, 1]}
    return classic("TreeEnsembleClassifier", nodes, post_transform=transform, **labels)


@pytest.mark.parametrize("modes", [ORDER, EQUAL])
def test_opposite_scores_of_two_classes(modes):
    """CatBoost writes both, for the labels 0 and 1."""
    nodes = random_trees(np.random.default_rng(3), 9, 3, modes, 1, VALUES)
    for node in nodes:
        node["weights"] = {
            at: sign * one for one in node["weights"].values() for at, sign in ((0, -1), (1, 1))
        }
    labels = {"classlabels_int64s": [0, 1], "post_transform": "LOGISTIC"}
    proven(behind(ensemble=classic("TreeEnsembleClassifier", nodes, **labels)))
    labels["classlabels_int64s"] = [7, 8]
    with pytest.raises(UnsupportedEstimator, match="a score for the second one"):
        import_estimator(read(behind(ensemble=classic("TreeEnsembleClassifier", nodes, **labels))))


def neural():
    return model([helper.make_node("Gemm", ["X", "w"], ["scores"])], 3, {"scores": FLOAT})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (neural, "without a tree ensemble: it has Gemm"),
        (lambda: behind(helper.make_node("Softmax", ["scores"], ["y"])), "operator 'Softmax'"),
        (
            lambda: behind(helper.make_node("Add", ["scores", "scores"], ["y"])),
            "operator 'Add' around its trees, which cannot be packed; export the tree ensemble",
        ),
        (lambda: behind(helper.make_node("Relu", ["X"], ["y"])), "operator 'Relu'"),
        (
            lambda: behind(
                helper.make_node("Normalizer", ["scores"], ["y"], domain="ai.onnx.ml", norm="L2")
            ),
            "operator 'Normalizer'",
        ),
        (lambda: behind(simple()), "holds 2 tree ensembles"),
        (lambda: behind(ensemble=simple(post_transform="PROBIT")), "go through PROBIT"),
        (lambda: behind(ensemble=simple(post_transform="SOFTMAX_ZERO")), "through SOFTMAX_ZERO"),
        (lambda: behind(ensemble=simple(base_values=[1.0, 2.0])), "2 base values for 3 sums"),
        (lambda: behind(ensemble=of_two([0.5, 0.5], "NONE")), "a score for the second one"),
        (lambda: behind(ensemble=of_two([0.5], "LOGISTIC")), "only positive ones"),
        (lambda: behind(ensemble=of_two([-0.5], "NONE")), "not only positive ones"),
        (
            lambda: behind(
                ensemble=classic(
                    "TreeEnsembleRegressor",
                    random_trees(np.random.default_rng(0), 3, 3, ORDER, 1, VALUES),
                    n_targets=1,
                    aggregate_function="MAX",
                ),
                outputs={"scores": FLOAT},
            ),
            "combined by 'MAX', which cannot be packed",
        ),
        (
            lambda: behind(
                ensemble=classic(
                    "TreeEnsembleRegressor",
                    random_trees(np.random.default_rng(0), 3, 3, ORDER, 1, VALUES),
                    n_targets=1,
                    post_transform="LOGISTIC",
                ),
                outputs={"scores": FLOAT},
            ),
            "go through LOGISTIC",
        ),
    ],
)
def test_other_graphs_are_refused_by_name(content, fault):
    with pytest.raises(UnsupportedEstimator, match=fault):
        import_estimator(read(content()))


def test_another_model_of_skl2onnx_names_its_operator(iris):
    content = to_onnx(LogisticRegression().fit(*iris), iris[0][:1].astype(np.float32))
    with pytest.raises(UnsupportedEstimator, match="without a tree ensemble: it has LinearClass"):
        read(content.SerializeToString())


def test_equality_after_scaling_is_refused():
    nodes = random_trees(np.random.default_rng(0), 9, 3, EQUAL, 1, VALUES)
    node = classic("TreeEnsembleRegressor", nodes, n_targets=1)
    node.input[0] = "s"
    scaler = helper.make_node(
        "Scaler", ["X"], ["s"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0]
    )
    with pytest.raises(UnsupportedEstimator, match="whether a scaled feature is equal to a value"):
        import_estimator(read(model([scaler, node], 3, {"scores": FLOAT})))


def test_without_onnx_runtime_the_trees_are_walked(iris, monkeypatch):
    forest = RandomForestClassifier(3, random_state=0).fit(*iris)
    record = read(to_onnx(forest, iris[0][:1].astype(np.float32)).SerializeToString())
    packed = import_estimator(record)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    importer = importer_of(record)
    found = proof.ask(importer, record, packed, proof.hard_rows(packed, None))
    assert found.source == (
        "a plain walk of the same trees in NumPy; ONNX opset 1 (skl2onnx 1.20.0) itself was not "
        "asked"
    )
    assert proof.compare(packed, found).n_different == 0
    assert importer.version == "(not installed)"


def test_integers_are_compared_as_floats():
    """The rows of the proof are not integers, so the trees are walked."""
    nodes = random_trees(np.random.default_rng(5), 9, 3, ORDER, 3, VALUES)
    labels = {"classlabels_int64s": [0, 1, 2], "post_transform": "SOFTMAX"}
    node = classic("TreeEnsembleClassifier", nodes, **labels)
    content = model([node], 3, LABELS, INT64)
    record = read(content)
    packed = import_estimator(record)
    assert onnx_model.restore(record) is None
    rows = np.random.default_rng(0).integers(-3, 9, (300, 3))
    found, (labels, scores) = packed.forest.predict(rows.astype(np.float32)), answers(content, rows)
    assert np.array_equal(found.positions, labels)
    np.testing.assert_allclose(found.values, scores, atol=1e-6)


def test_hit_rates_that_are_covers_explain(iris):
    """skl2onnx writes 1 for every node, so nothing is known of the training rows."""
    x, y = iris
    forest = RandomForestRegressor(3, random_state=0).fit(x, np.unique(y, return_inverse=True)[1])
    plain = to_onnx(forest, x[:1].astype(np.float32))
    assert not import_estimator(read(plain.SerializeToString())).forest.covers.size
    (node,) = plain.graph.node
    rates = [tree.tree_.weighted_n_node_samples for tree in forest.estimators_]
    for attribute in node.attribute:
        if attribute.name == "nodes_hitrates":
            del attribute.floats[:]
            attribute.floats.extend(np.concatenate(rates).tolist())
    packed = import_estimator(read(plain.SerializeToString()))
    expected = import_estimator(forest)
    np.testing.assert_allclose(
        packed.explain(x).contributions, expected.explain(x).contributions, atol=1e-5
    )
