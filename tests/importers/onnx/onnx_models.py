"""ONNX models with trees of every kind, built node by node, and ONNX Runtime's answers."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
MODES = (
    *("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"),
    "BRANCH_MEMBER",
)


def random_trees(rng, n_trees, n_features, modes, n_outputs, values, scale=1.0):
    """Trees as lists of (tree, node, mode, feature, value, true, false, tracks, weights)."""
    nodes = []
    for tree in range(n_trees):
        _grow(
            nodes, rng, tree, int(rng.integers(0, 4)), n_features, modes, n_outputs, values, scale
        )
    return nodes


def _grow(nodes, rng, tree, depth, n_features, modes, n_outputs, values, scale):
    number = sum(1 for node in nodes if node["tree"] == tree)
    node = {"tree": tree, "number": number, "weights": {}, "mode": "LEAF"}
    nodes.append(node)
    if depth == 0 or rng.random() < 0.1:
        node["weights"] = {
            output: float(np.float32(rng.normal() * scale)) for output in range(n_outputs)
        }
        return number
    node["mode"] = str(rng.choice(modes))
    node["feature"] = int(rng.integers(n_features))
    node["value"] = float(rng.choice(values))
    node["members"] = sorted({float(one) for one in rng.choice(values, 3)})
    node["tracks"] = int(rng.random() < 0.3)
    rest = (rng, tree, depth - 1, n_features, modes, n_outputs, values, scale)
    node["true"] = _grow(nodes, *rest)
    node["false"] = _grow(nodes, *rest)
    return number


def classic(operator, nodes, dtype=FLOAT, **attributes):
    """A TreeEnsembleClassifier or TreeEnsembleRegressor of trees; class 0 is both of two."""
    role = "class" if operator == "TreeEnsembleClassifier" else "target"
    weights = [(node, *pair) for node in nodes for pair in node["weights"].items()]
    numbers = {
        "nodes_values": [node.get("value", 0.0) for node in nodes],
        f"{role}_weights": [weight for _, _, weight in weights],
    }
    if dtype == DOUBLE and attributes.pop("as_doubles", False):
        numbers = {
            f"{name}_as_tensor": helper.make_tensor(name, DOUBLE, [len(found)], found)
            for name, found in numbers.items()
        }
    attributes.pop("as_doubles", None)
    return helper.make_node(
        operator,
        ["X"],
        ["label", "scores"] if role == "class" else ["scores"],
        domain="ai.onnx.ml",
        nodes_treeids=[node["tree"] for node in nodes],
        nodes_nodeids=[node["number"] for node in nodes],
        nodes_modes=[node["mode"] for node in nodes],
        nodes_featureids=[node.get("feature", 0) for node in nodes],
        nodes_truenodeids=[node.get("true", 0) for node in nodes],
        nodes_falsenodeids=[node.get("false", 0) for node in nodes],
        nodes_missing_value_tracks_true=[node.get("tracks", 0) for node in nodes],
        **{f"{role}_treeids": [node["tree"] for node, _, _ in weights]},
        **{f"{role}_nodeids": [node["number"] for node, _, _ in weights]},
        **{f"{role}_ids": [output for _, output, _ in weights]},
        **numbers,
        **attributes,
    )


def version_5(nodes, dtype, n_targets, **attributes):
    """A TreeEnsemble of trees whose leaves have one weight each."""
    numpy_dtype = np.float32 if dtype == FLOAT else np.float64
    inner = [node for node in nodes if node["mode"] != "LEAF"]
    leaves = [node for node in nodes if node["mode"] == "LEAF"]
    place = {(node["tree"], node["number"]): at for at, node in enumerate(inner)}
    leaf_place = {(node["tree"], node["number"]): at for at, node in enumerate(leaves)}
    sides = {"true": ([], []), "false": ([], [])}
    for node in inner:
        for side, (ids, are_leaves) in sides.items():
            key = (node["tree"], node[side])
            ids.append(place.get(key, leaf_place.get(key)))
            are_leaves.append(int(key in leaf_place))
    members = [
        one for node in inner if node["mode"] == MODES[6] for one in [*node["members"], np.nan]
    ]
    roots = [place[node["tree"], 0] for node in inner if node["number"] == 0]

    def tensor(name, found, kind=dtype):
        return helper.make_tensor(name, kind, [len(found)], found)

    optional = {} if not members else {"membership_values": tensor("membership", members)}
    return helper.make_node(
        "TreeEnsemble",
        ["X"],
        ["scores"],
        domain="ai.onnx.ml",
        n_targets=n_targets,
        tree_roots=roots,
        nodes_modes=tensor(
            "modes", [MODES.index(node["mode"]) for node in inner], TensorProto.UINT8
        ),
        nodes_featureids=[node["feature"] for node in inner],
        nodes_splits=tensor("splits", [numpy_dtype(node["value"]) for node in inner]),
        nodes_missing_value_tracks_true=[node["tracks"] for node in inner],
        nodes_truenodeids=sides["true"][0],
        nodes_trueleafs=sides["true"][1],
        nodes_falsenodeids=sides["false"][0],
        nodes_falseleafs=sides["false"][1],
        leaf_targetids=[next(iter(leaf["weights"])) for leaf in leaves],
        leaf_weights=tensor("leaves", [next(iter(leaf["weights"].values())) for leaf in leaves]),
        **optional,
        **attributes,
    )


def model(nodes, n_features, outputs, dtype=FLOAT, initializers=(), opset=3, inputs=None):
    """The bytes of a model of operators, in their order."""
    given = inputs or [helper.make_tensor_value_info("X", dtype, [None, n_features])]
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    graph = helper.make_graph(nodes, "trees", given, made, initializer=list(initializers))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def answers(content, x):
    """What ONNX Runtime answers."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": x})
